// The guests' networks: as the orchestrator tells them to the overlay's controller, and what that tells each node's agent,
// which answers its guests by it (DHCP, DNS). Shapes only.
import { Type } from '#typebox';
import { Ipv4, Ipv6, Mac, Name, PortName } from '../names.ts';

const Count = Type.Integer({ minimum: 0 });
/**
 * How guests come by their IPv6 address, which is the same: formed by themselves (RFC 4862), or leased to them by DHCPv6 (RFC 8415)
 * and formed by none, for guests whose software would form others.
 */
export const Ipv6Addresses = Type.Union([Type.Literal('self-made'), Type.Literal('leased')]);
export type Ipv6Addresses = Type.Static<typeof Ipv6Addresses>;
/** Of TCP or UDP. */
const Port = Type.Integer({ minimum: 1, maximum: 0xffff });
/** Each is an entry for every port of a switch. */
export const STUBS_MAX = 64;

/** Addresses of guests that reach each other without a router. */
export const GuestSubnet = Type.Object({
  /** Its lowest address. */
  subnet: Ipv4,
  bits: Type.Integer({ minimum: 8, maximum: 29 }),
  /** Where DHCP and DNS answer, and the router is, at every node; of the subnet, and no guest's. */
  services: Ipv4,
  /**
   * The lowest address of its IPv6 prefix of 64 bits, in which each guest has the address that follows from its MAC address
   * (RFC 4862), and the router the first; a unique local one (RFC 4193). Absent: of IPv6 guests have their link-local address.
   */
  ipv6: Type.Optional(Ipv6),
});
export type GuestSubnet = Type.Static<typeof GuestSubnet>;

/** A port of a network's address outside that leads in, to a guest's. */
export const Forward = Type.Object({
  protocol: Type.Union([Type.Literal('tcp'), Type.Literal('udp')]),
  port: Port,
  to: Ipv4,
  toPort: Port,
});
export type Forward = Type.Static<typeof Forward>;

/** A node that may be a way out, as it says itself when it registers. */
export const NodeOutside = Type.Object({
  /** The port of its switch that leads outside. */
  device: PortName,
  /** What leads to that device from outside: the addresses of networks, by which their guests are seen. */
  addresses: Type.Array(Ipv4, { minItems: 1 }),
  /** Whom frames are sent to by that device: the MAC address of the provider's router, mostly. */
  nextHop: Mac,
});
export type NodeOutside = Type.Static<typeof NodeOutside>;

/** Where a network's guests leave, and how they are seen there. */
export const NetworkExit = Type.Object({
  /** Connections stay with it, wherever their guests move. */
  node: Name,
  /** The port of its switch that leads outside. */
  port: PortName,
  /** By which its guests are seen: no other network's, and nobody else's there. */
  address: Ipv4,
  /** Whom frames are sent to by that port. */
  nextHop: Mac,
});
export type NetworkExit = Type.Static<typeof NetworkExit>;

/**
 * Who is asked for names outside, where there is anybody: leases name them behind the network's own services, which refuse such names.
 * A resolver of the guests takes three in all.
 */
export const Resolvers = Type.Optional(Type.Array(Ipv4, { maxItems: 2 }));

/** How a network's guests reach what is outside, and are seen there. */
export const Egress = Type.Object({
  ...NetworkExit.properties,
  /** What may be called from outside; no two of one protocol and port. Guests see who calls. */
  forwards: Type.Optional(Type.Array(Forward)),
  resolvers: Resolvers,
});
export type Egress = Type.Static<typeof Egress>;

/** An address of a network that stands for a resource outside of it, and that resource. */
export const StubTarget = Type.Object({
  /** Of a subnet of the network, and no guest's; guests find it by the stub's name too. */
  address: Ipv4,
  /** What of the address leads to the resource. Absent: all of it, by the same ports. */
  service: Type.Optional(
    Type.Object({
      protocol: Type.Union([Type.Literal('tcp'), Type.Literal('udp')]),
      port: Port,
      /** At the resource. */
      toPort: Port,
    }),
  ),
  /** The resource's address where it is. */
  to: Ipv4,
});
export type StubTarget = Type.Static<typeof StubTarget>;

/** A stub as switches are set by it. */
export const NetworkStub = Type.Object({
  name: Name,
  ...StubTarget.properties,
  /** Where the resource is reached: guests there are led to it, and of those of other nodes it is told that they ask. */
  nodes: Type.Array(Name),
});
export type NetworkStub = Type.Static<typeof NetworkStub>;

/** One tenant's network: guests of its subnets reach each other, and guests of no other tenant. */
export const GuestNetworkPlan = Type.Object({
  tenant: Type.Integer({ minimum: 1 }),
  /** The names of its VMs are in the zone NAME.internal. */
  name: Name,
  /** No two of them share an address. */
  subnets: Type.Array(GuestSubnet, { minItems: 1 }),
  /** Absent: self-made. */
  ipv6Addresses: Type.Optional(Ipv6Addresses),
  /** Absent: its guests reach each other alone. */
  egress: Type.Optional(Egress),
  /** Of one address at most one without a service, or several services that differ. */
  stubs: Type.Optional(Type.Array(NetworkStub, { maxItems: STUBS_MAX })),
  /** Where guests leave for the resources of stubs, one of a node; at the node of `egress` they leave as by that. */
  stubExits: Type.Optional(Type.Array(NetworkExit)),
});
export type GuestNetworkPlan = Type.Static<typeof GuestNetworkPlan>;

/** A guest of a network: its name there is its owner's. */
export const NetworkGuest = Type.Object({ owner: Name, mac: Mac, ip: Ipv4 });
export type NetworkGuest = Type.Static<typeof NetworkGuest>;

/** All that one node's agent is to know: the networks that have, or may soon have, a port there (SOUNDNESS C10). */
export const GuestNews = Type.Object({
  /** Of the controller that says so; within a term the higher revision is the newer. */
  term: Count,
  revision: Count,
  networks: Type.Array(Type.Object({ ...GuestNetworkPlan.properties, guests: Type.Array(NetworkGuest) })),
});
export type GuestNews = Type.Static<typeof GuestNews>;
