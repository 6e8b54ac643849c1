// What moves blocks from one process to another in the peers' benchmark, and our two daemons as such. Measures what one
// move cost; judges nothing.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createAuthority, issueIdentity } from '../../common/membership/authority.ts';
import type { SealedLayer } from '../../wire/contracts/layers.ts';
import { BLOCKD_PORT } from '../../wire/ports.ts';
import { BlockdNode } from '../interop/blockd-node.ts';
import { DelayRelay, type Place } from './delay-relay.ts';
import { processorUs } from './nbd-load.ts';

/** One move of all bytes. Processor time is user and system time of all threads of that end's process. */
export interface Moved {
  readonly seconds: number;
  readonly sentCpuSeconds: number;
  readonly takenCpuSeconds: number;
}

/** Something that moves the same bytes again and again. */
export interface BlockMover {
  /** Moves all bytes; they are on the receiver's disk with the answer. */
  move(): Promise<Moved>;
  /** Moves them once more while `count` counts system calls of these processes; undefined when it cannot. */
  calls(count: CallCounter): Promise<number | undefined>;
  /** Forgets what was moved, so that it can be moved again. */
  clear(): Promise<void>;
  /** Where the moved bytes lie at the receiver. */
  readonly file: string;
  stop(): Promise<void>;
}

/** Runs the work and answers how many system calls the processes and their new threads made meanwhile. */
export type CallCounter = (pids: readonly number[], work: () => Promise<unknown>) => Promise<number | undefined>;

/** What is moved, and over what. */
export interface MoveCase {
  readonly directory: string;
  /** A raw file. */
  readonly source: string;
  readonly bytes: number;
  readonly roundTripMs: number;
}

const [SENDER, TAKER, RELAY] = ['127.0.0.31', '127.0.0.32', '127.0.0.33'] as const;
const IMAGE = 'web';
const LAYER = 'l00000000000000aa';
/** No limit of ours shall be what is measured. */
const RATE_BYTES_PER_SECOND = 100_000_000_000;

/** Two block daemons: a layer that never changes is brought from the one to the other. */
export class OurMover implements BlockMover {
  readonly #sender: BlockdNode;
  readonly #taker: BlockdNode;
  readonly #relay: DelayRelay | undefined;
  readonly #bytes: number;
  #sealed: SealedLayer | undefined;

  private constructor(sender: BlockdNode, taker: BlockdNode, relay: DelayRelay | undefined, bytes: number) {
    this.#sender = sender;
    this.#taker = taker;
    this.#relay = relay;
    this.#bytes = bytes;
  }

  /** `started` has it from the moment that something runs, so that whoever is told to end can stop it. */
  static async start(
    { directory, source, bytes, roundTripMs }: MoveCase,
    started: (mover: BlockMover) => void,
  ): Promise<void> {
    await mkdir(directory, { recursive: true });
    const authority = await createAuthority();
    const controller = await issueIdentity(authority, { node: 'k', role: 'controller' });
    const sender = await BlockdNode.make(authority, controller, directory, 'a', SENDER);
    const taker = await BlockdNode.make(authority, controller, directory, 'b', TAKER);
    const at = (address: string): Place => ({ address, port: BLOCKD_PORT });
    const relay = roundTripMs === 0 ? undefined : await DelayRelay.start(at(RELAY), at(SENDER), roundTripMs);
    const mover = new OurMover(sender, taker, relay, bytes);
    started(mover);
    await Promise.all([sender.start(), taker.start()]);
    mover.#sealed = await mover.#seal(source);
  }

  async move(): Promise<Moved> {
    const pids = [this.#sender.pid, this.#taker.pid] as const;
    const [sentUs, takenUs] = await Promise.all(pids.map(processorUs));
    const startedMs = performance.now();
    await this.#bring();
    const seconds = (performance.now() - startedMs) / 1000;
    const [sentEndUs, takenEndUs] = await Promise.all(pids.map(processorUs));
    const cpuSeconds = (fromUs = 0, toUs = 0): number => (toUs - fromUs) / 1e6;
    return {
      seconds,
      sentCpuSeconds: cpuSeconds(sentUs, sentEndUs),
      takenCpuSeconds: cpuSeconds(takenUs, takenEndUs),
    };
  }

  calls(count: CallCounter): Promise<number | undefined> {
    return count([this.#sender.pid, this.#taker.pid], () => this.#bring());
  }

  /** Whether all blocks came is asked here, where it costs no measurement. */
  async clear(): Promise<void> {
    const { layers } = await this.#taker.controller.call('layer.list', {});
    const local = layers.find(({ layer }) => layer === LAYER)?.localBlocks ?? 0;
    if (local * 4096 !== this.#bytes) throw new Error(`${local} blocks of ${this.#bytes / 4096} came`);
    await this.#taker.controller.call('layer.drop', { layer: LAYER });
  }

  get file(): string {
    return join(this.#taker.directory, 'state/layers', `${LAYER}.data`);
  }

  async stop(): Promise<void> {
    this.#relay?.close();
    for (const node of [this.#sender, this.#taker]) {
      await node.stop('SIGKILL');
      node.close();
    }
  }

  /** An image of the file, opened and closed once, is a layer that others may be brought. */
  async #seal(path: string): Promise<SealedLayer> {
    const { controller, endpoint } = this.#sender;
    const last = await controller.call('image.import', { image: IMAGE, layer: LAYER, path, format: 'raw' });
    const stack = { layer: LAYER, generation: 1, below: [] };
    await controller.call('image.open', { image: IMAGE, bytes: this.#bytes, stack, epoch: 1, last, from: endpoint });
    const closing = await controller.call('image.close', { image: IMAGE, layer: LAYER, epoch: 1 });
    const { lastSequence, entries, digest } = closing;
    return { layer: LAYER, bytes: this.#bytes, lastSequence, entries, digest };
  }

  async #bring(): Promise<void> {
    if (this.#sealed === undefined) throw new Error('there is nothing to bring yet');
    const from = { node: this.#sender.name, address: this.#relay === undefined ? SENDER : RELAY };
    const order = { layers: [this.#sealed], from, rateBytesPerSecond: RATE_BYTES_PER_SECOND };
    await this.#taker.controller.call('layer.seed', order);
  }
}
