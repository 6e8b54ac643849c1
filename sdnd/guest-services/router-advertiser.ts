// Tells a guest of its IPv6 link (RFC 4861, 6.2): router, MTU, prefix, and DNS (RFC 8106). An address that a guest may form
// by itself is offered only where it would form the one that is its own.
import { EtherType, multicastMac } from '../packets/ethernet.ts';
import { encodeRouterAdvertisement, ND_HOP_LIMIT } from '../packets/icmpv6.ts';
import { IpProtocol } from '../packets/ipv4.ts';
import { ALL_NODES, encodeIpv6, selfMadeAddress, UNSPECIFIED_IPV6 } from '../packets/ipv6.ts';
import { type Answer, type Asker, frameFor, NO_ANSWER } from './answers.ts';
import { wireName } from './zone-names.ts';

/** The longest that a router may promise to be there (RFC 8319): a node's agent that is away costs nobody its way out. */
const ROUTER_LIFETIME_S = 65_535;
const PREFIX_BITS = 64;

/** The answer to a router solicitation, or (from unspecified) what is said to all on the link. */
export function advertiseRouter(asker: Asker, source = UNSPECIFIED_IPV6): Answer {
  const { host, directory } = asker;
  const { ipv6, mtuBytes, serviceMac, domain } = directory.network;
  if (ipv6 === undefined || host.ipv6.length === 0) return NO_ANSWER;
  const isForAll = source === UNSPECIFIED_IPV6;
  const ends = { source: directory.servicesIpv6, destination: isForAll ? ALL_NODES : source };
  const payload = encodeRouterAdvertisement({
    ...ends,
    mac: serviceMac,
    routerLifetimeS: ipv6.hasRouter ? ROUTER_LIFETIME_S : 0,
    mtuBytes,
    prefix: {
      address: ipv6.prefix,
      bits: PREFIX_BITS,
      isForSelfMade: host.ipv6.includes(selfMadeAddress(ipv6.prefix, host.mac)),
    },
    nameServer: directory.servicesIpv6,
    searchDomain: wireName(domain),
  });
  const packet = encodeIpv6({ ...ends, hopLimit: ND_HOP_LIMIT, nextHeader: IpProtocol.icmpv6, payload });
  const to = isForAll ? multicastMac(ALL_NODES) : host.mac;
  return { frames: [frameFor(asker, to, EtherType.ipv6, packet)], events: [] };
}
