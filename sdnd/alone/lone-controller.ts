// A controller for whatever switches come: it learns how they are wired and where hosts are, keeps floods on a tree and
// brings pairs of hosts together on the shortest way. Without socket, clock or chance but those that are handed in; whoever
// drives it calls `tick` some four times a second.
import type { FlowRemoved, FlowStats, PacketIn, Port } from '@openflow/ofp';
import { FloodKeeper } from './flood-keeper.ts';
import { HostTable } from './host-table.ts';
import { LinkFinder, type MeshLink } from './link-finder.ts';
import type { LoneEvent } from './lone-events.ts';
import { pairOf } from './lone-flows.ts';
import { type Connection, isReal, isUp, MeshPort, MeshSwitch } from './mesh-switch.ts';
import { MissDesk } from './miss-desk.ts';
import { MissLimit } from './miss-limit.ts';
import { PathKeeper } from './path-keeper.ts';
import { ShortestWays } from './shortest-ways.ts';
import { spanningTree } from './spanning-tree.ts';
import { arrivalOf } from './switch-arrival.ts';

/** A switch that comes back within it finds everything as it was; afterwards its neighbours' ports to it are closed. */
const GRACE_MS = 3_000;
const IDLE_LOOK_MS = 10_000;
/** A switch has a flood for each port to every other: so many are 16 MB of flow-mods, and an entry of 4,093 fits no message. */
const PORTS_MAX = 1_024;
/** More datapath ids than anybody has switches. */
const MET_MAX = 65_536;

export interface LoneParts {
  /** ms, as all times that are handed in. */
  readonly now: () => number;
  /** 0 to 1. */
  readonly random: () => number;
  /** How many frames a second may come from one port to the controller. */
  readonly missesPerSecond: number;
  readonly tell: (event: LoneEvent) => void;
}

export class LoneController {
  readonly switches = new Map<bigint, MeshSwitch>();
  readonly hosts = new HostTable();
  readonly finder: LinkFinder;
  readonly paths: PathKeeper;
  readonly desk: MissDesk;
  /** Switches that this life of the controller has given entries before. */
  readonly #met = new Set<bigint>();
  readonly #tell: (event: LoneEvent) => void;
  readonly #limit: MissLimit;
  readonly #ways: ShortestWays;
  readonly #floods: FloodKeeper;
  #tree: ReadonlySet<MeshLink> = new Set();
  #nextIdleLookMs = 0;

  constructor({ now, random, missesPerSecond, tell }: LoneParts) {
    const { switches, hosts } = this;
    this.#tell = tell;
    this.#limit = new MissLimit(missesPerSecond);
    this.finder = new LinkFinder({ now, random, switches });
    this.#ways = new ShortestWays(() => this.finder.links);
    this.#floods = new FloodKeeper(switches);
    const refused = (at: MeshSwitch, reason: string): void => tell({ kind: 'refused', at: at.name, reason });
    this.paths = new PathKeeper({ ways: this.#ways, refused });
    const { finder, paths } = this;
    this.desk = new MissDesk({ switches, finder, hosts, paths, limit: this.#limit, tell });
  }

  /** The links that floods cross. */
  get tree(): ReadonlySet<MeshLink> {
    return this.#tree;
  }

  /** A switch is in session. Undefined when another one of that datapath id is: the newcomer is to be let go. */
  join(id: bigint, connection: Connection, ports: readonly Port[], nowMs: number): MeshSwitch | undefined {
    const known = this.switches.get(id);
    if (known?.connection !== undefined) {
      this.#tell({ kind: 'twice', at: known.name, reason: 'the first stays, the second is let go' });
      return undefined;
    }
    const one = known ?? new MeshSwitch(id);
    this.switches.set(id, one);
    one.connection = connection;
    this.#takePorts(one, ports, nowMs);
    connection.readFlows((flows) => {
      if (flows !== undefined) this.#arrive(one, connection, flows, nowMs);
    });
    return one;
  }

  #arrive(one: MeshSwitch, connection: Connection, flows: readonly FlowStats[], joinedMs: number): void {
    const open = [...one.floodMay].filter((portNo) => one.ports.get(portNo)?.isUp === true);
    one.floodSent = new Set(open);
    one.floodMay = one.floodSent;
    one.floodsUnconfirmed = 0;
    const isKept = (from: number, to: number): boolean => this.#isKept(one, from, to);
    const { mods, strays } = arrivalOf(one, flows, isKept);
    if (this.#met.size < MET_MAX) this.#met.add(one.id);
    this.paths.removeStrays(({ at }) => at.id === one.id);
    for (const stray of strays) this.paths.addStray(stray);
    connection.apply(mods, (refusals) => {
      if (refusals === undefined || one.connection !== connection) return;
      if (refusals.length > 0) connection.close(`it refuses the first flows: ${refusals.join('; ')}`);
      else this.#makeReady(one, mods.length, joinedMs);
    });
  }

  // Of a switch that was here before, and of a pair whose path is known, it is known what it should have.
  #isKept(one: MeshSwitch, from: number, to: number): boolean {
    const receiver = this.hosts.get(to);
    const hasPath = receiver !== undefined && this.hosts.get(from)?.pathsFrom.has(receiver) === true;
    return !hasPath && !this.#met.has(one.id) && this.#met.size < MET_MAX;
  }

  #makeReady(one: MeshSwitch, changed: number, nowMs: number): void {
    one.isReady = true;
    this.#ways.changed();
    this.finder.refresh(one, nowMs);
    this.finder.returned(one.id, nowMs);
    this.finder.probeSwitch(one, nowMs);
    this.#tell({ kind: 'joined', at: one.name, ports: one.ports.size, changed });
    this.#look(nowMs, true);
  }

  /** Its session has ended. */
  leave(one: MeshSwitch, reason: string, nowMs: number): void {
    one.connection = undefined;
    one.isReady = false;
    one.lostAtMs = nowMs;
    this.#tell({ kind: 'left', at: one.name, reason });
    this.#ways.changed();
    this.#look(nowMs, true);
  }

  port(one: MeshSwitch, reason: 'add' | 'delete' | 'modify', port: Port, nowMs: number): void {
    if (reason === 'delete') this.#dropPort(one, port.portNo);
    else this.#takePort(one, port, nowMs);
    this.#look(nowMs, true);
  }

  packetIn(one: MeshSwitch, packet: PacketIn, nowMs: number): void {
    this.desk.take(one, packet, nowMs);
  }

  /** Where a path begins nobody has used it for long. */
  flowRemoved(one: MeshSwitch, removed: FlowRemoved): void {
    if (removed.reason !== 'idle-timeout') return;
    const pair = pairOf(removed);
    const receiver = pair === undefined ? undefined : this.hosts.get(pair.to);
    if (pair === undefined || receiver === undefined) return;
    const path = this.hosts.get(pair.from)?.pathsFrom.get(receiver);
    if (path?.state === 'installed' && path.hops[0]?.at === one) this.paths.remove([path]);
  }

  /** To be called some four times a second. */
  tick(nowMs: number): void {
    this.finder.probe(nowMs);
    const lost = [...this.switches.values()].filter(
      ({ connection, lostAtMs }) => connection === undefined && nowMs - lostAtMs > GRACE_MS,
    );
    for (const one of lost) this.#dismiss(one);
    this.#look(nowMs, lost.length > 0);
    if (nowMs < this.#nextIdleLookMs) return;
    this.#nextIdleLookMs = nowMs + IDLE_LOOK_MS;
    for (const host of this.hosts.idle(nowMs)) this.hosts.remove(host);
  }

  #dismiss(one: MeshSwitch): void {
    this.finder.forget(one);
    for (const port of one.ports.values()) this.#forgetHosts(port);
    this.paths.remove(one.hops.values());
    this.paths.removeStrays(({ at }) => at === one);
    this.switches.delete(one.id);
    this.#tell({
      kind: 'dismissed',
      at: one.name,
      reason: `no session for ${GRACE_MS} ms; the ports to it are closed`,
    });
  }

  #takePorts(one: MeshSwitch, ports: readonly Port[], nowMs: number): void {
    const numbers = new Set(ports.map(({ portNo }) => portNo));
    for (const portNo of [...one.ports.keys()]) if (!numbers.has(portNo)) this.#dropPort(one, portNo);
    for (const port of ports) this.#takePort(one, port, nowMs);
  }

  #takePort(one: MeshSwitch, port: Port, nowMs: number): void {
    if (!isReal(port.portNo)) return;
    const known = one.ports.get(port.portNo);
    if (known === undefined) {
      this.#meetPort(one, port, nowMs);
      return;
    }
    if (known.isUp !== isUp(port) || known.name !== port.name) known.renew(nowMs);
    known.isUp = isUp(port);
    known.name = port.name;
  }

  #meetPort(one: MeshSwitch, port: Port, nowMs: number): void {
    if (one.ports.size < PORTS_MAX) {
      one.ports.set(port.portNo, new MeshPort(one, port, nowMs, this.#limit.burst));
      return;
    }
    if (!one.isOverfull) this.#tell({ kind: 'overfull', at: one.name, ports: PORTS_MAX });
    one.isOverfull = true;
  }

  #dropPort(one: MeshSwitch, portNo: number): void {
    const port = one.ports.get(portNo);
    if (port === undefined) return;
    one.ports.delete(portNo);
    this.finder.forgetPort(port);
    this.#forgetHosts(port);
    this.#removeAcross(port);
  }

  #forgetHosts(port: MeshPort): void {
    const hosts = this.hosts.at(port);
    this.paths.remove(hosts.flatMap(({ pathsFrom, pathsTo }) => [...pathsFrom.values(), ...pathsTo]));
    for (const host of hosts) this.hosts.remove(host);
  }

  #removeAcross(port: MeshPort): void {
    const isAcross = ({ inPort, outPort }: { inPort: number; outPort: number }): boolean =>
      inPort === port.no || outPort === port.no;
    this.paths.remove([...port.owner.hops].filter(([hop]) => isAcross(hop)).map(([, path]) => path));
    this.paths.removeStrays((hop) => hop.at === port.owner && isAcross(hop));
  }

  // What follows from what was heard, and from what was not.
  #look(nowMs: number, isChanged: boolean): void {
    const { found, gone, roles, latencies } = this.finder.look(nowMs);
    for (const { port, before } of roles) if (before === 'edge') this.#forgetHosts(port);
    for (const link of [...found, ...gone]) this.#tellLink(gone.includes(link) ? 'gone' : 'found', link);
    if (found.length > 0 || gone.length > 0 || latencies) this.#ways.changed();
    for (const { a, b } of gone) {
      this.#removeAcross(a);
      this.#removeAcross(b);
    }
    if (isChanged || found.length > 0 || gone.length > 0 || roles.length > 0) this.#spread();
  }

  #tellLink(kind: 'found' | 'gone', { a, b, latencyMs }: MeshLink): void {
    this.#tell({ kind, a: a.key, b: b.key, latencyMs });
  }

  #spread(): void {
    const before = this.#tree;
    this.#tree = spanningTree(this.finder.links, (link) => before.has(link));
    const crossed = new Set([...this.#tree].flatMap(({ a, b }) => [a, b]));
    const mayFlood = (port: MeshPort): boolean => port.role === 'edge' || (port.role === 'link' && crossed.has(port));
    const wanted = [...this.switches.values()].map((one) => {
      const ports = [...one.ports.values()].filter(mayFlood).map(({ no }) => no);
      return [one, new Set(ports)] as const;
    });
    this.#floods.want(new Map(wanted));
  }
}
