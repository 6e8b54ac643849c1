// The keeping end of a copy: takes a writer's table over with its contents, asks for what it lacks, and says what is durable
// here only when data and entries are, and the table is the writer's (SOUNDNESS A4, A13). One stream, one keeper.
import type { Clock, Timer } from '../../common/clock.ts';
import { messageOf } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { Closing } from '../../wire/contracts/blockd.ts';
import type { CopyOffer } from '../../wire/contracts/layers.ts';
import type { TrafficCause } from '../../wire/contracts/metrics.ts';
import type { WantedRun } from '../layers/block-fetcher.ts';
import type { LayerBlocks } from '../layers/layer-blocks.ts';
import { FrameIntake, SILENCE_MS } from '../peer/frame-intake.ts';
import { HeardOffers, type OfferTaker } from '../peer/heard-offers.ts';
import { encodePeerFrame, type PeerFrame } from '../peer/peer-frame.ts';
import type { Dial, PeerStream } from '../peer/peer-stream.ts';
import { sameTable, type TableSource } from '../peer/table-follower.ts';
import { HEARTBEAT_MS } from '../peer/table-teller.ts';
import type { Meter } from '../peer/traffic.ts';
import { TAIL_FIRST } from '../store/cut-off-tails.ts';
import type { EpochEnd } from '../table/block-version.ts';
import { CopyFilling, type FillingLayers } from './copy-filling.ts';
import { KeptTable } from './kept-table.ts';
import { wasWhole } from './whole-copy.ts';

/** How much of the table, in time, a restarted copy hears again at most, if it had everything. */
const NOTE_MS = 10_000;

export interface CopyKeeperParts {
  readonly offer: CopyOffer;
  readonly layer: LayerBlocks;
  /** The writer's name. */
  readonly source: string;
  readonly layers: FillingLayers;
  readonly stream: PeerStream;
  readonly dial: Dial;
  readonly clock: Clock;
  readonly log: Log;
}

/** One layer that is kept for its writer. */
export class CopyKeeper implements TableSource {
  readonly #parts: CopyKeeperParts;
  readonly #intake: FrameIntake;
  readonly #offers = new HeardOffers((frame) => {
    if (!this.isClosed) this.#send(frame);
  });
  readonly #table: KeptTable;
  readonly #filling: CopyFilling;
  readonly #end = new AbortController();
  readonly #ended = Promise.withResolvers<void>();
  readonly #wasWhole: boolean;
  #isBelowHere = false;
  #isWorking = false;
  #hasMore = false;
  #beganMs = 0;
  #saidSequence: number | undefined;
  #saidDigest = '';
  #notedMs: number | undefined;
  #sign: Timer | undefined;
  #change = Promise.withResolvers<void>();

  constructor(parts: CopyKeeperParts) {
    this.#parts = parts;
    const take = (frame: PeerFrame): string => this.#take(frame);
    this.#intake = new FrameIntake({ clock: parts.clock, take, failed: (reason) => this.#fail(reason) });
    this.#wasWhole = wasWhole(parts.layer.store);
    this.#table = new KeptTable(parts.layer.store, parts.source, parts.offer.epoch);
    this.#filling = new CopyFilling({
      ...{ ...parts, table: this.#table, signal: this.#end.signal },
      came: () => this.#poke(),
      failed: (error) => this.#fail(messageOf(error)),
    });
  }

  /** Asks for the table and for the layers below. */
  begin(): void {
    const { store } = this.#parts.layer;
    const { closing } = store.state;
    const isEqual = closing !== null && sameTable(store.table.mark, closing);
    // What a crash left of later changes comes anew with them; that nothing else differs the next mark's digest says.
    const copied = store.state.copiedUpTo ?? undefined;
    this.#intake.watch();
    this.#giveSigns();
    this.#send({ type: 'follow', afterSequence: isEqual ? closing.lastSequence : copied });
    this.#bringBelow().catch((error: unknown) => this.#fail(messageOf(error)));
  }

  /** The writer's name. */
  get source(): string {
    return this.#parts.source;
  }

  get image(): string {
    return this.#parts.offer.image;
  }

  /** A stand-by is beside the copy, and hears what a follower does: the writer is told whether the image comes here. */
  tellComing(taker: OfferTaker): void {
    this.#offers.taker = taker;
    this.#offers.tellComing();
  }

  /** Whether the layer is a part of what is kept. */
  includes(layer: string): boolean {
    const { stack } = this.#parts.offer;
    return stack.layer === layer || stack.below.some((sealed) => sealed.layer === layer);
  }

  /** Settles when it takes nothing any more. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  get isClosed(): boolean {
    return this.#end.signal.aborted;
  }

  /** Whether it had everything once, maybe in an earlier life: what was flushed then is here as it was, or newer. */
  get wasWhole(): boolean {
    return this.isInStep || this.#wasWhole;
  }

  /** Whether it was seen to have everything on this stream. */
  get isInStep(): boolean {
    return !this.isClosed && this.#saidSequence !== undefined;
  }

  get isEqual(): boolean {
    return this.isInStep;
  }

  get afterSequence(): number | undefined {
    return this.#saidSequence;
  }

  get ends(): readonly EpochEnd[] {
    return this.#table.ends;
  }

  equals(closing: Closing): boolean {
    return this.#table.state === 'whole' && sameTable(this.#parts.layer.store.table.mark, closing);
  }

  /** Settles when the table was compared anew, or the keeper has ended. */
  marked(): Promise<void> {
    return this.#change.promise;
  }

  received(chunk: Uint8Array): void {
    if (this.isClosed) return;
    this.#meter('pushed').bytesIn += chunk.length;
    this.#intake.received(chunk);
  }

  /** Ends it; what has come stays. */
  close(): void {
    if (this.isClosed) return;
    this.#end.abort();
    this.#ended.resolve();
    this.#intake.end();
    this.#sign?.cancel();
    this.#filling.close();
    this.#parts.stream.close();
    this.#changed();
  }

  /** Answers what is wrong with a frame, or nothing. */
  #take(frame: PeerFrame): string {
    switch (frame.type) {
      case 'begin':
        if (frame.epoch !== this.#parts.offer.epoch) return `it writes under epoch ${frame.epoch}`;
        if (!this.#parts.layer.store.isTailAside(frame.ends)) return TAIL_FIRST;
        return this.#table.begin(frame.blocks, frame.ends);
      case 'holder':
        return this.#table.holder(frame.index, frame.name);
      case 'blocks':
        return this.#contents(frame.runs, frame.data);
      case 'entries':
        return this.#table.entries(Buffer.from(frame.runs));
      case 'mark':
        this.#table.marked(frame.mark);
        this.#poke();
        return '';
      default:
        return this.#offers.take(frame);
    }
  }

  #contents(runs: readonly WantedRun[], data: Buffer): string {
    const [run, ...others] = runs;
    if (run === undefined || others.length > 0) return 'it sent contents of several versions at once';
    this.#table.content(run, Buffer.from(data));
    return '';
  }

  /** One round of work at a time; what comes meanwhile makes another. */
  #poke(): void {
    this.#hasMore = true;
    if (this.#isWorking || this.isClosed) return;
    this.#isWorking = true;
    this.#work().catch((error: unknown) => this.#fail(messageOf(error)));
  }

  async #work(): Promise<void> {
    while (this.#hasMore && !this.isClosed) {
      this.#hasMore = false;
      this.#beganMs = this.#parts.clock.nowMs();
      await this.#table.apply(() => this.#mayWrite());
      const { mark, state } = this.#table;
      if (this.isClosed || mark === undefined) continue;
      this.#send({ type: 'taken', sequence: mark.lastSequence });
      if (state === 'differs') await this.#differ();
      else if (state === 'lacking') this.#filling.fill();
      else await this.#becameWhole(mark);
      this.#changed();
    }
    // In the very step of the last look: what comes later begins another round.
    this.#isWorking = false;
  }

  async #becameWhole(mark: NonNullable<KeptTable['mark']>): Promise<void> {
    const { store } = this.#parts.layer;
    // It may count from higher on: a crash gave numbers beyond those that the writer had taken then. A stand-by is to equal it.
    if (store.state.role !== 'sealed') store.table.lastSequence = mark.lastSequence;
    if (this.#isBelowHere) await this.#say(mark);
  }

  /** A store that became a writer, or whose layer was sealed, takes nothing from anyone. */
  #mayWrite(): boolean {
    if (this.isClosed) return false;
    const { role } = this.#parts.layer.store.state;
    if (mayKeep(role) || role === 'standby') return true;
    this.#fail(`the layer is ${role} here`);
    return false;
  }

  /** Once more where the mark is only said again: the writer waits for a word that it did not hear. */
  async #say(mark: NonNullable<KeptTable['mark']>): Promise<void> {
    const isSaid = this.#saidSequence === mark.lastSequence && this.#saidDigest === mark.digest;
    if (!isSaid) await this.#makeDurable(mark.lastSequence);
    if (this.isClosed) return;
    this.#saidSequence = mark.lastSequence;
    this.#saidDigest = mark.digest;
    this.#send({ type: 'durable', epoch: this.#parts.offer.epoch, mark });
  }

  /** Now and then with a note from where a restarted copy has to hear the table: each is as long as the layer's state. */
  async #makeDurable(copiedUpTo: number): Promise<void> {
    const { store } = this.#parts.layer;
    const nowMs = this.#parts.clock.nowMs();
    const isDue = this.#notedMs === undefined || nowMs - this.#notedMs >= NOTE_MS;
    if (!isDue || store.state.role === 'sealed') return store.flush();
    this.#notedMs = nowMs;
    return store.commit({ state: { copiedUpTo } });
  }

  /** The whole is to be told the next time. */
  async #differ(): Promise<void> {
    const { store } = this.#parts.layer;
    if (store.state.copiedUpTo !== undefined) await store.commit({ state: { copiedUpTo: null } });
    this.#fail('the tables differ');
  }

  async #bringBelow(): Promise<void> {
    await this.#filling.bringBelow(this.#parts.offer.stack.below);
    this.#isBelowHere = true;
    this.#poke();
  }

  #send(frame: PeerFrame): void {
    const bytes = encodePeerFrame(frame);
    this.#meter('table').bytesOut += bytes.length;
    this.#parts.stream.write(bytes);
  }

  #meter(cause: TrafficCause): Meter {
    const { layers, layer, source } = this.#parts;
    return layers.trafficOf(layer.store.layer).meter(source, cause);
  }

  #fail(reason: string): void {
    if (this.isClosed) return;
    const { image, layer } = this.#parts.layer.store;
    this.#parts.log.warn({ image, layer, node: this.#parts.source, reason }, 'a copy ends');
    this.#send({ type: this.#table.isNewer ? 'outdated' : 'refused', reason });
    this.close();
  }

  /** Of life: a long table may be on its way, or this node's disk be slow; not when it takes no end. */
  #giveSigns(): void {
    this.#sign = this.#parts.clock.setTimer(HEARTBEAT_MS, () => {
      const isStuck = this.#isWorking && this.#parts.clock.nowMs() - this.#beganMs > SILENCE_MS;
      if (!isStuck) this.#send({ type: 'taken', sequence: this.#table.mark?.lastSequence ?? 0 });
      this.#giveSigns();
    });
  }

  #changed(): void {
    this.#change.resolve();
    this.#change = Promise.withResolvers();
  }
}

/** Whether a layer may be changed as another store says: it is nobody's own here. */
export function mayKeep(role: string): boolean {
  return role === 'loose' || role === 'replica';
}
