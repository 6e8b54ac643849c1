// Reads of files beside everything else: the kernel's ring has them, and an eventfd says that some have ended. To begin a
// read of the disk takes 10 us of a processor and to copy 1 MiB some 100: half of the one and all of the other is left to
// the ring's own threads, which may run on another processor.

import { addressOf } from '../native-memory.ts';
import { type WatchedEvent, watchedEvent } from '../watched-event.ts';
import { IoRing } from './io-ring.ts';
import { ReadWindow } from './read-window.ts';

/** Reads that wait for the disk; a disk that needs more in its queue to be busy is rare. */
const UNDER_WAY_MAX = 128;
/** A read of so much takes longer than to wake a thread, even if the page cache has all of it. */
export const LARGE_BYTES = 128 * 1024;
/** A look without having been woken, when the kernel was out of memory. */
const UNWOKEN_MS = 10;

/** Who else waits for the thread: `quick` ones for nothing but it, `some` for the disk as well. */
export type Others = 'none' | 'some' | 'quick';

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
  readonly #window: ReadWindow;
  #wasByWorker = false;
  #others: Others = 'none';

  private constructor(ring: IoRing, refused: number, window: ReadWindow) {
    this.#ring = ring;
    this.#refused = refused;
    this.#window = window;
    this.#event = watchedEvent(() => this.land());
  }

  /** `refused`: in place of the outcome of a read that the kernel does not take. Undefined where there is no ring for us. */
  static open(refused: number, window = new ReadWindow(UNDER_WAY_MAX)): LaterReads | undefined {
    // Others may begin while some that have ended are being told.
    const ring = IoRing.open(UNDER_WAY_MAX, 2 * UNDER_WAY_MAX);
    const reads = ring === undefined ? undefined : new LaterReads(ring, refused, window);
    return reads !== undefined && ring?.signal(reads.#event.descriptor) === true ? reads : undefined;
  }

  get #underWayCount(): number {
    return UNDER_WAY_MAX - this.#freeIds.length;
  }

  /** For the next `begin`. `done` is told by `land`, or in a turn of its own. */
  add(fd: number, offset: number, into: Uint8Array, done: (outcome: number) => void): void {
    this.#waiting.push({ fd, offset, into, done });
  }

  /**
   * Hands over what was added, in one system call. Whether some of it was found in the page cache: nobody knows that of
   * what a worker reads. Of what is left the rest begins as others end.
   */
  begin(others: Others): boolean {
    this.#others = others;
    const most = others === 'quick' ? this.#window.next() : UNDER_WAY_MAX;
    const begun: number[] = [];
    const here: number[] = [];
    for (let id = this.#freeIds.at(-1); id !== undefined; id = this.#freeIds.at(-1)) {
      const read = this.#underWayCount < most ? this.#waiting.shift() : undefined;
      if (read === undefined) break;
      this.#freeIds.pop();
      this.#underWay[id] = read;
      const { fd, offset, into } = read;
      const byWorker = this.#isForWorker(into.length);
      this.#ring.read({ fd, offset, address: addressOf(into), bytes: into.length }, id, byWorker);
      begun.push(id);
      if (!byWorker) here.push(id);
    }
    if (begun.length === 0) return false;
    this.#event.hold(true);
    const refused = this.#ring.submit();
    if (refused > 0) setTimeout(() => this.#giveUp(begun.slice(-refused)), UNWOKEN_MS);
    return this.#ring.hasEnded(here);
  }

  /**
   * Of small reads every other one, where there are others: a lone one would only wait for the worker to be woken. The
   * workers would keep another client's requests from a processor.
   */
  #isForWorker(bytes: number): boolean {
    if (bytes >= LARGE_BYTES) return true;
    this.#wasByWorker = this.#others === 'none' && !this.#wasByWorker && this.#underWayCount > 1;
    return this.#wasByWorker;
  }

  /** Tells whoever's reads have ended by now: how many. Nobody may be in the middle of a step of his. */
  land(): number {
    this.#ended = 0;
    this.#ring.takeDone(this.#tell);
    const ended = this.#ended;
    if (this.#waiting.length > 0) this.begin(this.#others);
    if (this.#underWayCount === 0 && this.#waiting.length === 0) this.#event.hold(false);
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
