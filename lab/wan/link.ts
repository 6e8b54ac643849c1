// One direction of one WAN link as a model: how long a frame waits for the line, how long it travels, which frames are
// dropped or lost. Times come in, frames are numbers; it must never look at a clock, a socket or a frame's content.

/** What a link does to frames; each may change while frames are under way. */
export interface LinkSettings {
  /** Time of travel, in ms, on top of the time the frame takes to pass the line at its rate. */
  readonly delayMs: number;
  /** The line's rate in Mbit/s (10^6 bits). */
  readonly rateMbit: number;
  /** How many bytes may wait for the line; a frame that would exceed it is dropped (tail drop). */
  readonly queueBytes: number;
  /** Frames lost at random on the way, in per cent. */
  readonly lossPercent: number;
  /** False: cut; what is on the way is lost, and so is all that comes. */
  readonly up: boolean;
}

/** What a link did since its start. `drops` were refused by the full queue, `lost` by chance or by a cut. */
export interface LinkCounters {
  readonly frames: number;
  readonly bytes: number;
  readonly drops: number;
  readonly lost: number;
}

/** A frame's fate: it waits and will come out, or it is gone (the caller keeps, and frees, its buffer). */
export type Fate = 'held' | 'gone';

/** How long no frame leaves, as a time: later than any. */
export const NEVER_MS = Number.POSITIVE_INFINITY;

const FIRST_CAPACITY_FRAMES = 256;

/** A random stream of numbers in [0, 1), the same for the same seed (a 32-bit Weyl sequence with mixed output bits). */
export function seededRandom(seed: number): () => number {
  let counter = seed | 0;
  return () => {
    counter = (counter + 0x9e3779b9) | 0;
    let bits = Math.imul(counter ^ (counter >>> 16), 0x21f0aaad);
    bits = Math.imul(bits ^ (bits >>> 15), 0x735a2d97);
    return ((bits ^ (bits >>> 15)) >>> 0) / 2 ** 32;
  };
}

export class Link {
  readonly #random: () => number;
  readonly #held = new HeldFrames();
  #settings: LinkSettings;
  #lineFreeMs = 0;
  #lastDueMs = 0;
  #frames = 0;
  #bytes = 0;
  #drops = 0;
  #lost = 0;

  constructor(settings: LinkSettings, random: () => number) {
    this.#settings = settings;
    this.#random = random;
  }

  get settings(): LinkSettings {
    return this.#settings;
  }

  /** Frames and bytes that came out, and those that did not. */
  get counters(): LinkCounters {
    return { frames: this.#frames, bytes: this.#bytes, drops: this.#drops, lost: this.#lost };
  }

  /** How many frames are on the way. */
  get heldFrames(): number {
    return this.#held.size;
  }

  /**
   * Changes the link for frames that come from now on; a cut also loses those on the way, whose numbers are returned for
   * their buffers to be freed. A shorter delay never lets a later frame overtake an earlier one.
   */
  configure(settings: LinkSettings, nowMs: number): readonly number[] {
    this.#settings = settings;
    if (settings.up) return [];
    const gone: number[] = [];
    while (this.#held.size > 0) gone.push(this.#held.shift());
    this.#lost += gone.length;
    this.#lineFreeMs = nowMs;
    this.#lastDueMs = nowMs;
    return gone;
  }

  /** Takes a frame of so many bytes in; a lost frame still takes its time on the line, a dropped one does not. */
  offer(frame: number, bytes: number, nowMs: number): Fate {
    const { delayMs, rateMbit, queueBytes, lossPercent, up } = this.#settings;
    if (!up) return this.#lose();
    const bytesPerMs = rateMbit * 125;
    const startMs = Math.max(this.#lineFreeMs, nowMs);
    if ((startMs - nowMs) * bytesPerMs + bytes > queueBytes) {
      this.#drops++;
      return 'gone';
    }
    this.#lineFreeMs = startMs + bytes / bytesPerMs;
    if (this.#random() * 100 < lossPercent) return this.#lose();
    this.#lastDueMs = Math.max(this.#lastDueMs, this.#lineFreeMs + delayMs);
    this.#held.push(frame, bytes, this.#lastDueMs);
    return 'held';
  }

  /** When the next frame comes out; `NEVER_MS` if none is on the way. */
  get dueMs(): number {
    return this.#held.size === 0 ? NEVER_MS : this.#held.firstDueMs;
  }

  /** The next frame whose time has come, or -1. */
  take(nowMs: number): number {
    if (this.dueMs > nowMs) return -1;
    this.#frames++;
    this.#bytes += this.#held.firstBytes;
    return this.#held.shift();
  }

  #lose(): Fate {
    this.#lost++;
    return 'gone';
  }
}

// A first-in first-out ring of (number, bytes, due time) in flat arrays: at 20,000 frames a second an object for each
// would keep the garbage collector busy, and its pauses are the emulator's lateness.
class HeldFrames {
  #frames = new Int32Array(FIRST_CAPACITY_FRAMES);
  #bytes = new Int32Array(FIRST_CAPACITY_FRAMES);
  #dueMs = new Float64Array(FIRST_CAPACITY_FRAMES);
  #first = 0;
  size = 0;

  get firstDueMs(): number {
    return this.#dueMs[this.#first] ?? NEVER_MS;
  }

  get firstBytes(): number {
    return this.#bytes[this.#first] ?? 0;
  }

  push(frame: number, bytes: number, dueMs: number): void {
    if (this.size === this.#frames.length) this.#grow();
    const at = (this.#first + this.size) & (this.#frames.length - 1);
    this.#frames[at] = frame;
    this.#bytes[at] = bytes;
    this.#dueMs[at] = dueMs;
    this.size++;
  }

  shift(): number {
    const frame = this.#frames[this.#first] ?? -1;
    this.#first = (this.#first + 1) & (this.#frames.length - 1);
    this.size--;
    return frame;
  }

  #grow(): void {
    this.#frames = doubled(this.#frames, new Int32Array(this.size * 2), this.#first);
    this.#bytes = doubled(this.#bytes, new Int32Array(this.size * 2), this.#first);
    this.#dueMs = doubled(this.#dueMs, new Float64Array(this.size * 2), this.#first);
    this.#first = 0;
  }
}

function doubled<T extends Int32Array | Float64Array>(old: T, wider: T, first: number): T {
  wider.set(old.subarray(first));
  wider.set(old.subarray(0, first), old.length - first);
  return wider;
}
