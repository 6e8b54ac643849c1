// Tells a guest of its IPv6 link (RFC 4861, 6.2): router, MTU, prefix, and DNS (RFC 8106). An address that a guest may form
// by itself is offered only where it would form the one that is its own, and its network does not lease them (DHCPv6).
import { selfMadeAddress } from '../../common/addresses/ipv6-address.ts';
import { EtherType, multicastMac } from '../packets/ethernet.ts';
import { type AdvertisedPrefix, encodeRouterAdvertisement, ND_HOP_LIMIT } from '../packets/icmpv6.ts';
import { IpProtocol } from '../packets/ipv4.ts';
import { ALL_NODES, encodeIpv6, UNSPECIFIED_IPV6 } from '../packets/ipv6.ts';
import { type Answer, type Asker, frameFor, NO_ANSWER } from './answers.ts';
import { prefixOf } from './guest-network.ts';
import { wireName } from './zone-names.ts';

/** The longest that a router may promise to be there (RFC 8319): a node's agent that is away costs nobody its way out. */
const ROUTER_LIFETIME_S = 65_535;
const PREFIX_BITS = 64;
/** Prefixes that a guest is told to leave: the last ones that it was told of. */
const WITHDRAWN_MAX = 4;

/** The answer to a router solicitation, or (from unspecified) what is said to all on the link. */
export function advertiseRouter(asker: Asker, source = UNSPECIFIED_IPV6): Answer {
  const { host, directory, withdrawn = [] } = asker;
  const { mtuBytes, serviceMac, domain, isIpv6Leased = false } = directory.network;
  const own = prefixOf(directory.network, host);
  if (own === undefined && withdrawn.length === 0) return NO_ANSWER;
  const isForAll = source === UNSPECIFIED_IPV6;
  const ends = { source: directory.servicesIpv6, destination: isForAll ? ALL_NODES : source };
  const payload = encodeRouterAdvertisement({
    ...ends,
    mac: serviceMac,
    routerLifetimeS: own?.router === undefined ? 0 : ROUTER_LIFETIME_S,
    mtuBytes,
    isLeased: isIpv6Leased,
    prefixes: [
      ...(own === undefined ? [] : [advertised(asker, own.prefix, false)]),
      ...withdrawn.map((prefix) => advertised(asker, prefix, true)),
    ],
    nameServer: directory.servicesIpv6,
    searchDomain: wireName(domain),
  });
  const packet = encodeIpv6({ ...ends, hopLimit: ND_HOP_LIMIT, nextHeader: IpProtocol.icmpv6, payload });
  const to = isForAll ? multicastMac(ALL_NODES) : host.mac;
  return { frames: [frameFor(asker, to, EtherType.ipv6, packet)], events: [] };
}

function advertised({ host, directory }: Asker, address: bigint, isOver: boolean): AdvertisedPrefix {
  // An address is given up under the same flag under which it was formed (RFC 4862, 5.5.3).
  const isOwn = host.ipv6.includes(selfMadeAddress(address, host.mac));
  const isForSelfMade = isOver || (isOwn && directory.network.isIpv6Leased !== true);
  return { address, bits: PREFIX_BITS, isForSelfMade, isOver };
}

/** The prefixes that a guest was told of before, by `old`, and that are its own no more. */
export function withdrawnPrefixes(old: Asker | undefined, { host, directory }: Asker): readonly bigint[] {
  if (old === undefined || old.host.mac !== host.mac) return [];
  const before = prefixOf(old.directory.network, old.host)?.prefix;
  const now = prefixOf(directory.network, host)?.prefix;
  const told = [...(old.withdrawn ?? []), ...(before === undefined ? [] : [before])];
  return [...new Set(told)].filter((prefix) => prefix !== now).slice(-WITHDRAWN_MAX);
}
