// The stores that follow layers of this one, and what they are offered: blocks that nobody has asked for yet. An offer is
// settled once, also when its store says nothing or goes; it holds nothing up.
import type { Clock, Timer } from '../../common/clock.ts';
import type { WantedRun } from '../layers/block-fetcher.ts';
import type { PeerFrame } from './peer-frame.ts';

/** A store that has not made an offer durable by then is not waited for: longer than 2 MiB take at 1 Mbit/s. */
const SETTLED_MS = 60_000;

interface OpenOffer {
  readonly settled: (isHeld: boolean) => void;
  readonly timer: Timer;
}

/** One store that follows one layer, by one stream. */
export class Follower {
  readonly layer: string;
  readonly node: string;
  readonly #clock: Clock;
  readonly #send: (frame: PeerFrame) => void;
  readonly #changed: () => void;
  readonly #offers = new Map<number, OpenOffer>();
  #nextId = 0;
  #hasBegun = false;
  #takes = false;
  #isComing = false;
  #hasLeft = false;

  constructor(
    at: { readonly layer: string; readonly node: string },
    clock: Clock,
    send: (frame: PeerFrame) => void,
    changed: () => void,
  ) {
    this.layer = at.layer;
    this.node = at.node;
    this.#clock = clock;
    this.#send = send;
    this.#changed = changed;
  }

  /** Whether it can be offered blocks: it says so, and it has been told the table that their versions stand in. */
  get mayTake(): boolean {
    return this.#hasBegun && this.#takes && !this.#hasLeft;
  }

  /** Whether the image is about to be written there. */
  get isComing(): boolean {
    return this.mayTake && this.#isComing;
  }

  /** It has been told the table. */
  begun(): void {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    this.#changed();
  }

  /** It says that it takes what is offered. */
  takes(isComing: boolean): void {
    this.#takes = true;
    this.#isComing = isComing;
    this.#changed();
  }

  /** Offers blocks of a layer; `settled` is called once: all are durable there, or not. */
  offer(layer: string, runs: readonly WantedRun[], settled: (isHeld: boolean) => void): void {
    if (!this.mayTake) {
      settled(false);
      return;
    }
    const id = this.#nextId;
    this.#nextId = (this.#nextId + 1) % 2 ** 32;
    const timer = this.#clock.setTimer(SETTLED_MS, () => this.#settle(id, false));
    this.#offers.set(id, { settled, timer });
    this.#send({ type: 'offer', id, layer, runs });
  }

  /** Tells what it will need when the image is written there. */
  tell(frame: PeerFrame & { type: 'heat' | 'memory' }): void {
    if (this.mayTake) this.#send(frame);
  }

  /** Its answer to an offer; one that comes late is none any more. False when that was never offered. */
  settled(id: number, isHeld: boolean): boolean {
    this.#settle(id, isHeld);
    return id < this.#nextId;
  }

  /** Its stream has ended. */
  left(): void {
    if (this.#hasLeft) return;
    this.#hasLeft = true;
    for (const id of [...this.#offers.keys()]) this.#settle(id, false);
    this.#changed();
  }

  #settle(id: number, isHeld: boolean): void {
    const offer = this.#offers.get(id);
    this.#offers.delete(id);
    offer?.timer.cancel();
    offer?.settled(isHeld);
  }
}

/** All of them; of one store that follows a layer twice the newest counts. */
export class Followers {
  readonly #clock: Clock;
  readonly #followers = new Map<string, Follower>();
  readonly #watchers = new Set<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A store begins to follow. */
  join(layer: string, node: string, send: (frame: PeerFrame) => void): Follower {
    const key = keyOf(layer, node);
    this.#followers.get(key)?.left();
    const follower: Follower = new Follower({ layer, node }, this.#clock, send, () => this.#changed());
    this.#followers.set(key, follower);
    return follower;
  }

  leave(follower: Follower): void {
    const key = keyOf(follower.layer, follower.node);
    if (this.#followers.get(key) === follower) this.#followers.delete(key);
    follower.left();
  }

  find(layer: string, node: string): Follower | undefined {
    return this.#followers.get(keyOf(layer, node));
  }

  /** The store at which the layer is about to be written. */
  comingTo(layer: string): string | undefined {
    return [...this.#followers.values()].find((one) => one.layer === layer && one.isComing)?.node;
  }

  /** Calls back when a store may take something, is about to write, or goes; until the answer is called. */
  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  #changed(): void {
    for (const watcher of this.#watchers) watcher();
  }
}

function keyOf(layer: string, node: string): string {
  return `${layer} ${node}`;
}
