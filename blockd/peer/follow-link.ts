// The stream on which a stand-by hears of the writer's table, or a store of a layer that never changes: opens it, feeds the follower, opens it again when it was
// lost or told something wrong. What it hears is made durable here within a second.
import type { Clock, Timer } from '../../common/clock.ts';
import type { Log } from '../../common/log.ts';
import { TAIL_FIRST } from '../store/cut-off-tails.ts';
import type { ImageStore } from '../store/image-store.ts';
import type { TableMark } from '../table/version-table.ts';
import { FrameIntake } from './frame-intake.ts';
import { HeardOffers, type OfferTaker } from './heard-offers.ts';
import { encodePeerFrame, type PeerFrame } from './peer-frame.ts';
import type { Dial, PeerStream } from './peer-stream.ts';
import { TableFollower, type TableTaker } from './table-follower.ts';
import type { Meter, Traffic } from './traffic.ts';

const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 2_000;
const BARRIER_MS = 1_000;

export interface FollowParts {
  readonly store: ImageStore;
  /** The node that is followed. */
  readonly source: string;
  readonly dial: Dial;
  readonly clock: Clock;
  readonly traffic: Traffic;
  readonly log: Log;
  /** Who takes blocks that the other store offers; nobody without it. */
  readonly taker?: OfferTaker;
  /** A source that writes under an older epoch is not believed. */
  readonly epochMin?: number;
  /** The table is wanted as this, and of nobody who has it otherwise: that may be older, and say less than what is here. */
  readonly proof?: TableMark;
  /** Up to this sequence the table is known to be that of the image. */
  readonly equalUpTo?: number | undefined;
  /** Who takes the table, by names alone without it; `failed`: the stream is of no use to it any more. */
  readonly tableTaker?: ((failed: (reason: string) => void) => TableTaker) | undefined;
}

/** Follows one layer at another store until it is closed. */
export class FollowLink {
  readonly follower: TableTaker;
  readonly #parts: FollowParts;
  #intake: FrameIntake | undefined;
  #offers: HeardOffers | undefined;
  #stream: PeerStream | undefined;
  #turn = 0;
  #retryMs = RETRY_MIN_MS;
  #timer: Timer | undefined;
  #barrier: Timer | undefined;
  #closed = false;
  #reason = 'not connected yet';

  constructor(parts: FollowParts) {
    this.#parts = parts;
    const { store, source, equalUpTo, taker, tableTaker } = parts;
    this.follower =
      tableTaker?.((reason) => this.#closed || this.#again(reason)) ??
      new TableFollower(store, source, equalUpTo, taker && ((run) => taker.told(run)));
    this.#connect();
  }

  /** In one sentence why the table does not equal the writer's; for people. */
  get reason(): string {
    return this.#reason;
  }

  /** Whether the node was not reached, refused, or told something wrong, since the link was made. */
  get hasFailed(): boolean {
    return this.#turn > 1;
  }

  /** Tells the other store anew whether the image is about to be written here. */
  tellComing(): void {
    this.#offers?.tellComing();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#intake?.end();
    this.#barrier?.cancel();
    this.#stream?.close();
    this.follower.close();
  }

  get #meter(): Meter {
    return this.#parts.traffic.meter(this.#parts.source, 'table');
  }

  #connect(): void {
    const turn = ++this.#turn;
    const take = (frame: PeerFrame): string => this.#take(frame);
    this.#intake = new FrameIntake({ clock: this.#parts.clock, take, failed: (reason) => this.#again(reason) });
    const isCurrent = (): boolean => turn === this.#turn && !this.#closed;
    const events = {
      received: (chunk: Uint8Array) => isCurrent() && this.#received(chunk),
      drained: () => undefined,
      closed: () => isCurrent() && this.#again('the stream ended'),
    };
    this.#parts.dial(this.#parts.source, this.#parts.store.layer, events).then(
      (stream) => {
        if (isCurrent()) this.#opened(stream);
        else stream.close();
      },
      (error: unknown) => isCurrent() && this.#again(error instanceof Error ? error.message : String(error)),
    );
  }

  #opened(stream: PeerStream): void {
    this.#stream = stream;
    const send = (frame: PeerFrame): void => this.#send(stream, frame);
    const { proof } = this.#parts;
    send({ type: 'follow', afterSequence: this.follower.afterSequence, ...(proof && { proof }) });
    this.#offers = new HeardOffers(send, this.#parts.taker);
    this.tellComing();
    this.#intake?.watch();
  }

  #received(chunk: Uint8Array): void {
    // What was the image's top is a layer here by now, as it was cut: what becomes of that is the merges' business.
    const isOver = this.#parts.taker !== undefined && this.#parts.store.state.role === 'sealed';
    if (isOver) {
      this.close();
      return;
    }
    this.#meter.bytesIn += chunk.length;
    this.#intake?.received(chunk);
  }

  /** Answers what is wrong with a frame, or nothing. */
  #take(frame: PeerFrame): string {
    switch (frame.type) {
      case 'begin':
        if (frame.epoch < (this.#parts.epochMin ?? 0)) return `it is in epoch ${frame.epoch}, which is over`;
        if (!this.#parts.store.isTailAside(frame.ends)) return TAIL_FIRST;
        return this.follower.begin(frame.whole, frame.blocks, frame.ends) ? '' : 'its image has another size';
      case 'holder':
        return this.follower.holder(frame.index, frame.name) ? '' : 'it names more nodes than there can be';
      case 'entries':
        return this.follower.entries(frame.runs) ? '' : 'it sent entries that cannot be';
      case 'mark':
        return this.#mark(frame);
      case 'refused':
        return frame.reason;
      default:
        return this.#offers?.take(frame) ?? `it sent a frame of type ${frame.type}`;
    }
  }

  /** On the stream that it belongs to, if that is open still. */
  #send(stream: PeerStream, frame: PeerFrame): void {
    if (stream !== this.#stream || this.#closed) return;
    const bytes = encodePeerFrame(frame);
    this.#meter.bytesOut += bytes.length;
    stream.write(bytes);
  }

  #mark(frame: PeerFrame & { type: 'mark' }): string {
    const isEqual = this.follower.mark(frame.mark);
    this.#armBarrier();
    if (!isEqual) return `the tables differ after the ${this.follower.isWhole ? 'whole table' : 'newest changes'}`;
    this.#reason = '';
    this.#retryMs = RETRY_MIN_MS;
    return '';
  }

  #again(reason: string): void {
    this.#reason = `node ${this.#parts.source}: ${reason}`;
    this.#parts.log.warn(
      { image: this.#parts.store.image, layer: this.#parts.store.layer, node: this.#parts.source, reason },
      'the table is asked for again',
    );
    this.#turn++;
    this.#intake?.end();
    this.#stream?.close();
    this.#stream = undefined;
    this.#timer?.cancel();
    this.#timer = this.#parts.clock.setTimer(this.#retryMs, () => this.#connect());
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS);
    // Who wants that state only may ask another one meanwhile.
    if (this.#parts.proof !== undefined) this.follower.lookAgain();
  }

  #armBarrier(): void {
    const { store, clock } = this.#parts;
    if (this.#barrier !== undefined || !store.table.hasChanges) return;
    this.#barrier = clock.setTimer(BARRIER_MS, () => {
      this.#barrier = undefined;
      // Its failure stays with the store: the stand-by cannot be verified then.
      store.flush()?.catch(() => store.failure);
    });
  }
}
