// One simulated world: clock, chance, network and the disks of its nodes, all following from one seed, and the record of
// what happened. A subject (the hold, a store, ...) builds its processes on it and checks its promises after each event.
import { SimClock } from './clock.ts';
import { SimDisk } from './disk.ts';
import { type LinkFaults, SimNetwork } from './network.ts';
import { Prng } from './prng.ts';

/** A run that does this much has gone wild: a busy loop in the subject. */
const EVENTS_MAX = 400_000;
/** How much of the story is kept for people, lines. */
const TRACE_LINES_MAX = 4_000;

export class World {
  readonly prng: Prng;
  readonly clock = new SimClock();
  readonly network: SimNetwork;
  readonly violations: string[] = [];
  readonly trace: string[] = [];
  readonly #disks = new Map<string, SimDisk>();
  readonly #listeners: ((point: string) => void)[] = [];
  #check: () => void = () => undefined;
  #hash = 0;
  #events = 0;

  constructor(seed: number, faults: LinkFaults) {
    this.prng = new Prng(seed);
    this.network = new SimNetwork(this.clock, this.prng, faults);
  }

  disk(node: string): SimDisk {
    const disk = this.#disks.get(node) ?? new SimDisk(this.clock, this.prng);
    this.#disks.set(node, disk);
    return disk;
  }

  /** A step of the story, by a name that is the same in every run that takes it: faults can be planted on it. */
  point(name: string): void {
    for (const character of name) this.#hash = (Math.imul(this.#hash, 31) + character.charCodeAt(0)) | 0;
    this.#hash = (Math.imul(this.#hash, 31) + Math.round(this.clock.nowMs * 1000)) | 0;
    if (this.trace.length < TRACE_LINES_MAX) this.trace.push(`${this.clock.nowMs.toFixed(2).padStart(10)} ${name}`);
    for (const listener of this.#listeners) listener(name);
  }

  onPoint(listener: (point: string) => void): void {
    this.#listeners.push(listener);
  }

  /** A promise broken, in one sentence; the run goes on so that one seed shows all of them. */
  violate(promise: string): void {
    if (!this.violations.includes(promise)) this.violations.push(promise);
    this.point(`VIOLATION ${promise}`);
  }

  /** What must hold after each event. */
  always(check: () => void): void {
    this.#check = check;
  }

  /** Lets time pass up to the moment given, or until `until` holds; true if it did. */
  run(limitMs: number, until: () => boolean = () => false): boolean {
    while (!until()) {
      if (!this.clock.next(limitMs)) return false;
      this.#check();
      this.#events += 1;
      if (this.#events > EVENTS_MAX) {
        this.violate(`it does not come to rest: ${EVENTS_MAX} events`);
        return false;
      }
    }
    return true;
  }

  /** The same for two runs that took the same steps at the same moments. */
  get fingerprint(): string {
    return `${this.#events}:${this.#hash >>> 0}`;
  }
}
