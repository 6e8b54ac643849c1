// Streams between the stores of simulated nodes: in order and whole, in pieces of any size, held up by a cut and broken
// by a long one; a daemon that is killed ends its streams, a node without power says nothing, and one that has it again knows
// of no stream from before.
import type { PeerStream, StreamEvents } from '../../blockd/peer/peer-stream.ts';
import type { SimProcess } from './process.ts';
import type { World } from './world.ts';

const DELAY_MS_MIN = 1;
const DELAY_MS_MAX = 90;
/** A cut that is shorter only holds the stream up. */
const BROKEN_AFTER_MS = 12_000;
const RETRY_MS = 250;
const DIAL_TIMEOUT_MS = 5_000;
/** A writer beyond this is told to wait. */
const QUEUE_BYTES_MAX = 256 * 1024;

/** Takes a stream in: answers the events of its end; undefined, and it is refused. */
export type Accept = (stream: PeerStream) => StreamEvents | undefined;

/** One end: where it is, and what it hears. */
interface End {
  readonly process: SimProcess;
  readonly life: number;
  events: StreamEvents;
}

/** One direction: what was written and has not arrived. */
class Direction {
  readonly queue: { readonly bytes: Uint8Array; readonly atMs: number }[] = [];
  queuedBytes = 0;
  lastAtMs = 0;
  stuckSinceMs: number | undefined;
  wasFull = false;
}

class Pair {
  readonly #world: World;
  readonly #ends: readonly [End, End];
  readonly #directions = [new Direction(), new Direction()] as const;
  #isOpen = true;

  constructor(world: World, ends: readonly [End, End]) {
    this.#world = world;
    this.#ends = ends;
  }

  stream(from: 0 | 1): PeerStream {
    return {
      write: (bytes) => this.#write(from, bytes),
      close: () => this.#close(from),
    };
  }

  /** The daemon at one end has died: its kernel tells the other one, if it lives itself. */
  died(process: SimProcess, hasPower: boolean): void {
    this.#ends.forEach((end, index) => {
      if (end.process === process && hasPower) this.#close(index === 0 ? 0 : 1);
    });
  }

  #write(from: 0 | 1, bytes: Uint8Array): boolean {
    if (!this.#isOpen || !this.#lives(from)) return true;
    const direction = this.#directions[from];
    const [sender, receiver] = from === 0 ? this.#ends : ([this.#ends[1], this.#ends[0]] as const);
    const lagMs = this.#world.network.lagMs(sender.process.node, receiver.process.node);
    const delayMs = lagMs + this.#world.prng.between(DELAY_MS_MIN, DELAY_MS_MAX);
    direction.lastAtMs = Math.max(direction.lastAtMs, this.#world.clock.nowMs + delayMs);
    for (const piece of this.#pieces(new Uint8Array(bytes))) {
      direction.queue.push({ bytes: piece, atMs: direction.lastAtMs });
    }
    direction.queuedBytes += bytes.length;
    direction.wasFull = direction.queuedBytes > QUEUE_BYTES_MAX;
    this.#world.clock.after(direction.lastAtMs - this.#world.clock.nowMs, () => this.#deliver(from));
    return !direction.wasFull;
  }

  #pieces(bytes: Uint8Array): Uint8Array[] {
    if (bytes.length < 2 || this.#world.prng.chance(0.7)) return [bytes];
    const at = 1 + this.#world.prng.integer(bytes.length - 1);
    return [bytes.subarray(0, at), bytes.subarray(at)];
  }

  #deliver(from: 0 | 1): void {
    const direction = this.#directions[from];
    const { clock, network } = this.#world;
    const [sender, receiver] = from === 0 ? this.#ends : ([this.#ends[1], this.#ends[0]] as const);
    while (this.#isOpen && direction.queue[0] !== undefined && direction.queue[0].atMs <= clock.nowMs) {
      if (network.isCut(sender.process.node, receiver.process.node)) {
        this.#held(from, direction);
        return;
      }
      direction.stuckSinceMs = undefined;
      const { bytes } = direction.queue.shift() ?? { bytes: new Uint8Array(0) };
      direction.queuedBytes -= bytes.length;
      // A daemon that was killed is found out by its kernel, one without power by nobody before that is back.
      if (receiver.life !== receiver.process.life && !receiver.process.isDown) {
        this.#reset(sender);
        return;
      }
      receiver.process.run(receiver.life, () => receiver.events.received(bytes));
      if (direction.wasFull && direction.queuedBytes === 0) {
        direction.wasFull = false;
        sender.process.run(sender.life, () => sender.events.drained());
      }
    }
  }

  #held(from: 0 | 1, direction: Direction): void {
    const { clock } = this.#world;
    direction.stuckSinceMs ??= clock.nowMs;
    if (clock.nowMs - direction.stuckSinceMs > BROKEN_AFTER_MS) this.#broken();
    else clock.after(RETRY_MS, () => this.#deliver(from));
  }

  /** The other kernel has begun anew, and answers that it knows nothing of this. */
  #reset({ process, life, events }: End): void {
    this.#isOpen = false;
    this.#world.clock.after(DELAY_MS_MIN, () => process.run(life, () => events.closed()));
  }

  /** Both kernels give up. */
  #broken(): void {
    this.#isOpen = false;
    for (const end of this.#ends) end.process.run(end.life, () => end.events.closed());
  }

  #close(from: 0 | 1): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const [own, other] = from === 0 ? this.#ends : ([this.#ends[1], this.#ends[0]] as const);
    own.process.run(own.life, () => own.events.closed());
    const { clock, network, prng } = this.#world;
    const tell = (): void => {
      if (network.isCut(own.process.node, other.process.node)) clock.after(RETRY_MS, tell);
      else other.process.run(other.life, () => other.events.closed());
    };
    clock.after(prng.between(DELAY_MS_MIN, DELAY_MS_MAX), tell);
  }

  #lives(from: 0 | 1): boolean {
    const { process, life } = this.#ends[from];
    return process.life === life && !process.isDown;
  }
}

/** All streams of one world. */
export class SimStreams {
  readonly #world: World;
  readonly #pairs = new Set<Pair>();

  constructor(world: World) {
    this.#world = world;
  }

  /** Dials as a TLS socket does: rejects when nobody is there, or nothing comes back. */
  dial(from: SimProcess, to: SimProcess, events: StreamEvents, accept: Accept): Promise<PeerStream> {
    const { clock, network, prng } = this.#world;
    const { life } = from;
    const isCut = (): boolean => network.isCut(from.node, to.node) || network.isCut(to.node, from.node);
    return new Promise((resolve, reject) => {
      const fail = (reason: string): void => from.run(life, () => reject(new Error(reason)));
      const arrive = (): void => {
        if (isCut() || to.state === 'frozen') clock.after(DIAL_TIMEOUT_MS, () => fail('nothing came back'));
        else if (to.isDown) clock.after(DELAY_MS_MIN, () => fail('connection refused'));
        else this.#accepted(from, to, events, accept, resolve);
      };
      clock.after(prng.between(DELAY_MS_MIN, DELAY_MS_MAX), arrive);
    });
  }

  died(process: SimProcess, hasPower: boolean): void {
    for (const pair of this.#pairs) pair.died(process, hasPower);
  }

  #accepted(
    from: SimProcess,
    to: SimProcess,
    events: StreamEvents,
    accept: Accept,
    resolve: (stream: PeerStream) => void,
  ): void {
    const { clock, prng } = this.#world;
    const far: End = { process: to, life: to.life, events: DEAF };
    const near: End = { process: from, life: from.life, events };
    const pair = new Pair(this.#world, [near, far]);
    this.#pairs.add(pair);
    to.run(to.life, () => {
      const taken = accept(pair.stream(1));
      if (taken === undefined) pair.stream(1).close();
      else far.events = taken;
    });
    clock.after(prng.between(DELAY_MS_MIN, DELAY_MS_MAX), () => from.run(near.life, () => resolve(pair.stream(0))));
  }
}

const DEAF: StreamEvents = { received: () => undefined, drained: () => undefined, closed: () => undefined };
