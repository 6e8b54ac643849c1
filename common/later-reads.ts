// Reads of files beside everything else, without a thread for each: the kernel's ring has them, and an eventfd says that
// some have ended.
import { IoRing } from './io-ring.ts';
import { addressOf } from './native-memory.ts';
import { type WatchedEvent, watchedEvent } from './watched-event.ts';

/** Reads that wait for the disk; a disk that needs more in its queue to be busy is rare. */
const UNDER_WAY_MAX = 128;
/** A look without having been woken, when the kernel was out of memory. */
const UNWOKEN_MS = 10;

interface LaterRead {
  readonly fd: number;
  readonly offset: number;
  /** Held here, so that its memory stays until the kernel has ended. */
  readonly into: Uint8Array;
  readonly done: (outcome: number) => void;
}

/** One thread's. */
export class LaterReads {
  readonly #ring: IoRing;
  readonly #event: WatchedEvent;
  readonly #refused: number;
  readonly #underWay: (LaterRead | undefined)[] = [];
  readonly #freeIds = Array.from({ length: UNDER_WAY_MAX }, (_, index) => UNDER_WAY_MAX - 1 - index);
  readonly #waiting: LaterRead[] = [];
  readonly #tell = (id: number, outcome: number): void => this.#end(id, outcome);
  #ended = 0;

  private constructor(ring: IoRing, refused: number) {
    this.#ring = ring;
    this.#refused = refused;
    this.#event = watchedEvent(() => this.land());
  }

  /** `refused`: in place of the outcome of a read that the kernel does not take. Undefined where there is no ring for us. */
  static open(refused: number): LaterReads | undefined {
    // Others may begin while some that have ended are being told.
    const ring = IoRing.open(UNDER_WAY_MAX, 2 * UNDER_WAY_MAX);
    const reads = ring === undefined ? undefined : new LaterReads(ring, refused);
    return reads !== undefined && ring?.signal(reads.#event.descriptor) === true ? reads : undefined;
  }

  get #areUnderWay(): boolean {
    return this.#freeIds.length < UNDER_WAY_MAX || this.#waiting.length > 0;
  }

  /** For the next `begin`. `done` is told by `land`, or in a turn of its own. */
  add(fd: number, offset: number, into: Uint8Array, done: (outcome: number) => void): void {
    this.#waiting.push({ fd, offset, into, done });
  }

  /** Hands over what was added, in one system call. Whether some of it was in the page cache, and has ended. */
  begin(): boolean {
    const begun: number[] = [];
    for (let id = this.#freeIds.at(-1); id !== undefined; id = this.#freeIds.at(-1)) {
      const read = this.#waiting.shift();
      if (read === undefined) break;
      this.#freeIds.pop();
      this.#underWay[id] = read;
      const { fd, offset, into } = read;
      this.#ring.read({ fd, offset, address: addressOf(into), bytes: into.length }, id);
      begun.push(id);
    }
    if (begun.length === 0) return false;
    this.#event.hold(true);
    const hadDone = this.#ring.hasDone;
    const refused = this.#ring.submit();
    if (refused > 0) setTimeout(() => this.#giveUp(begun.slice(-refused)), UNWOKEN_MS);
    return !hadDone && this.#ring.hasDone;
  }

  /** Tells whoever's reads have ended by now: how many. Nobody may be in the middle of a step of his. */
  land(): number {
    this.#ended = 0;
    this.#ring.takeDone(this.#tell);
    const ended = this.#ended;
    if (this.#waiting.length > 0) this.begin();
    if (!this.#areUnderWay) this.#event.hold(false);
    return ended;
  }

  #giveUp(ids: readonly number[]): void {
    for (const id of ids) this.#end(id, this.#refused);
    this.land();
  }

  #end(id: number, outcome: number): void {
    const read = this.#underWay[id];
    this.#underWay[id] = undefined;
    this.#freeIds.push(id);
    this.#ended++;
    read?.done(outcome);
  }
}
