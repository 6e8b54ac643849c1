// What guests send one another and what the overlay's switches and controller do, counted. Shapes only.
import { Type } from '#typebox';
import { Bytes, Name } from '../names.ts';

const Count = Type.Integer({ minimum: 0 });

/** What one guest sent to one address, as its node's agent counted it at its port, also before an earlier move. */
export const SentFigures = Type.Object({
  owner: Name,
  /** An IPv4 address, or for what is not IPv4 a MAC address; `rest` of a guest that sends to more than are kept apart. */
  to: Type.String(),
  /** Whole Ethernet frames. */
  bytes: Bytes,
  frames: Count,
});
export type SentFigures = Type.Static<typeof SentFigures>;

/** What one node's switch agent has counted. */
export const AgentFigures = Type.Object({
  sent: Type.Array(SentFigures),
  /** Frames that the switch brought it since it started, by what they were for. */
  packetIns: Type.Object({ services: Count, probes: Count }),
});
export type AgentFigures = Type.Static<typeof AgentFigures>;

/** What one guest sent to another since it was first counted; it never falls while nodes' disks are kept. */
export const PairTraffic = Type.Object({
  from: Name,
  /** Null: no guest that is known now, as an address outside or the router. */
  to: Type.Union([Name, Type.Null()]),
  bytes: Bytes,
  frames: Count,
});
export type PairTraffic = Type.Static<typeof PairTraffic>;

/** One switch, as the overlay's controller and its node's agent see it. */
export const SwitchFigures = Type.Object({
  node: Name,
  connected: Type.Boolean(),
  /** The controller's flow entries; the agent's are not among them. */
  flows: Count,
  /** That this controller has sent it since it started. */
  flowMods: Count,
  /** Null: its agent does not answer. */
  packetIns: Type.Union([AgentFigures.properties.packetIns, Type.Null()]),
});
export type SwitchFigures = Type.Static<typeof SwitchFigures>;

export const NetworkFigures = Type.Object({
  switches: Type.Array(SwitchFigures),
  pairs: Type.Array(PairTraffic),
  /** Nodes whose agents do not answer: what was sent there is missing from `pairs`. */
  unreachable: Type.Array(Name),
});
export type NetworkFigures = Type.Static<typeof NetworkFigures>;
