// A closer look at one link, on an operator's order: for a moment the node sends its peer a probe at each tick, every other
// as long as a guest's longest frame and those between of lengths below it, and notes what comes of the peer's. So a
// path that takes short frames and no long ones is told from one that takes none, and where it breaks off. Pure.

/** Lengths of the IPv4 packets between: 576 is what every path takes (RFC 791, 3.1), 1280 what IPv6 asks for (RFC 8200, 5). */
const STEPS_MTU = [0, 576, 1_000, 1_150, 1_200, 1_250, 1_280, 1_300, 1_320] as const;
const ETHERNET_HEADER_BYTES = 14;

/** What came of the peer's probes. */
export interface Heard {
  readonly heard: number;
  /** The longest, its Ethernet header included; 0 when none came. */
  readonly longestBytes: number;
}

export class LinkLook {
  readonly #longBytes: number;
  readonly #steps: readonly number[];
  #sent = 0;
  #heard = 0;
  #longestBytes = 0;
  /** By the monotonic clock; later when somebody else begins to look before it is over. */
  untilMs = 0;

  /** `longBytes`: a guest's longest frame. */
  constructor(longBytes: number) {
    this.#longBytes = longBytes;
    this.#steps = STEPS_MTU.map((mtu) => mtu + ETHERNET_HEADER_BYTES).filter((bytes) => bytes < longBytes);
  }

  isOver(nowMs: number): boolean {
    return nowMs >= this.untilMs;
  }

  /** How long the next probe is to be. */
  nextBytes(): number {
    const at = this.#sent++;
    if (at % 2 === 0) return this.#longBytes;
    return this.#steps[((at - 1) / 2) % this.#steps.length] ?? 0;
  }

  /** A probe of the peer came in a frame of so many bytes. */
  came(frameBytes: number): void {
    this.#heard++;
    this.#longestBytes = Math.max(this.#longestBytes, frameBytes);
  }

  get figures(): Heard {
    return { heard: this.#heard, longestBytes: this.#longestBytes };
  }
}
