// Security groups: which connections the guests of a group may open and take, in the words of OpenStack Networking's API
// (v2, security-group-rules). Shapes only.
import { Type } from '#typebox';
import { method } from '../contract.ts';
import { Name } from '../names.ts';

/** Of one group: more rules than anybody reads. */
export const GROUP_RULES_MAX = 64;
/** Of one group; each is an entry for each of its addresses at the switches where rules name the group. */
export const GROUP_MEMBERS_MAX = 1_024;
/** Of a cluster. */
export const GROUPS_MAX = 256;
/**
 * Of all groups together: with the longest names, and with all the rules that there can be, at their longest, they are told in
 * one frame of 8 MiB.
 */
export const GROUP_MEMBERSHIPS_MAX = 100_000;

const Port = Type.Integer({ minimum: 1, maximum: 0xffff });

/** What is allowed. Whatever no rule of a guest's groups allows is dropped, but for answers of what was allowed. */
export const SecurityRule = Type.Object({
  /** As the guest sees it: of connections that come to it, or of those that it opens. */
  direction: Type.Union([Type.Literal('ingress'), Type.Literal('egress')]),
  ethertype: Type.Union([Type.Literal('IPv4'), Type.Literal('IPv6')]),
  protocol: Type.Union([Type.Literal('any'), Type.Literal('tcp'), Type.Literal('udp'), Type.Literal('icmp')]),
  /** The port that is called, of TCP or UDP: from the first to the last. Absent: every one. */
  ports: Type.Optional(Type.Object({ first: Port, last: Port })),
  /** The other end, as `10.88.0.0/24`. It and `remoteGroup` absent: anybody. */
  remotePrefix: Type.Optional(Type.String({ maxLength: 43 })),
  /** The other end is a member of that group. */
  remoteGroup: Type.Optional(Name),
});
export type SecurityRule = Type.Static<typeof SecurityRule>;

export const SecurityGroup = Type.Object({
  name: Name,
  rules: Type.Array(SecurityRule, { maxItems: GROUP_RULES_MAX }),
  /** VMs by name, whether they exist yet or not. One that is in no group is not looked at. */
  members: Type.Array(Name, { maxItems: GROUP_MEMBERS_MAX }),
});
export type SecurityGroup = Type.Static<typeof SecurityGroup>;

/** All groups; together with `GROUP_MEMBERSHIPS_MAX` members at the most, which the overlay's controller looks at. */
export const SecurityGroups = Type.Array(SecurityGroup, { maxItems: GROUPS_MAX });

/** An end of a connection. */
const End = Type.Object({
  address: Type.String({ maxLength: 45 }),
  port: Type.Integer({ minimum: 0, maximum: 0xffff }),
});

/** A connection that a guest's switch remembers, from the end that opened it to the other. */
export const GuestConnection = Type.Object({
  protocol: Type.Union([Type.Literal('tcp'), Type.Literal('udp')]),
  from: End,
  to: End,
});
export type GuestConnection = Type.Static<typeof GuestConnection>;

/** That go with a guest that moves. */
export const CONNECTIONS_MAX = 4_096;

const Named = { group: Name };
const Ruled = Type.Object({ ...Named, rule: SecurityRule });
const Members = Type.Object({ ...Named, vms: Type.Array(Name, { minItems: 1, maxItems: GROUP_MEMBERS_MAX }) });

/**
 * The orchestrator's. What is changed holds at once where switches can be reached; the others hear of it when they are back.
 * OVERLAY_UNTOLD: it is kept, and holds as soon as the overlay's controller can be told.
 */
export const groupCalls = {
  'group.list': method(['operator'], Type.Object({}), Type.Object({ groups: SecurityGroups })),
  'group.create': method(['operator'], Type.Object(Named), SecurityGroup),
  'group.delete': method(['operator'], Type.Object(Named), Type.Object({})),
  'group.allow': method(['operator'], Ruled, SecurityGroup),
  'group.revoke': method(['operator'], Ruled, SecurityGroup),
  'group.assign': method(['operator'], Members, SecurityGroup),
  'group.unassign': method(['operator'], Members, SecurityGroup),
};
