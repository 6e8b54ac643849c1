// What the nodes measure of the links between them, and what the overlay's controller makes of it. Shapes only.
import { Type } from '#typebox';
import { Ipv4, Name, PortName } from '../names.ts';

const Count = Type.Integer({ minimum: 0 });
const Ms = Type.Number({ minimum: 0 });
const Share = Type.Number({ minimum: 0, maximum: 1 });

/** What one end of a link knows of it (`sdnd/topology/peer-link.ts`). */
export const LinkFigures = Type.Object({
  peer: Name,
  /** Whether this end hears the peer; `unknown` until it could have. */
  hearing: Type.Union([Type.Literal('unknown'), Type.Literal('heard'), Type.Literal('silent')]),
  /** Whether the peer says that it hears this end. */
  isHeard: Type.Boolean(),
  /** Smoothed; null before the first. */
  roundTripMs: Type.Union([Ms, Type.Null()]),
  variationMs: Ms,
  /** Of the peer's last 32 probes, those that did not come. */
  loss: Share,
  /** This end's longest frame that the peer heard within a minute; 0 before it says so. */
  provedBytes: Count,
});

/** A member that a node is to probe: all with which it has a tunnel of its own. */
export const ProbePeer = Type.Object({
  node: Name,
  /** By which its tunnel's frames come, and to which they go. */
  address: Ipv4,
  /** This node's tunnel port for it. Absent: the one that every node has. */
  port: Type.Optional(PortName),
  /** What goes between two guests of one network crosses this link. */
  isClose: Type.Boolean(),
});
export type ProbePeer = Type.Static<typeof ProbePeer>;

/** A link between two nodes, the lesser name first. */
const link = {
  a: Name,
  b: Name,
  /**
   * Down only while both ends report and one hears nothing; `unheard`: one reports and hears nothing of the other, whose agent
   * is away; `unknown`: neither has said enough.
   */
  verdict: Type.Union([Type.Literal('up'), Type.Literal('down'), Type.Literal('unheard'), Type.Literal('unknown')]),
  roundTripMs: Type.Union([Ms, Type.Null()]),
  loss: Share,
  /** The longest Ethernet frame that came through both ways; 0: not proved. */
  provedBytes: Count,
  /** Some network has guests at both. */
  isShared: Type.Boolean(),
  /** The gateways that frames from one to the other go over; empty: they go straight; null: there is no way. */
  via: Type.Union([Type.Array(Name), Type.Null()]),
};
export const TopologyLink = Type.Object(link);
export type TopologyLink = Type.Static<typeof TopologyLink>;

/** The links as the overlay's controller knows them: measured ones, and those between nodes that share a network. */
export const NetworkTopology = Type.Object({
  /** `reports`: its agent is in session; `hasSwitch`: its switch is. */
  nodes: Type.Array(Type.Object({ node: Name, reports: Type.Boolean(), hasSwitch: Type.Boolean() })),
  links: Type.Array(TopologyLink),
});
export type NetworkTopology = Type.Static<typeof NetworkTopology>;

/** A link as the cluster has it. */
export const ClusterLink = Type.Object({
  ...link,
  /**
   * The member through which WireGuard brings what the two send to one another, since neither can be sent to; absent: none, or no
   * WireGuard.
   */
  relay: Type.Optional(Name),
  /** By WireGuard: both have a place in the encrypted underlay. */
  encrypted: Type.Boolean(),
});
export type ClusterLink = Type.Static<typeof ClusterLink>;

/** The same for a person: where each node is, by whom it is relayed, and of when it is. */
export const ClusterTopology = Type.Object({
  nodes: Type.Array(
    Type.Object({
      node: Name,
      cloud: Name,
      /** It gave a sign of life lately. */
      up: Type.Boolean(),
      reports: Type.Boolean(),
      hasSwitch: Type.Boolean(),
    }),
  ),
  links: Type.Array(ClusterLink),
  /** ms since 1970; null: the overlay's controller never answered. */
  takenAtMs: Type.Union([Count, Type.Null()]),
});
export type ClusterTopology = Type.Static<typeof ClusterTopology>;
