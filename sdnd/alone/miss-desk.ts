// What becomes of a frame that a switch brings to the controller: a probe, a sight of a host, a frame for a host that is known
// or for one that is not. Nothing of a port that sends too much.
import { output, type PacketIn, packetOut } from '@openflow/ofp';
import { type Host, type HostTable, macOf } from './host-table.ts';
import type { LinkFinder } from './link-finder.ts';
import type { LoneEvent } from './lone-events.ts';
import { pauseMods } from './lone-flows.ts';
import type { MeshPort, MeshSwitch } from './mesh-switch.ts';
import type { MissLimit } from './miss-limit.ts';
import type { PathKeeper } from './path-keeper.ts';
import { decodePortProbe } from './port-probe.ts';

const HEADER_BYTES = 14;
/** Of a packet-out's 65,535 bytes, what its head leaves for outputs and the frame (OpenFlow 1.3.5, 7.3.7). */
const PACKET_OUT_BYTES = 65_535 - 24;
/** OpenFlow 1.3.5, 7.2.5. */
const OUTPUT_BYTES = 16;
/** A frame for nobody knows whom is sent to every edge of the mesh: it counts as so many. */
const UNKNOWN_COST = 20;
/** A port that goes on sending too much is told of no more often. */
const TELL_EVERY_MS = 10_000;

export interface MissParts {
  readonly switches: ReadonlyMap<bigint, MeshSwitch>;
  readonly finder: LinkFinder;
  readonly hosts: HostTable;
  readonly paths: PathKeeper;
  readonly limit: MissLimit;
  readonly tell: (event: LoneEvent) => void;
}

/** How often what happened. */
export interface MissCounts {
  frames: number;
  /** Not looked at, since their port sent too much. */
  overLimit: number;
  toUnknown: number;
  moves: number;
}

export class MissDesk {
  readonly counts: MissCounts = { frames: 0, overLimit: 0, toUnknown: 0, moves: 0 };
  readonly #parts: MissParts;
  readonly #pausedAtMs = new WeakMap<MeshPort, { sentMs: number; toldMs: number }>();

  constructor(parts: MissParts) {
    this.#parts = parts;
  }

  /** Takes a frame; its bytes are a view. */
  take(at: MeshSwitch, packet: PacketIn, nowMs: number): void {
    const { match, data, bufferId } = packet;
    const port = at.ports.get(match.inPort ?? 0);
    if (port === undefined || data.length < HEADER_BYTES) return;
    this.counts.frames += 1;
    if (!this.#parts.limit.take(port, 1, nowMs)) {
      this.#pause(port, nowMs);
      return;
    }
    const probe = decodePortProbe(data);
    if (probe !== undefined) this.#parts.finder.hear(port, probe, nowMs);
    else if (port.role === 'edge' || port.role === 'link') this.#frame(port, bufferId, packet, nowMs);
  }

  #frame(port: MeshPort, bufferId: number, { data, totalBytes }: PacketIn, nowMs: number): void {
    if (isGroup(data, 6)) return;
    const from =
      port.role === 'edge' ? this.#learn(port, macOf(data, 6), nowMs) : this.#parts.hosts.get(macOf(data, 6));
    // Floods are the switches' own work.
    if (isGroup(data, 0)) return;
    const to = this.#parts.hosts.get(macOf(data, 0));
    if (port.role === 'link' && (from === undefined || to === undefined)) this.#leftOver(data);
    else if (from === undefined) return;
    else if (to !== undefined) this.#parts.paths.carry(from, to, { at: port.owner, inPort: port.no, bufferId, data });
    else if (data.length >= totalBytes) this.#floodUnknown(port, data, nowMs);
  }

  /** An entry of an earlier life has brought it here, where there is none: its sender's own switch is to ask. */
  #leftOver(data: Uint8Array): void {
    const [sender, receiver] = [macOf(data, 6), macOf(data, 0)];
    this.#parts.paths.removeStrays(({ from, to }) => from === sender && to === receiver);
  }

  #learn(port: MeshPort, mac: number, nowMs: number): Host | undefined {
    const { hosts, paths } = this.#parts;
    const known = hosts.get(mac);
    if (known === undefined) return this.#meet(port, mac, nowMs);
    known.seenAtMs = nowMs;
    if (known.port === port) return known;
    if (!hosts.hasRoom(port)) return undefined;
    this.counts.moves += 1;
    hosts.move(known, port);
    paths.remove([...known.pathsFrom.values(), ...known.pathsTo]);
    paths.removeStrays(({ from, to }) => from === mac || to === mac);
    return known;
  }

  #meet(port: MeshPort, mac: number, nowMs: number): Host | undefined {
    const { hosts, paths } = this.#parts;
    if (!hosts.hasRoom(port)) return undefined;
    const isElsewhere = (at: MeshSwitch, portNo: number): boolean =>
      at.ports.get(portNo)?.role === 'edge' && (at !== port.owner || portNo !== port.no);
    paths.removeStrays(
      ({ at, from, to, inPort, outPort }) =>
        (to === mac && isElsewhere(at, outPort)) || (from === mac && isElsewhere(at, inPort)),
    );
    return hosts.add(mac, port, nowMs);
  }

  /** To the edges alone and by the controller, so that it needs no tree and comes to no switch as a miss again. */
  #floodUnknown(from: MeshPort, data: Uint8Array, nowMs: number): void {
    if (!this.#parts.limit.take(from, UNKNOWN_COST, nowMs)) {
      this.counts.overLimit += 1;
      return;
    }
    this.counts.toUnknown += 1;
    // What a packet-in has room for leaves room for one at the least.
    const atOnce = Math.floor((PACKET_OUT_BYTES - data.length) / OUTPUT_BYTES);
    for (const one of this.#parts.switches.values()) {
      const edges = [...one.floodSent].filter((portNo) => one.ports.get(portNo)?.role === 'edge');
      const outputs = edges
        .filter((portNo) => one !== from.owner || portNo !== from.no)
        .map((portNo) => output(portNo));
      for (let first = 0; first < outputs.length; first += atOnce) {
        one.ready?.say([packetOut(data, outputs.slice(first, first + atOnce))]);
      }
    }
  }

  #pause(port: MeshPort, nowMs: number): void {
    this.counts.overLimit += 1;
    const last = this.#pausedAtMs.get(port) ?? { sentMs: Number.NEGATIVE_INFINITY, toldMs: Number.NEGATIVE_INFINITY };
    this.#pausedAtMs.set(port, last);
    if (nowMs - last.sentMs >= 1_000) {
      last.sentMs = nowMs;
      port.owner.ready?.say(pauseMods(port.no, port.owner.floodSent));
    }
    if (nowMs - last.toldMs < TELL_EVERY_MS) return;
    last.toldMs = nowMs;
    this.#parts.tell({ kind: 'paused', at: port.key, perSecond: this.#parts.limit.perSecond });
  }
}

function isGroup(data: Uint8Array, at: number): boolean {
  return ((data[at] ?? 1) & 1) === 1;
}
