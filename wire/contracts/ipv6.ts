// IPv6 of the guests' network as people order and see it. What the overlay's controller is told of it is in `guest-network.ts`.
import { Type } from '#typebox';
import { method } from '../contract.ts';
import { Ipv4, Ipv6, Name } from '../names.ts';
import { Ipv6Addresses } from './guest-network.ts';

const Empty = Type.Object({});
/** Longer than any text of a prefix. */
const PREFIX_TEXT_MAX = 64;
/** As `fd12:3456:789a::/48`. */
const Prefix = Type.String({ pattern: '^[0-9a-f:]{2,39}/[0-9]{1,3}$' });

/** What was ordered: the prefix of 48 bits of which each subnet has one of 64, and how guests come by their addresses in it. */
export const Ipv6Order = Type.Object({
  prefix: Prefix,
  /** Absent: self-made. */
  addresses: Type.Optional(Ipv6Addresses),
});
export type Ipv6Order = Type.Static<typeof Ipv6Order>;

export const Ipv6View = Type.Object({
  /** Null: of IPv6 guests have their link-local addresses alone. */
  prefix: Type.Union([Prefix, Type.Null()]),
  /** How guests come by them. */
  mode: Ipv6Addresses,
  subnets: Type.Array(
    Type.Object({
      /** Its IPv4 prefix, as `10.88.0.0/24`. */
      subnet: Type.String(),
      prefix: Prefix,
      /** Which routes between the subnets, at every node. */
      router: Ipv6,
    }),
  ),
  /** VMs, and other addresses of the overlay, by name. */
  addresses: Type.Array(Type.Object({ owner: Name, ip: Ipv4, ipv6: Ipv6 })),
});
export type Ipv6View = Type.Static<typeof Ipv6View>;

/** The orchestrator's. */
export const ipv6Calls = {
  'ipv6.show': method(['operator'], Empty, Ipv6View),
  /**
   * Without a prefix the one that stands, or one that is drawn now (RFC 4193, 3.2); without `addresses` as it stands, at first
   * self-made. NETWORK_BAD: no unique local prefix of 48 bits.
   */
  'ipv6.set': method(
    ['operator'],
    Type.Object({
      prefix: Type.Optional(Type.String({ maxLength: PREFIX_TEXT_MAX })),
      addresses: Type.Optional(Ipv6Addresses),
    }),
    Ipv6View,
  ),
  /** Guests have their link-local addresses alone; those that they had lead nowhere, and they are told to use them no more. */
  'ipv6.remove': method(['operator'], Empty, Ipv6View),
};
