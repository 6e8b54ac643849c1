// Whether to look for a client's next request for a moment instead of sleeping until it comes: being woken costs more than a
// small request does, above all in a virtual machine, whose idle core the host has to wake. The way of QEMU's event loop and
// of KVM's halt polling: only for a client whose requests have come at once lately.
import type { Others } from '../../common/disk/later-reads.ts';

/** A client that asks again within this of its reply waits for nothing but it. */
const GAP_MAX_MS = 0.06;
/** A disk in the same machine mostly answers within this. */
const DISK_MAX_MS = 0.12;
/** A disk that answered in time so often may be waited for half as often in vain; then it is not, for some time. */
const CREDIT_MAX = 6;
const REQUESTS_AFTER_VAIN = 64;
/** Everybody else waits no longer than this for one client's turn to end. */
const TURN_MAX_MS = 0.25;
/** Requests in a row that have to come so soon before it is worth looking, after it was not. */
const QUICK_NEEDED = 8;

/** Who was the only one to ask for so long is taken to be alone. */
const ALONE_MS = 2;

/** The clients of one thread: nobody is waited for while another one asks too. */
export class AskingClients {
  #latest: BusyPoll | undefined;
  #sinceMs = 0;
  #quick: BusyPoll | undefined;
  #quickMs = Number.NEGATIVE_INFINITY;

  /** Notes that the client asks. Who else does. */
  asks(client: BusyPoll, nowMs: number, missesCache: boolean): Others {
    if (this.#latest !== client) this.#sinceMs = nowMs;
    this.#latest = client;
    const isBesideQuick = this.#quick !== client && nowMs - this.#quickMs < ALONE_MS;
    if (!missesCache) {
      this.#quick = client;
      this.#quickMs = nowMs;
    }
    if (nowMs - this.#sinceMs >= ALONE_MS) return 'none';
    return isBesideQuick ? 'quick' : 'some';
  }
}

const ofThisThread = new AskingClients();

/** One connection's. The clock is in milliseconds, and never goes back. */
export class BusyPoll {
  readonly #clients: AskingClients;
  readonly #nowMs: () => number;
  #others: Others = 'some';
  #quick = 0;
  #repliedMs = Number.NEGATIVE_INFINITY;
  #turnEndMs = 0;
  #credit = 0;

  constructor(clients = ofThisThread, nowMs: () => number = () => performance.now()) {
    this.#clients = clients;
    this.#nowMs = nowMs;
  }

  /** Who else asks, as far as its last request told. */
  get others(): Others {
    return this.#others;
  }

  /** The event loop was woken by a request. `missesCache`: of a client whose reads go to the disk. */
  woken(missesCache = false): void {
    const nowMs = this.#nowMs();
    this.#turnEndMs = nowMs + TURN_MAX_MS;
    this.#others = this.#clients.asks(this, nowMs, missesCache);
    this.#quick = nowMs - this.#repliedMs <= GAP_MAX_MS * 2 ? this.#quick + 1 : Math.min(this.#quick, 0);
  }

  /** A reply has left. */
  replied(): void {
    this.#repliedMs = this.#nowMs();
  }

  /**
   * All that came is under way. Calls `look` until it finds something, and answers that; 0 when it is time to sleep.
   * `readsDisk`: a reply waits for it, and `look` sends that too.
   */
  next(look: () => number, readsDisk: () => boolean): number {
    if (this.#quick < QUICK_NEEDED || this.#others !== 'none') return 0;
    const startMs = this.#nowMs();
    let wasDisk = false;
    for (let nowMs = startMs; nowMs < this.#turnEndMs; nowMs = this.#nowMs()) {
      const isDisk = readsDisk();
      if (wasDisk && !isDisk) this.#credit = Math.min(this.#credit + 1, CREDIT_MAX);
      wasDisk = isDisk;
      if (nowMs - Math.max(startMs, this.#repliedMs) >= (isDisk ? DISK_MAX_MS : GAP_MAX_MS)) {
        this.#inVain(isDisk);
        return 0;
      }
      const found = look();
      if (found > 0) return found;
    }
    // A turn that is over says nothing of the client.
    return 0;
  }

  #inVain(isDisk: boolean): void {
    if (isDisk) this.#credit -= 2;
    if (isDisk && this.#credit >= 0) return;
    this.#quick = isDisk ? -REQUESTS_AFTER_VAIN : 0;
    this.#credit = 0;
  }
}
