// Which ports are wired to which, how long a frame takes between them, and what each port therefore is. Every second a probe
// goes out of every port; what comes in is a link while it comes both ways. A switch without a session says nothing, which
// is no word against its links (SOUNDNESS C2): they stay as they are for a while, then its neighbours' ports are closed.
import { output, packetOut } from '@openflow/ofp';
import type { MeshPort, MeshSwitch, PortRole } from './mesh-switch.ts';
import { encodePortProbe, PROBE_NUMBERS } from './port-probe.ts';

export const ROUND_MS = 1_000;
/** Two probes missed, and half a round for what was under way: a cut is known within 3 s. */
const SILENCE_MS = 2_500;
/** A whole round of everybody's probes lies in it, and a second for the slowest way to the controller and back. */
export const QUIET_MS = 2_000;
/** Probes of its own that a port has sent before it counts as quiet. */
const PROBES_OUT_MIN = 2;
/** A new figure counts so much; one frame that waited somewhere says little. */
const LATENCY_WEIGHT = 0.25;
/** A longer way to the switch counts so much, a shorter one at once. */
const ROUND_TRIP_WEIGHT = 0.125;
/** A way's figure that moved by less is not a reason to look for other ways. */
const LATENCY_STEP_MS = 1;
const LATENCY_STEP_SHARE = 0.25;

/** Two ports between which frames go both ways; `a.key < b.key`. */
export interface MeshLink {
  readonly a: MeshPort;
  readonly b: MeshPort;
  latencyMs: number;
}

interface Sent {
  readonly port: MeshPort;
  readonly atMs: number;
}

export interface FinderParts {
  readonly now: () => number;
  /** 0 to 1. */
  readonly random: () => number;
  readonly switches: ReadonlyMap<bigint, MeshSwitch>;
}

/** What changed in one look. */
export interface FinderNews {
  readonly found: readonly MeshLink[];
  readonly gone: readonly MeshLink[];
  readonly roles: readonly { readonly port: MeshPort; readonly before: PortRole }[];
  /** Some way became quicker or slower. */
  readonly latencies: boolean;
}

export class LinkFinder {
  readonly #parts: FinderParts;
  readonly #links = new Set<MeshLink>();
  /** Probes under way by their number: of this round and of the two before. */
  #rounds: Map<number, Sent>[] = [new Map(), new Map(), new Map(), new Map()];
  #nextRoundMs = Number.NEGATIVE_INFINITY;

  constructor(parts: FinderParts) {
    this.#parts = parts;
  }

  get links(): Iterable<MeshLink> {
    return this.#links;
  }

  /** Sends a round of probes if it is time. */
  probe(nowMs: number): void {
    if (nowMs < this.#nextRoundMs) return;
    this.#nextRoundMs = nowMs + ROUND_MS;
    this.#rounds = [new Map(), ...this.#rounds.slice(0, -1)];
    for (const one of this.#parts.switches.values()) this.probeSwitch(one, nowMs);
  }

  /** Sends a probe out of every port of one switch; the barrier behind them tells its distance. */
  probeSwitch(one: MeshSwitch, nowMs: number): void {
    const connection = one.ready;
    if (connection === undefined) return;
    const ports = [...one.ports.values()].filter(({ isUp }) => isUp);
    connection.say(ports.map((port) => packetOut(this.#frameFor(port, nowMs), [output(port.no)])));
    connection.apply([], (refusals) => {
      if (refusals === undefined) return;
      measureRoundTrip(one, this.#parts.now() - nowMs);
      for (const port of ports) port.probesOut += port.quietSinceMs <= nowMs ? 1 : 0;
    });
  }

  #frameFor(port: MeshPort, nowMs: number): Uint8Array {
    const number = Math.floor(this.#parts.random() * PROBE_NUMBERS);
    this.#rounds[0]?.set(number, { port, atMs: nowMs });
    return encodePortProbe(number, port.owner.id, port.no);
  }

  /** A probe came in at a port. */
  hear(at: MeshPort, number: number, nowMs: number): void {
    const sent = this.#rounds.map((round) => round.get(number)).find((one) => one !== undefined);
    if (sent === undefined || sent.port === at) {
      at.strangeAtMs = nowMs;
      return;
    }
    const roundTrips = (sent.port.owner.roundTripMs + at.owner.roundTripMs) / 2;
    const latencyMs = Math.max(0, nowMs - sent.atMs - roundTrips);
    const known = at.heard.get(sent.port);
    if (known === undefined) at.heard.set(sent.port, { atMs: nowMs, latencyMs });
    else {
      known.atMs = nowMs;
      known.latencyMs += LATENCY_WEIGHT * (latencyMs - known.latencyMs);
    }
  }

  /** A switch is in session again after a short while: its silence says nothing. */
  refresh(one: MeshSwitch, nowMs: number): void {
    for (const port of one.ports.values()) {
      for (const [from, hearing] of port.heard) {
        hearing.atMs = nowMs;
        const back = from.heard.get(port);
        if (back !== undefined) back.atMs = nowMs;
      }
    }
  }

  /** A switch is no part of the mesh any more: what its neighbours' ports led to is unknown and stays closed. */
  forget(one: MeshSwitch): void {
    for (const port of this.#ports()) {
      for (const from of [...port.heard.keys()]) {
        if (from.owner !== one && port.owner !== one) continue;
        port.heard.delete(from);
        const near = port.owner === one ? from : port;
        near.beyond = one.id;
      }
    }
  }

  forgetPort(port: MeshPort): void {
    for (const other of this.#ports()) other.heard.delete(port);
  }

  /** A switch that was no part of the mesh is one again. */
  returned(id: bigint, nowMs: number): void {
    for (const port of this.#ports()) if (port.beyond === id) port.renew(nowMs);
  }

  /** Looks what is a link and what each port is now. Four times a second: what it goes by stands at the ports, not in maps of its own. */
  look(nowMs: number): FinderNews {
    for (const port of this.#ports()) {
      forgetSilent(port, nowMs);
      port.isHeard = false;
      port.isLinked = false;
    }
    const gone = this.#lookForGone();
    const found = this.#lookForFound();
    return { found, gone, roles: this.#lookAtRoles(nowMs), latencies: this.#lookAtLatencies() };
  }

  *#ports(): Iterable<MeshPort> {
    for (const one of this.#parts.switches.values()) yield* one.ports.values();
  }

  #lookForGone(): MeshLink[] {
    const gone: MeshLink[] = [];
    for (const link of this.#links) {
      const { a, b } = link;
      if (a.heard.has(b) && b.heard.has(a)) continue;
      this.#links.delete(link);
      a.linkTo.delete(b);
      gone.push(link);
    }
    return gone;
  }

  /** Marks the ports, too. */
  #lookForFound(): MeshLink[] {
    const found: MeshLink[] = [];
    for (const a of this.#ports()) {
      for (const [b, { latencyMs }] of a.heard) {
        b.isHeard = true;
        const back = b.heard.get(a);
        if (back === undefined) continue;
        a.isLinked = true;
        if (a.key > b.key || a.linkTo.has(b)) continue;
        const link = { a, b, latencyMs: Math.max(latencyMs, back.latencyMs) };
        this.#links.add(link);
        a.linkTo.set(b, link);
        found.push(link);
      }
    }
    return found;
  }

  #lookAtLatencies(): boolean {
    let changed = false;
    for (const link of this.#links) {
      const there = link.b.heard.get(link.a)?.latencyMs ?? link.latencyMs;
      const back = link.a.heard.get(link.b)?.latencyMs ?? link.latencyMs;
      const latencyMs = Math.max(there, back);
      const step = Math.abs(latencyMs - link.latencyMs);
      if (step < LATENCY_STEP_MS || step < LATENCY_STEP_SHARE * link.latencyMs) continue;
      link.latencyMs = latencyMs;
      changed = true;
    }
    return changed;
  }

  #lookAtRoles(nowMs: number): { port: MeshPort; before: PortRole }[] {
    const changed: { port: MeshPort; before: PortRole }[] = [];
    for (const port of this.#ports()) {
      const before = port.role;
      port.role = roleOf(port, nowMs);
      if (port.role === 'half' || port.role === 'link') port.heardSomebody(nowMs);
      if (port.role !== before) changed.push({ port, before });
    }
    return changed;
  }
}

// What takes longer than usual waited somewhere; what takes less was the way alone.
function measureRoundTrip(one: MeshSwitch, ms: number): void {
  const weight = one.roundTripMs === 0 || ms < one.roundTripMs ? 1 : ROUND_TRIP_WEIGHT;
  one.roundTripMs += weight * (ms - one.roundTripMs);
}

// Where one end has no session nothing can be heard.
function forgetSilent(port: MeshPort, nowMs: number): void {
  for (const [from, { atMs }] of port.heard) {
    const canSpeak = port.owner.isReady && from.owner.isReady;
    if (!port.isUp || !from.isUp || (canSpeak && nowMs - atMs > SILENCE_MS)) port.heard.delete(from);
  }
}

function roleOf(port: MeshPort, nowMs: number): PortRole {
  if (!port.isUp) return 'down';
  // Where hosts were thought to be is closed first, and then opened as a link.
  if (port.isLinked) return port.role === 'edge' ? 'half' : 'link';
  if (port.isHeard || port.heard.size > 0 || nowMs - port.strangeAtMs <= SILENCE_MS) return 'half';
  if (port.beyond !== undefined) return 'beyond';
  // What a switch without a session has seen since is not known.
  if (port.role === 'edge' || !port.owner.isReady) return port.role;
  return nowMs - port.quietSinceMs >= QUIET_MS && port.probesOut >= PROBES_OUT_MIN ? 'edge' : 'new';
}
