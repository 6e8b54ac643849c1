// A disk that moves between two real block daemons, each of which may die at any moment and is started again: the daemons'
// hypervisor agents and their orchestrator in one, who repeat what was not answered, forget nothing and never die. Its guest
// is a client that goes where the disk is. Not a test itself.
import { codeOf, messageOf } from '../../common/errors.ts';
import type { Closing } from '../../wire/contracts/blockd.ts';
import type { Stack } from '../../wire/contracts/layers.ts';
import type { PropagationSettings } from '../../wire/contracts/propagation.ts';
import type { BlockdNode } from '../interop/blockd-node.ts';
import type { MovingGuest } from './moving-guest.ts';

export const IMAGE = 'web';
const LAYER = 'l00000000000000ab';
const EMPTY: Closing = { image: IMAGE, epoch: 0, lastSequence: 0, entries: 0, digest: '0'.repeat(32), generation: 1 };
/** Of one call; a busy machine's. */
const CALL_MS = 60_000;
const RETRY_MS = 50;
/** A daemon that is killed is back long before. */
const TRIES_MAX = 1_200;
/** What a hold waits for a stand-by's table. */
const VERIFY_MS = 5_000;
/** What a migration waits for its guest to stand still: a flush that takes longer has it taken back. */
const QUIET_MS = 40_000;
const MIGRATION_DIGITS = 16;
const LAYER_DIGITS = 16;
const RATE = 1e9;
/** A call that may have been taken, or not. */
const UNANSWERED = new Set(['UNREACHABLE', 'CONNECTION_LOST', 'TIMEOUT']);
const REFUSED = new Set([
  'MIGRATION_ENDED',
  'NOT_WRITER',
  'EPOCH_ENDED',
  'IMAGE_OPEN',
  'UNKNOWN_MIGRATION',
  'NOT_VERIFIED',
]);

export interface MovingParts {
  readonly nodes: readonly [BlockdNode, BlockdNode];
  readonly bytes: number;
  readonly guest: MovingGuest;
  readonly propagation: PropagationSettings;
  /** Starts a daemon, or starts it again. */
  readonly start: (node: BlockdNode) => Promise<void>;
  readonly violated: (what: string) => void;
}

/** What became of a move. */
export type MoveEnd = 'moved' | 'refused' | 'held up';

/** The disk and the daemons that it moves between. */
export class MovingDisk {
  readonly #parts: MovingParts;
  #at: 0 | 1 = 0;
  #epoch = 0;
  #migrations = 0;
  #stack: Stack = { layer: LAYER, generation: 1, below: [] };
  #isOver = false;
  #doing = '';
  readonly #watches: Promise<void>[] = [];

  constructor(parts: MovingParts) {
    this.#parts = parts;
  }

  /** What it is waiting for. */
  get doing(): string {
    return this.#doing;
  }

  get writer(): BlockdNode {
    return this.#parts.nodes[this.#at];
  }

  get other(): BlockdNode {
    return this.#parts.nodes[1 - this.#at] ?? this.writer;
  }

  /** Starts the daemons, makes the image at the first and opens it there. */
  async begin(): Promise<void> {
    const { nodes, bytes, start, propagation } = this.#parts;
    for (const node of nodes) await start(node);
    for (const node of nodes) this.#watches.push(this.#watch(node));
    const members = nodes.map(({ endpoint }) => ({ ...endpoint, cloud: `cloud-${endpoint.node}` }));
    for (const node of nodes) await this.#insist(() => node.controller.call('members.set', { members }));
    const { controller, endpoint } = this.writer;
    await this.#insist(() => controller.call('image.create', { image: IMAGE, layer: LAYER, bytes }));
    const epoch = ++this.#epoch;
    const opening = { image: IMAGE, bytes, stack: this.#stack, epoch, last: EMPTY, from: endpoint, propagation };
    await this.#insist(() => controller.call('image.open', opening));
    this.#parts.guest.comeTo(this.writer.socket);
  }

  async end(): Promise<void> {
    this.#isOver = true;
    for (const node of this.#parts.nodes) await node.stop('SIGKILL');
    await Promise.all(this.#watches);
  }

  /** The guest's load beside something else; what became of it is asked afterwards, or not where that fails first. */
  #loaded(): Promise<void> {
    const loaded = this.#parts.guest.use();
    loaded.catch(() => undefined);
    return loaded;
  }

  /** Puts a new layer on top under its guest's load, and brings what was there to the other daemon. */
  async snapshot(): Promise<void> {
    const { writer, other } = this;
    const { generation, below } = this.#stack;
    const layer = `l${generation.toString(16).padStart(LAYER_DIGITS, '0')}`;
    const cut = generation.toString(16).padStart(LAYER_DIGITS, '0');
    const loaded = this.#loaded();
    const order = { cut, cuts: [{ image: IMAGE, layer }] };
    this.#doing = 'a cut';
    const { sealed } = await this.#insist(() => writer.controller.call('image.cut', order, { timeoutMs: CALL_MS }));
    this.#stack = { layer, generation: generation + 1, below: [...sealed.map((one) => one.sealed), ...below] };
    this.#doing = 'a seed';
    const seed = { layers: this.#stack.below, from: writer.endpoint, rateBytesPerSecond: RATE };
    await this.#insist(() => other.controller.call('layer.seed', seed, { timeoutMs: CALL_MS }));
    this.#doing = 'the load beside a snapshot';
    await loaded;
  }

  /** Moves it under its guest's load; `refuses`: its memory does not come over, and it stays. */
  async move(refuses: boolean): Promise<MoveEnd> {
    const { guest, bytes, propagation } = this.#parts;
    const [from, to] = [this.writer, this.other];
    const migration = (++this.#migrations).toString(16).padStart(MIGRATION_DIGITS, '0');
    const epoch = ++this.#epoch;
    const standBy = { migration, image: IMAGE, bytes, stack: this.#stack, epoch, from: from.endpoint, propagation };
    const loaded = this.#loaded();
    this.#doing = 'a stand-by';
    await this.#insist(() => to.controller.call('standby.start', standBy));
    const quiet = this.#quiet(to, migration, loaded);
    if (!(await settledWithin(QUIET_MS, quiet))) {
      await this.#takeBack(migration, from, to);
      this.#doing = 'the flushes of a guest that stays';
      await quiet.catch(() => undefined);
      await loaded;
      await guest.rest();
      await this.#checkWriters([this.writer]);
      return 'held up';
    }
    await quiet;
    this.#doing = 'a decision';
    const { closings } = await this.#insist(() => from.self.call('writer.freeze', { migration, images: [IMAGE] }));
    // Its guest stands still; whoever writes all the same waits for the decision.
    const stray = guest.stray();
    const isEqual = await this.#verified(to, migration, closings);
    await this.#checkWriters([]);
    if (isEqual && !refuses) await this.#complete(migration, from, to);
    else await this.#takeBack(migration, from, to);
    await stray;
    await this.#checkWriters([this.writer]);
    const isMoved = this.writer === to;
    // What was said before comes again, late.
    const late = isMoved
      ? from.self.call('writer.freeze', { migration, images: [IMAGE] })
      : to.controller.call('standby.start', standBy);
    await this.#checkRefused(late);
    await this.#checkWriters([this.writer]);
    return isMoved ? 'moved' : 'refused';
  }

  /** Everything comes to where the disk is; then the other daemon is not needed any more, and stands still meanwhile. */
  async pull(meanwhile: () => Promise<void>): Promise<void> {
    const { writer, other } = this;
    this.#doing = 'a pull';
    await this.#insist(() => writer.controller.call('pull.set', { image: IMAGE, rateBytesPerSecond: RATE }));
    for (let tries = 0; (await this.#dependsOn(writer)) > 0; tries++) {
      if (tries === TRIES_MAX) throw new Error('the pull does not come to its end');
      // A daemon that was killed meanwhile has forgotten the rate.
      await this.#insist(() => writer.controller.call('pull.set', { image: IMAGE, rateBytesPerSecond: RATE }));
      await pause(RETRY_MS);
    }
    this.#doing = 'reads while the other daemon stands still';
    other.pause();
    let isOver = false;
    // A writer that dies may have forgotten what it had pulled since its last flush: then it needs the other one again.
    void writer.ended().then(() => !isOver && other.goOn());
    try {
      await meanwhile();
    } finally {
      isOver = true;
      other.goOn();
    }
  }

  /** The table is over there, and the guest stands still. */
  async #quiet(to: BlockdNode, migration: string, loaded: Promise<void>): Promise<void> {
    this.#doing = "a stand-by's table";
    await this.#insist(() => to.controller.call('standby.ready', { migration }, { timeoutMs: CALL_MS }));
    this.#doing = "the guest's load and its flush";
    await loaded;
    await this.#parts.guest.rest();
  }

  async #dependsOn(node: BlockdNode): Promise<number> {
    const { dependsOn } = await this.#insist(() => node.controller.call('image.show', { image: IMAGE }));
    return dependsOn.reduce((sum, { blocks }) => sum + blocks, 0);
  }

  /** As a destination does before its decision: what is not the same in time is refused. */
  async #verified(to: BlockdNode, migration: string, closings: Closing[]): Promise<boolean> {
    const proof = { migration, closings, timeoutMs: VERIFY_MS };
    const { equal } = await this.#insist(() => to.self.call('standby.verify', proof, { timeoutMs: CALL_MS }));
    return equal;
  }

  async #complete(migration: string, from: BlockdNode, to: BlockdNode): Promise<void> {
    await this.#insist(() => to.self.call('standby.activate', { migration }));
    this.#at = this.#at === 0 ? 1 : 0;
    this.#parts.guest.comeTo(to.socket);
    await this.#insist(() => from.self.call('writer.release', { migration }));
  }

  async #takeBack(migration: string, from: BlockdNode, to: BlockdNode): Promise<void> {
    await this.#insist(() => to.self.call('standby.cancel', { migration }));
    await this.#insist(() => from.self.call('writer.thaw', { migration }));
  }

  /** At most one store writes (S4), and it is the one that should. */
  async #checkWriters(wanted: readonly BlockdNode[]): Promise<void> {
    const writers: string[] = [];
    for (const node of this.#parts.nodes) {
      const { role } = await this.#insist(() => node.controller.call('image.show', { image: IMAGE }));
      if (role === 'writer') writers.push(node.name);
    }
    const names = wanted.map(({ name }) => name);
    if (writers.join() !== names.join())
      this.#parts.violated(`${writers.join(' and ') || 'nobody'} writes, not ${names.join() || 'nobody'} (S4)`);
  }

  async #checkRefused(call: Promise<unknown>): Promise<void> {
    const end = await call.then(
      () => 'taken',
      (error: unknown) => codeOf(error) ?? messageOf(error),
    );
    if (!REFUSED.has(end) && !UNANSWERED.has(end)) this.#parts.violated(`an order of a move that is over was ${end}`);
  }

  /** Until it is answered. @throws Error with what was refused */
  async #insist<T>(call: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await call();
      } catch (error) {
        const isLost = UNANSWERED.has(codeOf(error) ?? '');
        if (!isLost || tries === TRIES_MAX || this.#isOver) throw error;
      }
      await pause(RETRY_MS);
    }
  }

  /** Starts a daemon again whenever it has died. */
  async #watch(node: BlockdNode): Promise<void> {
    for (;;) {
      await node.ended();
      if (this.#isOver) return;
      try {
        await this.#parts.start(node);
        // The end came while it started, and found nobody to stop.
        if (this.#isOver) await node.stop('SIGKILL');
      } catch (error) {
        if (!this.#isOver) this.#parts.violated(`it does not start again: ${messageOf(error)}`);
        return;
      }
    }
  }
}

/** Whether it settled, either way, in time. */
async function settledWithin(ms: number, promise: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  const settled = promise.then(
    () => true,
    () => true,
  );
  try {
    return await Promise.race([settled, late]);
  } finally {
    clearTimeout(timer);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
