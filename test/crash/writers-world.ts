// Two nodes that write one image one after the other, the catalogue between them, and a disk of either that loses its power
// (or a daemon that is killed) at a chosen step of its disk. Whoever called the node calls again. Not a test itself.
import { closeEpoch, type Entry } from '../../blockd/catalogue/catalogue.ts';
import { blockCalls } from '../../blockd/image/block-calls.ts';
import type { ImageShelf } from '../../blockd/image/image-shelf.ts';
import { PeerSession } from '../../blockd/peer/peer-session.ts';
import type { Dial, PeerStream, StreamEvents } from '../../blockd/peer/peer-stream.ts';
import { BLOCK_BYTES } from '../../blockd/table/block-version.ts';
import type { Clock } from '../../common/clock.ts';
import type { Handlers } from '../../common/rpc/server.ts';
import type { blockdContract, Closing } from '../../wire/contracts/blockd.ts';
import type { Head } from '../../wire/contracts/catalogue.ts';
import { DiskHistory } from '../sim/block-history.ts';
import { context } from '../unit/blockd/catalogue-entries.ts';
import { isSettled, ManualClock, settle } from '../unit/blockd/manual-clock.ts';
import { memoryStream } from '../unit/blockd/memory-stream.ts';
import { shelfOn } from '../unit/blockd/quiet-shelf.ts';
import { CrashDisk } from './crash-disk.ts';

export const IMAGE = 'web';
export const LAYER = 'l00000000000000aa';
export const BLOCKS = 4;
const BYTES = BLOCKS * BLOCK_BYTES;
const TICK_MS = 250;
/** What takes longer than so many ticks never ends. */
const TICKS_MAX = 400;

export type Writer = 'a' | 'b';
export type Calls = Handlers<typeof blockdContract>;

/** Which node dies at which of its disk steps, counted from the beginning of the handover, and what is left then. */
export interface Death {
  readonly node: Writer;
  readonly afterSteps: number;
  readonly how: 'killed' | 'lose-all' | 'lose-part';
}

/** A daemon's life ended in this call. */
export class Died extends Error {
  readonly node: Writer;

  constructor(node: Writer) {
    super(`node ${node} died`);
    this.node = node;
  }
}

/** One node. */
interface Store {
  disk: CrashDisk;
  shelf: ImageShelf;
  /** Ends its life: nothing that it had begun goes on. */
  end: () => void;
}

/** The two stores, and the image's head. */
export class WritersWorld {
  readonly clock = new ManualClock();
  /** What the image is by the catalogue's word. */
  readonly history = new DiskHistory(BYTES);
  /** Where its guest runs; it dies with its node's power. */
  guest: Writer | undefined;
  hasDied = false;
  /** Nodes whose power has failed. */
  readonly #dark = new Set<Writer>();
  readonly #stores = new Map<Writer, Store>();
  readonly #ends = new Set<() => void>();
  #death: Death | undefined;
  #entry: Entry | undefined;

  static async make(): Promise<WritersWorld> {
    const world = new WritersWorld();
    for (const node of ['a', 'b'] as const) await world.#start(node, new CrashDisk());
    return world;
  }

  get entry(): Entry {
    if (this.#entry === undefined) throw new TypeError('the image is made first');
    return this.#entry;
  }

  get head(): Head {
    return this.entry.head;
  }

  commit(entry: Entry | undefined): void {
    if (entry === undefined) throw new Error('nothing is committed');
    this.#entry = entry;
  }

  shelf(node: Writer): ImageShelf {
    return this.#at(node).shelf;
  }

  /** From here on a node's disk steps are counted, up to its death. */
  arm(death: Death): void {
    this.#death = death;
    this.#at(death.node).disk.cutAfter(death.afterSteps);
  }

  /** What it has to say, called again when its node died meanwhile. */
  ask<T>(node: Writer, call: (calls: Calls) => Promise<T> | T): Promise<T> {
    return this.#again(() => this.askOnce(node, call));
  }

  async #again<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof Died)) throw error;
      }
    }
  }

  /** @throws Died when that node does; another one that dies comes back, and the call goes on */
  async askOnce<T>(node: Writer, call: (calls: Calls) => Promise<T> | T): Promise<T> {
    const { shelf } = this.#at(node);
    return this.#passing(node, (async () => call(blockCalls(shelf)))());
  }

  /** Closes the epoch of a node; its guest has gone. */
  async close(node: Writer): Promise<void> {
    const { epoch, stack } = this.head;
    const order = { image: IMAGE, layer: stack.layer, epoch };
    this.guest = undefined;
    const wasDark = this.#dark.has(node);
    const closing = await this.ask(node, (calls) => calls['image.close'](order, context));
    // What was answered and not flushed is durable with the answer, unless the power failed before.
    if (wasDark === this.#dark.has(node)) this.history.moved();
    this.commit(closeEpoch(this.entry, node, closing));
  }

  /** The guest of a node writes, of which the model knows first. */
  async write(node: Writer, block: number, fill: number, fua: boolean, history = this.history): Promise<void> {
    const [offset, data] = [block * BLOCK_BYTES, Buffer.alloc(BLOCK_BYTES, fill)];
    history.asked(offset, data);
    const { image } = this.shelf(node).get(IMAGE);
    await this.#passing(node, (async () => image.write(offset, data, fua))());
    history.answered(offset, BLOCK_BYTES, fua);
  }

  /** The whole image, asked for again when the node died meanwhile. */
  read(node: Writer): Promise<Uint8Array> {
    return this.#again(() => this.#passing(node, this.shelf(node).get(IMAGE).image.readLater(0, BYTES)));
  }

  /** Waits for what goes on at a node while time passes. */
  async #passing<T>(node: Writer, work: Promise<T>): Promise<T> {
    work.catch(() => undefined);
    for (let tick = 0; !(await isSettled(work)); tick++) {
      if (tick > TICKS_MAX) throw new Error('it is never answered');
      const died = await this.#revive();
      if (died === node) throw new Died(node);
      if (died === undefined) await this.clock.advance(TICK_MS);
    }
    return work.catch(async (error: unknown) => {
      // A step in its caller's own turn has failed with the disk.
      if ((await this.#revive()) === node) throw new Died(node);
      throw error;
    });
  }

  /** A node whose disk has stopped is started again, on what is left. */
  async #revive(): Promise<Writer | undefined> {
    const death = this.#death;
    if (death === undefined) return undefined;
    const { disk, end } = this.#at(death.node);
    if (!(await isSettled(disk.cut))) return undefined;
    this.#death = undefined;
    end();
    for (const close of this.#ends) close();
    this.#ends.clear();
    await settle();
    this.hasDied = true;
    if (death.how !== 'killed') this.#dark.add(death.node);
    if (this.guest === death.node && death.how !== 'killed') this.guest = undefined;
    await this.#start(death.node, diskAfter(disk, death.how));
    return death.node;
  }

  async #start(node: Writer, disk: CrashDisk): Promise<void> {
    let isAlive = true;
    const clock = living(this.clock, () => isAlive);
    const dial: Dial = (to, layer, events) => this.#dial(node, to, layer, events, () => isAlive);
    const starting = shelfOn(disk, node, { dial, clock });
    const end = (): void => {
      isAlive = false;
    };
    const shelf = await starting;
    this.#stores.set(node, { disk, shelf, end });
    const members = ['a', 'b'].map((name) => ({ node: name, address: '127.0.0.1' }));
    await shelf.members.set(members);
  }

  async #dial(
    from: Writer,
    to: string,
    layer: string,
    events: StreamEvents,
    isAlive: () => boolean,
  ): Promise<PeerStream> {
    await Promise.resolve();
    const store = to === 'a' || to === 'b' ? this.#stores.get(to) : undefined;
    const served = store?.shelf.layers.served(layer);
    if (served === undefined || !isAlive()) throw new Error('unreachable');
    const { clock } = this;
    const heard = { ...events, closed: () => (isAlive() ? events.closed() : undefined) };
    const stream = memoryStream(heard, (called) => new PeerSession({ ...served, peer: from, clock, stream: called }));
    this.#ends.add(() => stream.close());
    return stream;
  }

  #at(node: Writer): Store {
    const store = this.#stores.get(node);
    if (store === undefined) throw new TypeError(`there is no node ${node}`);
    return store;
  }
}

/** How an image without any entry was closed. */
export function closingAtFirst(): Closing {
  return { image: IMAGE, epoch: 0, lastSequence: 0, entries: 0, digest: '0'.repeat(32), generation: 1 };
}

function diskAfter(disk: CrashDisk, how: Death['how']): CrashDisk {
  if (how === 'killed') return disk.afterKill();
  const parts = disk.losses().filter(({ kind }) => kind === 'lose-part');
  // One of them, another one at another step.
  const part = how === 'lose-part' ? parts[disk.steps % Math.max(1, parts.length)] : undefined;
  return disk.afterCut(part ?? { kind: 'lose-all' });
}

/** Timers of one life. */
function living(clock: Clock, isAlive: () => boolean): Clock {
  return {
    nowMs: () => clock.nowMs(),
    wallMs: () => clock.wallMs(),
    setTimer: (delayMs, fire) => clock.setTimer(delayMs, () => (isAlive() ? fire() : undefined)),
  };
}
