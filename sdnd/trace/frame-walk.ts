// A frame from switch to switch through the tunnels of the mesh. Pure but for asking for a switch, whose flows may have to be
// read; never follows a frame for longer than any may live.
import type { Flow } from '../flow.ts';
import type { Mesh } from '../mesh/mesh.ts';
import type { Tunnel } from '../mesh/underlay.ts';
import { BUDGET_MAX } from '../pipeline.ts';
import { carried, type Frame, type Sent, type Step, walkTables } from './table-walk.ts';

/** One switch as it is wanted, or as it is. */
export interface TracedSwitch {
  readonly ports: ReadonlyMap<string, number>;
  readonly flows: Iterable<Flow>;
}

/** What a switch sent: to the node at the tunnel's other end, or out of the overlay by a port. */
export interface Departure extends Sent {
  readonly to: string | undefined;
}

export interface Hop {
  readonly node: string;
  readonly ports: ReadonlyMap<string, number>;
  readonly inPort: number;
  readonly steps: readonly Step[];
  readonly departures: readonly Departure[];
  /** What cannot be followed here, in a word. */
  readonly unfollowed: string | undefined;
}

export interface FrameWalk {
  readonly hops: readonly Hop[];
  /** The node whose switch cannot be asked: there the walk ends. */
  readonly missing: string | undefined;
  /** More switches than any frame may cross. */
  readonly isEndless: boolean;
}

interface Arrival {
  readonly node: string;
  readonly frame: Frame;
  /** By which it comes, if by one. */
  readonly tunnel?: Tunnel;
}

/** A frame's own switch, and one for each tunnel that it may cross (PROMISES N1). */
const HOPS_MAX = BUDGET_MAX + 2;

/** `switchOf`: undefined where it cannot be asked. */
export async function walkMesh(
  mesh: Mesh,
  switchOf: (node: string) => Promise<TracedSwitch | undefined>,
  start: { readonly node: string; readonly frame: Frame },
): Promise<FrameWalk> {
  const waiting: Arrival[] = [start];
  const hops: Hop[] = [];
  for (let arrival = waiting.shift(); arrival !== undefined; arrival = waiting.shift()) {
    if (hops.length >= HOPS_MAX) return { hops, missing: undefined, isEndless: true };
    const there = await switchOf(arrival.node);
    const inPort = there === undefined ? undefined : inPortOf(arrival, there);
    if (there === undefined || inPort === undefined) return { hops, missing: arrival.node, isEndless: false };
    const { steps, sent, unfollowed } = walkTables(there.flows, { ...arrival.frame, inPort: BigInt(inPort) });
    const departures = sent.map((one) => ({ ...one, to: nextOf(mesh, arrival.node, there, one) }));
    hops.push({ node: arrival.node, ports: there.ports, inPort, steps, departures, unfollowed });
    for (const { to, frame } of departures) {
      const tunnel = to === undefined ? undefined : mesh.tunnel(arrival.node, to);
      if (to !== undefined && tunnel !== undefined) waiting.push({ node: to, frame: arrived(frame, tunnel), tunnel });
    }
  }
  return { hops, missing: undefined, isEndless: false };
}

function inPortOf({ frame, tunnel }: Arrival, { ports }: TracedSwitch): number | undefined {
  return tunnel === undefined ? Number(frame.inPort ?? 0n) : ports.get(tunnel.farPort);
}

function nextOf(mesh: Mesh, node: string, { ports }: TracedSwitch, { portNo, frame }: Sent): string | undefined {
  const ends = mesh.nodes.map((other) => ({ other: other.node, tunnel: mesh.tunnel(node, other.node) }));
  return ends.find(({ tunnel }) => {
    return tunnel !== undefined && ports.get(tunnel.port) === portNo && BigInt(tunnel.destination) === frame.tunIpv4Dst;
  })?.other;
}

function arrived(frame: Frame, { source, destination }: Tunnel): Frame {
  return { ...carried(frame), tunIpv4Src: BigInt(source), tunIpv4Dst: BigInt(destination) };
}
