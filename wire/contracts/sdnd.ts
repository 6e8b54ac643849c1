// The calls of the overlay network: its controller (one that is active, and others that stand by: those refuse all but
// `controller.*` with NOT_ACTIVE) and its agent (on every node).
import { Type } from '#typebox';
import { contract, method } from '../contract.ts';
import { Ipv4, Mac, MigrationId, Name, PortName } from '../names.ts';
import { LinkLookFigures } from './doctor.ts';
import { GuestNetworkPlan, GuestNews } from './guest-network.ts';
import { ControllerRole, NetworkTerm } from './network-controllers.ts';
import { CONNECTIONS_MAX, GuestConnection, SecurityGroups } from './security-groups.ts';
import { LinkFigures, NetworkTopology, ProbePeer } from './topology.ts';
import { NetworkTrace, TraceRequest } from './trace.ts';
import { AgentFigures, NetworkFigures } from './traffic.ts';

const Empty = Type.Object({});
const Count = Type.Integer({ minimum: 0 });
/** 21 bits: a tunnel id has 24, of which 3 are the hop budget (SOUNDNESS C1). */
const TENANT_MAX = 0x1f_ffff;
/** In one answer: some 3 MB, of 8 that a record may take. */
export const BINDINGS_TOLD_MAX = 20_000;
/** Underlay networks that one node is in. */
const FEET_MAX = 8;

/** A node's place in one underlay network: there is one tunnel port for each. */
export const Foot = Type.Object({
  /** Nodes with a foot in one underlay reach each other by their inner addresses. */
  underlay: Name,
  inner: Ipv4,
  /** By which the nodes of other underlays reach it, and see it: the other side of a provider's 1:1 NAT. Absent: they do not. */
  outer: Type.Optional(Ipv4),
  /** The tunnel port's name on the node's switch. Absent: that of the one port. */
  port: Type.Optional(PortName),
});
export type Foot = Type.Static<typeof Foot>;

const underlay = {
  /** Absent: in one network with all others of which nothing is said. */
  feet: Type.Optional(Type.Array(Foot, { minItems: 1, maxItems: FEET_MAX })),
  /** It sends on what is not for its own guests. */
  isGateway: Type.Optional(Type.Boolean()),
  /** Nothing from outside reaches it unasked (no inbound UDP): from other underlays it is reached by these gateways alone. */
  relays: Type.Optional(Type.Array(Name)),
};

/** How a node stands in its underlay networks, as it says itself when it registers. */
export const NodeUnderlay = Type.Object(underlay);
export type NodeUnderlay = Type.Static<typeof NodeUnderlay>;

/** A member, and how it can be reached. */
export const OverlayMember = Type.Object({ node: Name, address: Ipv4, ...underlay });
export type OverlayMember = Type.Static<typeof OverlayMember>;

/** What was measured between two nodes. */
export const MeshLink = Type.Object({
  a: Name,
  b: Name,
  /** One way, ms; null: nothing gets through. */
  latencyMs: Type.Union([Type.Number({ minimum: 0 }), Type.Null()]),
});
export type MeshLink = Type.Static<typeof MeshLink>;

/** A controller as it says itself. */
export const ControllerView = Type.Object({
  role: ControllerRole,
  /** The highest term that it has heard of; of the active one its own. */
  term: Count,
  /** Nodes whose switch has a session with it. */
  switches: Type.Array(Name),
  /** Of the active one: what was measured, for whoever relieves it. */
  links: Type.Array(MeshLink),
  /** Switches still send on what comes late to a guest's old place: for some seconds this one had better not be relieved. */
  isMoving: Type.Boolean(),
});
export type ControllerView = Type.Static<typeof ControllerView>;

/** Which port of which switch a MAC and IP address live at. The newer epoch wins (PROMISES N3). */
export const Binding = Type.Object({
  owner: Name,
  mac: Mac,
  ip: Ipv4,
  node: Name,
  /** The switch port's name at that node. */
  port: PortName,
  /** Whose network it is; tenants may have the same addresses and never meet (PROMISES N7). Absent: 1. */
  tenant: Type.Optional(Type.Integer({ minimum: 1, maximum: TENANT_MAX })),
  /** The VM epoch: one number fences storage, network and console (SOUNDNESS B5). */
  epoch: Count,
});
export type Binding = Type.Static<typeof Binding>;

/** One switch as its controller sees it. */
export const SwitchState = Type.Object({
  node: Name,
  connected: Type.Boolean(),
  flows: Count,
  /** Differences between wanted and installed at the last comparison, in words; empty when they agree. */
  differences: Type.Array(Type.String()),
});
export type SwitchState = Type.Static<typeof SwitchState>;

/** The overlay controller's calls. */
export const sdndContract = contract('sdnd', {
  'controller.show': method(['controller'], Empty, ControllerView),
  /**
   * Be active under this term, with these links until others are measured. Switches are left as they are until `state.told`.
   * Repeating it is safe. TERM_STALE unless the term is above all that this controller has heard of.
   */
  'controller.take': method(['controller'], Type.Object({ term: NetworkTerm, links: Type.Array(MeshLink) }), Empty),
  /** End what was begun, and stand by; another one is to be active under this term. Answers the links as they were measured. */
  'controller.yield': method(
    ['controller'],
    Type.Object({ term: NetworkTerm }),
    Type.Object({ links: Type.Array(MeshLink) }),
  ),
  'members.set': method(['controller'], Type.Object({ members: Type.Array(OverlayMember) }), Empty),
  /** The tenants' networks, all of them. */
  'networks.set': method(['controller'], Type.Object({ networks: Type.Array(GuestNetworkPlan) }), Empty),
  /** The security groups, all of them; told before the first binding. RULE_BAD, GROUP_UNKNOWN, GROUP_EXISTS, GROUPS_FULL. */
  'groups.set': method(['controller'], Type.Object({ groups: SecurityGroups }), Empty),
  /**
   * A node's agent is in session as long as this call lives; it says all that it knows of its links. Whom it is to probe is
   * told at once and after each change.
   */
  'links.join': method(['node', 'controller'], Type.Object({ links: Type.Array(LinkFigures) }), Empty, {
    progress: Type.Object({ peers: Type.Array(ProbePeer) }),
    timeoutMs: 0,
  }),
  /** What is new. SESSION_UNKNOWN without a session. */
  'links.report': method(['node', 'controller'], Type.Object({ links: Type.Array(LinkFigures) }), Empty),
  'links.show': method(['controller'], Empty, NetworkTopology),
  'binding.set': method(['controller'], Type.Object({ binding: Binding }), Empty),
  'binding.remove': method(['controller'], Type.Object({ owner: Name }), Empty),
  /**
   * As many as one answer takes, after the first `from` of them; `isMore`: there are others. `term` is this controller's: it
   * rises at each of its starts.
   */
  'binding.list': method(
    ['controller'],
    Type.Object({ from: Type.Optional(Count) }),
    Type.Object({
      bindings: Type.Array(Binding, { maxItems: BINDINGS_TOLD_MAX }),
      isMore: Type.Boolean(),
      term: Count,
    }),
  ),
  /**
   * Under this term the orchestrator has told every binding and every migration that is prepared and not over. From then
   * on flows of a known guest's past are taken out without waiting (SOUNDNESS C4). Repeating it is safe.
   */
  'state.told': method(['controller'], Type.Object({ term: Count }), Empty),
  /**
   * Gives the destination's switch its local delivery before the hold; the port there is closed by its agent.
   * DESTINATION_NOT_READY. `isStanding`: it was taken before the memory went, and is only told again: the destination may be dead
   * by now, and the guest may be there all the same.
   */
  'migration.prepare': method(
    ['controller'],
    Type.Object({ migration: MigrationId, to: Binding, isStanding: Type.Optional(Type.Boolean()) }),
    Empty,
  ),
  /** The destination runs: every switch is moved at once, add before delete. Answers after their barriers. */
  'migration.complete': method(['controller', 'node'], Type.Object({ migration: MigrationId }), Empty),
  'migration.cancel': method(['controller'], Type.Object({ migration: MigrationId }), Empty),
  'network.trace': method(['controller'], TraceRequest, NetworkTrace),
  /** What guests sent one another, and the switches' figures: asked of every agent. */
  'figures.show': method(['controller'], Empty, NetworkFigures),
  /** Reads every switch's flows and compares them with the wanted ones. */
  'switch.verify': method(['controller'], Empty, Type.Object({ switches: Type.Array(SwitchState) })),
});

/** The calls of the overlay's agent on one node: ports, and the gate that only the hold turns. */
export const switchAgentContract = contract('switch-agent', {
  /** Makes a tap device and a switch port for a guest, closed; answers their common name. */
  'port.attach': method(
    ['self', 'controller'],
    Type.Object({ owner: Name, mac: Mac }),
    Type.Object({ port: Type.String() }),
  ),
  'port.detach': method(['self', 'controller'], Type.Object({ owner: Name }), Empty),
  /** No frame passes to or from the guest after the answer. */
  'port.close': method(['self'], Type.Object({ owner: Name }), Empty),
  'port.open': method(['self'], Type.Object({ owner: Name }), Empty),
  /**
   * What the switch remembers of a guest's connections, also for a while after its port went; `left`: so many more. Of the
   * nodes only those may ask that this one knows as the overlay's controllers.
   */
  'connections.list': method(
    ['controller', 'node'],
    Type.Object({ owner: Name }),
    Type.Object({ connections: Type.Array(GuestConnection, { maxItems: CONNECTIONS_MAX }), left: Count }),
  ),
  /** By what the node's guests are answered from now on, kept durably. An older one is refused: TERM_STALE. Of the nodes as above. */
  'guests.set': method(['controller', 'node'], GuestNews, Empty),
  /** What its guests have sent to whom, read now. Of the nodes as above. */
  'figures.read': method(['controller', 'node'], Empty, AgentFigures),
  /** Sends a peer probes of many lengths for three seconds, and says what came of the peer's, which is told the same. */
  'link.look': method(['controller'], Type.Object({ peer: Name }), LinkLookFigures),
});
