// Whether to look for a client's next request for a moment instead of sleeping until it comes: being woken costs more than a
// small request does, above all in a virtual machine, whose idle core the host has to wake. The way of QEMU's event loop and
// of KVM's halt polling: only for a client whose requests have come at once lately.

/** A client that asks again within this of its reply waits for nothing but it. */
const GAP_MAX_MS = 0.06;
/** Everybody else waits no longer than this for one client's turn to end. */
const TURN_MAX_MS = 0.25;
/** Requests in a row that have to come so soon before it is worth looking, after it was not. */
const QUICK_NEEDED = 8;

/** One connection's. The clock is in milliseconds, and never goes back. */
export class BusyPoll {
  readonly #nowMs: () => number;
  #quick = 0;
  #repliedMs = Number.NEGATIVE_INFINITY;
  #turnEndMs = 0;

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /** The event loop was woken by a request. */
  woken(): void {
    const nowMs = this.#nowMs();
    this.#turnEndMs = nowMs + TURN_MAX_MS;
    this.#quick = nowMs - this.#repliedMs <= GAP_MAX_MS * 2 ? this.#quick + 1 : 0;
  }

  /** The replies have left. Calls `look` until it finds something, and answers that; 0 when it is time to sleep. */
  next(look: () => number): number {
    const startMs = this.#nowMs();
    this.#repliedMs = startMs;
    if (this.#quick < QUICK_NEEDED) return 0;
    const endMs = Math.min(startMs + GAP_MAX_MS, this.#turnEndMs);
    for (let nowMs = startMs; nowMs < endMs; nowMs = this.#nowMs()) {
      const found = look();
      if (found > 0) return found;
    }
    // A turn that is over says nothing of the client.
    if (endMs < this.#turnEndMs) this.#quick = 0;
    return 0;
  }
}
