// Paths of pairs of hosts: the entries of all switches on the way are there before the sender's own switch gets its one and
// the frame goes on. So whatever entry a frame meets, the rest of its path is there, or nothing is. A pair's older entries
// are confirmed to be gone before new ones are sent: two ways of one pair are never mixed, and frames of it never circle.
import { NO_BUFFER, PortNumber } from '@openflow/ofp';
import type { Host } from './host-table.ts';
import { hopMod, noHopMod } from './lone-flows.ts';
import type { MeshPort, MeshSwitch } from './mesh-switch.ts';
import { type Held, type Hop, type Path, pairKey } from './path.ts';
import { PathQueue } from './path-queue.ts';
import type { ShortestWays } from './shortest-ways.ts';

/** Frames that wait for one path; more are dropped, as a full queue would. */
const HELD_MAX = 8;
/** Of a few hundred bytes each. Beyond it the path that is longest there goes first. */
const PATHS_MAX = 1_000_000;
const NONE: readonly Held[] = [];

export interface PathParts {
  readonly ways: ShortestWays;
  /** A switch would not take a path's entry. */
  readonly refused: (at: MeshSwitch, reason: string) => void;
}

/** A frame that came to the controller; its bytes are a view. */
export interface Arrival {
  readonly at: MeshSwitch;
  readonly inPort: number;
  readonly bufferId: number;
  readonly data: Uint8Array;
}

export class PathKeeper {
  readonly #parts: PathParts;
  readonly #paths = new PathQueue();
  /** What earlier lives of the controller have left in switches, by `pairKey`: kept until the pair has a path of its own. */
  readonly #strays = new Map<string, Hop[]>();

  constructor(parts: PathParts) {
    this.#parts = parts;
  }

  get count(): number {
    return this.#paths.count;
  }

  /** Brings a frame on its way, by the pair's path or a new one. False where there is no way. */
  carry(from: Host, to: Host, frame: Arrival): boolean {
    const path = from.pathsFrom.get(to);
    if (path === undefined) return this.#begin(from, to, frame);
    if (path.state !== 'installed') {
      if (path.held.length < HELD_MAX) path.held = [...path.held, { ...frame, data: frame.data.slice() }];
      return true;
    }
    const hop = hopAt(path.hops, frame);
    if (hop === undefined) {
      this.#clearStrays(from, to, () => undefined);
      return deliver(to, frame);
    }
    // It was sent before its entry was there, or the switch has lost that one.
    release(hop, frame);
    return true;
  }

  /** Takes the paths out of all switches; what waits for them is carried anew afterwards. */
  remove(paths: Iterable<Path>): void {
    const removed = [...paths].filter(({ state }) => state === 'installing' || state === 'installed');
    const hopsOf = Map.groupBy(
      removed.flatMap((path) => path.hops.map((hop) => ({ path, hop }))),
      ({ hop }) => hop.at,
    );
    for (const path of removed) {
      path.state = 'removing';
      path.awaited = 1;
    }
    for (const [at, parts] of hopsOf) {
      for (const { hop, path } of parts) {
        at.hops.delete(hop);
        path.awaited += 1;
      }
      const done = (): void => {
        for (const { path } of parts) this.#partGone(path);
      };
      if (at.ready === undefined) done();
      else
        at.ready.apply(
          parts.map(({ hop }) => noHopMod(hop)),
          done,
        );
    }
    for (const path of removed) this.#partGone(path);
  }

  /** An entry that nobody here put there. */
  addStray(hop: Hop): void {
    const key = pairKey(hop.from, hop.to);
    this.#strays.set(key, [...(this.#strays.get(key) ?? []), hop]);
  }

  /** Takes such entries out, or only forgets those of a switch that is not there. */
  removeStrays(isMeant: (hop: Hop) => boolean): void {
    for (const [key, hops] of this.#strays) {
      const meant = hops.filter(isMeant);
      if (meant.length === 0) continue;
      const kept = hops.filter((hop) => !meant.includes(hop));
      if (kept.length > 0) this.#strays.set(key, kept);
      else this.#strays.delete(key);
      for (const hop of meant) hop.at.ready?.say([noHopMod(hop)]);
    }
  }

  #begin(from: Host, to: Host, frame: Arrival): boolean {
    const hops = this.#plan(from, to);
    if (hops === undefined) return false;
    const starts = hops[0]?.at === frame.at && hops[0].inPort === frame.inPort;
    const path: Path = { from, to, hops, state: 'installing', awaited: 0, held: NONE };
    from.pathsFrom.set(to, path);
    to.pathsTo.add(path);
    this.#paths.add(path);
    const oldest = this.#paths.count > PATHS_MAX ? this.#paths.oldest() : undefined;
    if (oldest !== undefined) this.remove([oldest]);
    if (hops.length === 1 && starts && this.#strays.size === 0) this.#finish(path, frame);
    else {
      path.held = [{ ...frame, data: frame.data.slice() }];
      this.#clear(path);
    }
    return true;
  }

  #plan(from: Host, to: Host): Hop[] | undefined {
    if (from.port === to.port) return undefined;
    const steps = this.#parts.ways.between(from.port.owner, to.port.owner);
    if (steps === undefined || from.port.owner.ready === undefined || to.port.owner.ready === undefined)
      return undefined;
    if (steps.length === 0) return [hopOf(from.port, to.port, from, to)];
    const intos = [from.port, ...steps.map(({ into }) => into)];
    const outs = [...steps.map(({ out }) => out), to.port];
    return intos.map((into, index) => hopOf(into, outs[index] ?? to.port, from, to));
  }

  // What an earlier life left of the pair goes first.
  #clear(path: Path): void {
    this.#clearStrays(path.from, path.to, () => {
      if (path.state === 'installing') this.#install(path);
    });
  }

  #clearStrays(from: Host, to: Host, then: () => void): void {
    const key = this.#strays.size === 0 ? '' : pairKey(from.mac, to.mac);
    const strays = this.#strays.get(key) ?? [];
    this.#strays.delete(key);
    let awaited = 1;
    const done = (): void => {
      awaited -= 1;
      if (awaited === 0) then();
    };
    for (const hop of strays) {
      if (hop.at.ready === undefined) continue;
      awaited += 1;
      hop.at.ready.apply([noHopMod(hop)], done);
    }
    done();
  }

  #install(path: Path): void {
    const later = path.hops.slice(1);
    path.awaited = later.length;
    if (later.length === 0) this.#finish(path);
    for (const hop of later.reverse()) {
      hop.at.hops.set(hop, path);
      hop.at.ready?.apply([hopMod(hop)], (refusals) => this.#hopDone(path, hop, refusals));
    }
    if (later.some(({ at }) => at.ready === undefined)) this.remove([path]);
  }

  #hopDone(path: Path, hop: Hop, refusals: readonly string[] | undefined): void {
    if (path.state !== 'installing') return;
    if (refusals === undefined || refusals.length > 0) {
      for (const reason of refusals ?? []) this.#parts.refused(hop.at, reason);
      path.held = NONE;
      this.remove([path]);
      return;
    }
    path.awaited -= 1;
    if (path.awaited === 0) this.#finish(path);
  }

  #finish(path: Path, frame?: Arrival): void {
    const [first] = path.hops;
    if (first === undefined) return;
    path.state = 'installed';
    first.at.hops.set(first, path);
    if (frame !== undefined) {
      release(first, frame);
      return;
    }
    first.at.ready?.put(first, NO_BUFFER);
    for (const held of path.held) {
      if (held.at === first.at && held.inPort === first.inPort) release(first, held);
      else deliver(path.to, held);
    }
    path.held = NONE;
  }

  #partGone(path: Path): void {
    path.awaited -= 1;
    if (path.awaited > 0) return;
    this.#forget(path);
    if (path.from.isGone || path.to.isGone) return;
    for (const held of path.held) this.carry(path.from, path.to, held);
  }

  #forget(path: Path): void {
    for (const hop of path.hops) hop.at.hops.delete(hop);
    path.from.pathsFrom.delete(path.to);
    path.to.pathsTo.delete(path);
    this.#paths.remove(path);
  }
}

function hopAt(hops: readonly Hop[], { at, inPort }: Arrival): Hop | undefined {
  for (const hop of hops) if (hop.at === at && hop.inPort === inPort) return hop;
  return undefined;
}

function hopOf(into: MeshPort, out: MeshPort, from: Host, to: Host): Hop {
  return { at: into.owner, inPort: into.no, outPort: out.no, from: from.mac, to: to.mac };
}

/** Puts the entry and sends the frame by it: out of the switch's buffer as the entry says, or as bytes. */
function release(hop: Hop, { bufferId, data }: Held): void {
  const connection = hop.at.ready;
  connection?.put(hop, bufferId);
  if (bufferId === NO_BUFFER) connection?.send(data, hop);
}

/** Straight to the receiver's port, for a frame that an entry has left somewhere on the way. */
function deliver(to: Host, { bufferId, data }: Held): boolean {
  if (bufferId === NO_BUFFER) to.port.owner.ready?.send(data, { inPort: PortNumber.controller, outPort: to.port.no });
  return true;
}
