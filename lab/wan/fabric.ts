// The WAN's middle: which links a frame enters, by its addresses (a learning layer-2 switch with a link per ordered pair
// of ports), and how late frames left. Buffers are numbers here; it must never touch a frame's bytes beyond its addresses.
import { Link, type LinkCounters, type LinkSettings, NEVER_MS, seededRandom } from './link.ts';

/** Station addresses remembered; the lab has one or two for each cloud, and a flood of forged ones must not grow memory. */
const STATIONS_MAX = 1024;
/** Ethernet: the lowest bit of a destination's first byte marks a group address (IEEE 802.3, 3.2.3). */
const GROUP_BIT = 0x01;

/** A link's settings now and its figures, from one port to another. */
export interface LinkStatistics extends LinkSettings, LinkCounters {
  readonly from: number;
  readonly to: number;
}

/** How late frames left since the last reset, in ms after their due time. */
export interface Lateness {
  readonly worstLatenessMs: number;
  readonly meanLatenessMs: number;
  readonly departures: number;
}

/** Holds frame buffers for as long as some link refers to them: a flooded frame is in several links at once. */
export class FrameReferences {
  readonly #counts: Uint8Array;
  readonly #free: Int32Array;
  #freeCount: number;

  constructor(frames: number) {
    this.#counts = new Uint8Array(frames);
    this.#free = Int32Array.from({ length: frames }, (_, index) => frames - 1 - index);
    this.#freeCount = frames;
  }

  get available(): number {
    return this.#freeCount;
  }

  /** A free buffer's number, with one reference; -1 when all are in use. */
  claim(): number {
    if (this.#freeCount === 0) return -1;
    const frame = this.#free[--this.#freeCount] ?? -1;
    this.#counts[frame] = 1;
    return frame;
  }

  retain(frame: number): void {
    this.#counts[frame] = (this.#counts[frame] ?? 0) + 1;
  }

  release(frame: number): void {
    const count = (this.#counts[frame] ?? 0) - 1;
    if (count < 0) throw new Error(`frame buffer ${frame} was released twice`);
    this.#counts[frame] = count;
    if (count === 0) this.#free[this.#freeCount++] = frame;
  }
}

export class Fabric {
  readonly #ports: number;
  readonly #links: Link[];
  readonly #references: FrameReferences;
  readonly #stations = new Map<number, number>();
  #worstLatenessMs = 0;
  #totalLatenessMs = 0;
  #departures = 0;

  /** All links start with the same settings; each draws its losses from its own stream of the seed. */
  constructor(options: { ports: number; references: FrameReferences; settings: LinkSettings; seed: number }) {
    this.#ports = options.ports;
    this.#references = options.references;
    this.#links = Array.from({ length: options.ports ** 2 }, (_, index) => {
      return new Link(options.settings, seededRandom(options.seed * 65_537 + index));
    });
  }

  /** Changes one direction. Throws `RangeError` for a port that is not there. */
  configure(from: number, to: number, change: Partial<LinkSettings>, nowMs: number): void {
    const link = this.#link(from, to);
    for (const frame of link.configure({ ...link.settings, ...change }, nowMs)) this.#references.release(frame);
  }

  /**
   * Takes in a frame that a port received: the caller's reference to the buffer passes to the fabric. `header` starts
   * with the destination and source addresses at `offset`.
   */
  receive(from: number, frame: number, bytes: number, header: Uint8Array, offset: number, nowMs: number): void {
    this.#learn(stationOf(header, offset + 6), from);
    const isGroup = ((header[offset] ?? 0) & GROUP_BIT) !== 0;
    const to = isGroup ? undefined : this.#stations.get(stationOf(header, offset));
    if (to === undefined) for (let port = 0; port < this.#ports; port++) this.#enter(from, port, frame, bytes, nowMs);
    else this.#enter(from, to, frame, bytes, nowMs);
    this.#references.release(frame);
  }

  /** When the next frame leaves anywhere, in ms; `NEVER_MS` when the WAN is empty. */
  nextDueMs(): number {
    let dueMs = NEVER_MS;
    for (const link of this.#links) dueMs = Math.min(dueMs, link.dueMs);
    return dueMs;
  }

  /** The next frame that is due to leave by the port, or -1; the caller releases it when it has been sent. */
  take(to: number, nowMs: number): number {
    for (let from = 0; from < this.#ports; from++) {
      const link = this.#link(from, to);
      const { dueMs } = link;
      if (dueMs > nowMs) continue;
      this.#note(nowMs - dueMs);
      return link.take(nowMs);
    }
    return -1;
  }

  statistics(): LinkStatistics[] {
    const all = this.#links.map((link, index) => {
      const between = { from: Math.floor(index / this.#ports), to: index % this.#ports };
      return { ...between, ...link.settings, ...link.counters };
    });
    return all.filter(({ from, to }) => from !== to);
  }

  get lateness(): Lateness {
    const meanLatenessMs = this.#departures === 0 ? 0 : this.#totalLatenessMs / this.#departures;
    return { worstLatenessMs: this.#worstLatenessMs, meanLatenessMs, departures: this.#departures };
  }

  resetLateness(): void {
    this.#worstLatenessMs = 0;
    this.#totalLatenessMs = 0;
    this.#departures = 0;
  }

  #enter(from: number, to: number, frame: number, bytes: number, nowMs: number): void {
    if (from === to) return;
    if (this.#link(from, to).offer(frame, bytes, nowMs) === 'held') this.#references.retain(frame);
  }

  #learn(station: number, port: number): void {
    if (this.#stations.size < STATIONS_MAX || this.#stations.has(station)) this.#stations.set(station, port);
  }

  #note(latenessMs: number): void {
    this.#worstLatenessMs = Math.max(this.#worstLatenessMs, latenessMs);
    this.#totalLatenessMs += latenessMs;
    this.#departures++;
  }

  #link(from: number, to: number): Link {
    const link = from < this.#ports && to < this.#ports ? this.#links[from * this.#ports + to] : undefined;
    if (link === undefined) throw new RangeError(`the WAN has ports 0 to ${this.#ports - 1}, no link ${from} -> ${to}`);
    return link;
  }
}

// 48 bits fit a number exactly.
function stationOf(header: Uint8Array, offset: number): number {
  let station = 0;
  for (let index = offset; index < offset + 6; index++) station = station * 256 + (header[index] ?? 0);
  return station;
}
