// Nodes with probers in one thread under a clock of its own, and links that delay, lose and are cut. Not a test itself.

import type { LinkLook } from '../../../sdnd/topology/link-look.ts';
import { LinkStates } from '../../../sdnd/topology/link-states.ts';
import type { LinkFigures } from '../../../sdnd/topology/peer-link.ts';
import { type ProbeFrame, type ProbePeer, Prober } from '../../../sdnd/topology/prober.ts';
import { Prng } from '../../sim/prng.ts';

const TICK_MS = 100;
/** A guest's longest frame: 1330 and the Ethernet header. */
export const LONG_BYTES = 1_344;

/** How frames cross in one direction. */
export interface Way {
  delayMs: number;
  loss: number;
  isCut: boolean;
  /** Each frame comes a second time so much later. */
  againMs: number | undefined;
  /** Longer frames do not come through. */
  bytesMax: number;
}

interface Flight {
  readonly atMs: number;
  readonly from: string;
  readonly to: string;
  readonly bytes: Uint8Array;
}

export class TopologyWorld {
  nowMs = 0;
  readonly states = new LinkStates();
  readonly probers = new Map<string, Prober>();
  /** Frames that were sent. */
  sent = 0;
  readonly #prng: Prng;
  readonly #ways = new Map<string, Way>();
  /** Each node's clock began at another moment. */
  readonly #clocks = new Map<string, number>();
  readonly #inSession = new Set<string>();
  #flights: Flight[] = [];

  constructor(names: readonly string[], isClose: (one: string, other: string) => boolean = () => true, seed = 1) {
    this.#prng = new Prng(seed);
    for (const name of names) {
      this.#clocks.set(name, this.#prng.between(0, 1e9));
      this.start(name, names, isClose);
    }
  }

  /** The node's daemon starts, or starts anew. */
  start(name: string, names: readonly string[], isClose: (one: string, other: string) => boolean): void {
    const prober = new Prober({
      node: name,
      session: this.#prng.integer(2 ** 32),
      random: () => this.#prng.between(0, 1),
      longBytes: LONG_BYTES,
    });
    this.probers.set(name, prober);
    this.tell(name, names, isClose);
    this.#inSession.delete(name);
  }

  /** It hears who the others are, and which of them are close. */
  tell(name: string, names: readonly string[], isClose: (one: string, other: string) => boolean): void {
    const others = names.filter((other) => other !== name);
    const peers = others.map((node): ProbePeer => ({ node, address: addressOf(node), isClose: isClose(name, node) }));
    this.probers.get(name)?.setPeers(peers, this.#clock(name));
  }

  way(from: string, to: string): Way {
    const key = `${from} ${to}`;
    const way = this.#ways.get(key) ?? { delayMs: 10, loss: 0, isCut: false, againMs: undefined, bytesMax: 9_000 };
    this.#ways.set(key, way);
    return way;
  }

  /** The agent's session with the controller is over until `join`. */
  leave(name: string): void {
    this.#inSession.delete(name);
    this.#away.add(name);
    this.states.end(name);
  }
  readonly #away = new Set<string>();

  join(name: string): void {
    this.#away.delete(name);
  }

  figures(name: string, peer: string): LinkFigures | undefined {
    return this.probers
      .get(name)
      ?.links(this.#clock(name))
      .find((link) => link.peer === peer);
  }

  /** Looks closer at the node's end of a link, from now on. */
  look(name: string, peer: string, forMs: number): LinkLook | undefined {
    return this.probers.get(name)?.look(peer, forMs, this.#clock(name));
  }

  run(forMs: number, look: () => void = () => undefined): void {
    const endMs = this.nowMs + forMs;
    while (this.nowMs < endMs) {
      this.#deliver(this.nowMs + TICK_MS);
      this.nowMs += TICK_MS;
      for (const [name, prober] of this.probers) this.#send(name, prober.tick(this.#clock(name)));
      for (const [name, prober] of this.probers) this.#report(name, prober);
      look();
    }
  }

  #report(name: string, prober: Prober): void {
    if (this.#away.has(name)) return;
    const isNew = !this.#inSession.has(name);
    this.#inSession.add(name);
    const news = prober.news(this.#clock(name), isNew);
    if (isNew) this.states.begin(name, news);
    else this.states.report(name, news);
  }

  #deliver(untilMs: number): void {
    for (;;) {
      const next = this.#flights.toSorted((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined || next.atMs > untilMs) return;
      this.#flights = this.#flights.filter((flight) => flight !== next);
      this.nowMs = Math.max(this.nowMs, next.atMs);
      const prober = this.probers.get(next.to);
      const answers = prober?.receive(next.bytes, addressOf(next.from), this.#clock(next.to)) ?? [];
      this.#send(next.to, answers);
    }
  }

  #send(from: string, frames: readonly ProbeFrame[]): void {
    for (const { to: address, bytes } of frames) {
      const to = address.slice('at '.length);
      const { delayMs, loss, isCut, againMs, bytesMax } = this.way(from, to);
      this.sent++;
      if (isCut || bytes.length > bytesMax || this.#prng.chance(loss)) continue;
      const atMs = this.nowMs + delayMs;
      this.#flights.push({ atMs, from, to, bytes });
      if (againMs !== undefined) this.#flights.push({ atMs: atMs + againMs, from, to, bytes });
    }
  }

  #clock(name: string): number {
    return this.nowMs + (this.#clocks.get(name) ?? 0);
  }
}

export function addressOf(node: string): string {
  return `at ${node}`;
}
