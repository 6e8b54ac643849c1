// What two nodes measure of one another when an operator asks, and what is to be thought of it. Shapes only.
import { Type } from '#typebox';
import { Bytes, Ipv4, Name } from '../names.ts';

const Count = Type.Integer({ minimum: 0 });
const Ms = Type.Number({ minimum: 0 });

/** A TCP port of a node as another one finds it. `silent`: nothing came back; `strange`: what came back is not that daemon. */
export const PortFigures = Type.Object({
  daemon: Type.String(),
  port: Type.Integer({ minimum: 1, maximum: 65_535 }),
  outcome: Type.Union([Type.Literal('open'), Type.Literal('refused'), Type.Literal('silent'), Type.Literal('strange')]),
  /** In words; empty when it is open. */
  reason: Type.String(),
});
export type PortFigures = Type.Static<typeof PortFigures>;

/** Of a peer's wall clock against the measuring node's, by the quickest of some answers. */
export const ClockFigures = Type.Object({
  /** Positive: the peer's is ahead. */
  offsetMs: Type.Number(),
  /** Half of that answer's round trip: the true offset lies within. */
  errorMs: Ms,
});

/** Round trips of calls over one connection. */
export const RoundTripFigures = Type.Object({ minMs: Ms, medianMs: Ms, samples: Count });
export type RoundTripFigures = Type.Static<typeof RoundTripFigures>;

/** The longest IPv4 packet of those that were tried, from the measuring node to the peer, that no router cut up; or why that is not known. */
export const PathFigures = Type.Union([Type.Object({ longestBytes: Bytes }), Type.Object({ missing: Type.String() })]);
export type PathFigures = Type.Static<typeof PathFigures>;

/** What one hypervisor agent finds of another node. */
export const PeerFigures = Type.Object({
  ports: Type.Array(PortFigures),
  /** Null: its agent answers nothing. */
  roundTrip: Type.Union([RoundTripFigures, Type.Null()]),
  clock: Type.Union([ClockFigures, Type.Null()]),
  /** Of the way that the tunnel's packets take, outside of WireGuard. */
  path: PathFigures,
});
export type PeerFigures = Type.Static<typeof PeerFigures>;

/** What one switch agent hears of another's probes while both look. */
export const LinkLookFigures = Type.Object({
  /** False: the two do not probe each other, so there is nothing to hear: no tunnel joins them, or none that is watched. */
  hasTunnel: Type.Boolean(),
  /** Probes of the peer that came. */
  heard: Count,
  /** The longest of them, its Ethernet header included; 0 when none came. */
  longestBytes: Bytes,
  /** The longest that is sent: a guest's longest frame. */
  wantedBytes: Bytes,
});
export type LinkLookFigures = Type.Static<typeof LinkLookFigures>;

/** How fast bytes came from the peer in a transfer that is bounded in bytes and time. */
export const RateFigures = Type.Object({
  bytes: Bytes,
  ms: Ms,
  /** Over the later half of the bytes, when the sender has found its speed. */
  bytesPerSecond: Type.Number({ minimum: 0 }),
});
export type RateFigures = Type.Static<typeof RateFigures>;

/** One end's figures, or why there are none. */
function orReason<const S extends ReturnType<typeof Type.Object>>(figures: S) {
  return Type.Union([figures, Type.Object({ missing: Type.String() })]);
}

export const PairEnd = Type.Object({
  node: Name,
  address: Ipv4,
  peer: orReason(PeerFigures),
  link: orReason(LinkLookFigures),
  /** From the other node to this one. Null: nobody asked. */
  rate: Type.Union([RateFigures, Type.Object({ missing: Type.String() }), Type.Null()]),
});
export type PairEnd = Type.Static<typeof PairEnd>;

/** One line of a doctor's report. */
export const Finding = Type.Object({
  subject: Type.Union([
    Type.Literal('ports'),
    Type.Literal('tunnel'),
    Type.Literal('MTU'),
    Type.Literal('clocks'),
    Type.Literal('RTT'),
    Type.Literal('bandwidth'),
  ]),
  /** From which node to which; of the two together: in the order in which they were named. */
  from: Name,
  to: Name,
  verdict: Type.Union([Type.Literal('ok'), Type.Literal('wrong'), Type.Literal('unknown')]),
  figure: Type.String(),
  /** One sentence; empty where nothing is wrong. */
  remedy: Type.String(),
});
export type Finding = Type.Static<typeof Finding>;

export const DoctorRequest = Type.Object({
  /** Nodes, or clouds of which each has one. */
  a: Name,
  b: Name,
  bandwidth: Type.Boolean(),
  /** Also while a VM migrates between the two. */
  force: Type.Boolean(),
});
export type DoctorRequest = Type.Static<typeof DoctorRequest>;

export const DoctorReport = Type.Object({
  findings: Type.Array(Finding),
  ends: Type.Tuple([PairEnd, PairEnd]),
  /** Daemons and tunnels of both go through WireGuard. */
  isEncrypted: Type.Boolean(),
});
export type DoctorReport = Type.Static<typeof DoctorReport>;
