// Steps for which the disk had no room, of a start or of a cut: each is taken again, by itself, once there may be. It looks at the
// disk's free room, and tries from time to time whatever that says; any other failure is final.
import type { Clock, Timer } from '../../common/clock.ts';
import type { DiskRoom } from '../../common/disk/disk-room.ts';
import { isFull } from '../../common/disk/disk-room.ts';
import { messageOf } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';

/** A look at the room costs one system call. */
const LOOK_MS = 1_000;
/** Between two tries while the room does not grow: doubled up to this. */
const PAUSE_MS_MAX = 60_000;

export interface RoomWaitParts {
  /** The room of the disk; without it only the time counts. */
  readonly room?: (() => Promise<DiskRoom>) | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** What waits for room at one store. */
export class RoomWait {
  readonly #parts: RoomWaitParts;
  readonly #steps = new Map<string, () => Promise<void>>();
  /** When the next try is due, however little room there is. */
  #dueMs = 0;
  #pauseMs = LOOK_MS;
  /** What was free when the last try failed. */
  #freeBytes = Number.POSITIVE_INFINITY;
  #timer: Timer | undefined;
  #looking: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(parts: RoomWaitParts) {
    this.#parts = parts;
  }

  /** Takes the step once there is room; it must be safe to repeat. `what` it is, for people. */
  add(what: string, step: () => Promise<void>): void {
    const { clock, log } = this.#parts;
    log.warn({ what }, 'the disk has no room for it; it is tried again by itself');
    if (this.#steps.size === 0) {
      this.#pauseMs = LOOK_MS;
      this.#dueMs = clock.nowMs() + this.#pauseMs;
      this.#freeBytes = Number.POSITIVE_INFINITY;
    }
    this.#steps.set(what, step);
    this.#arm();
  }

  /** Answers once nothing of it is under way. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    await this.#looking;
  }

  #arm(): void {
    this.#timer?.cancel();
    if (this.#steps.size === 0 || this.#isStopped) return;
    this.#timer = this.#parts.clock.setTimer(LOOK_MS, () => {
      this.#looking = this.#looking.then(() => this.#look());
    });
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    const { clock } = this.#parts;
    const freeBytes = await this.#free();
    if (freeBytes > this.#freeBytes || clock.nowMs() >= this.#dueMs) {
      if (await this.#tryAll()) this.#pauseMs = LOOK_MS;
      else this.#pauseMs = Math.min(2 * this.#pauseMs, PAUSE_MS_MAX);
      this.#dueMs = clock.nowMs() + this.#pauseMs;
      // Measured again: the try itself may have taken some.
      this.#freeBytes = await this.#free();
    }
    this.#arm();
  }

  async #free(): Promise<number> {
    const { room } = this.#parts;
    if (room === undefined) return 0;
    return room().then(
      ({ freeBytes }) => freeBytes,
      () => 0,
    );
  }

  /** Whether one of them went through. */
  async #tryAll(): Promise<boolean> {
    const { log } = this.#parts;
    let isAny = false;
    for (const [what, step] of this.#steps) {
      if (this.#isStopped) break;
      try {
        await step();
        log.info({ what }, 'there was room for it');
        isAny = true;
      } catch (error) {
        if (isFull(error)) continue;
        log.error({ err: error, reason: messageOf(error), what }, 'it failed for another reason than room');
      }
      this.#steps.delete(what);
    }
    return isAny;
  }
}
