// Which frames of a guest's port are for its node's services, as matches: whoever writes the switch's flows leads these to
// the agent, with each port's own meter before them where the switch has meters. No flow is made here.
import { ipv6, type Match } from '@openflow/ofp';
import { DhcpPort } from '../packets/dhcp.ts';
import { DHCPV6_SERVERS, Dhcpv6Port } from '../packets/dhcpv6.ts';
import { EtherType } from '../packets/ethernet.ts';
import { Icmpv4Type } from '../packets/icmpv4.ts';
import { Icmpv6Type } from '../packets/icmpv6.ts';
import { IpProtocol } from '../packets/ipv4.ts';
import { GLOBAL_UNICAST, linkLocalOf } from '../packets/ipv6.ts';
import { type GuestNetwork, METADATA_IPV4, routerIpv4, routerIpv6, serviceIpv4 } from './guest-network.ts';
import { DNS_PORT } from './ip-services.ts';

const ARP_REQUEST = 1;
const TTLS_OVER = [0, 1];
const MULTICAST_BITS = ipv6('ff00::');

/**
 * The matches of one network's ports; each port's `inPort` (or whatever stands for it) goes with them. `arpFor`: whether
 * ARP is answered for everyone, or for the services' own addresses alone, where the switch answers for the others.
 */
export function serviceMatches(network: GuestNetwork, arpFor: 'everyone' | 'services' = 'everyone'): Match[] {
  const { subnets, serviceMac } = network;
  const routers = routerIpv4(network);
  const arp: Match = { ethType: EtherType.arp, arpOp: ARP_REQUEST };
  const udp4: Match = { ethType: EtherType.ipv4, ipProto: IpProtocol.udp };
  const udp6: Match = { ethType: EtherType.ipv6, ipProto: IpProtocol.udp };
  const echo: Match = { ethType: EtherType.ipv4, ipProto: IpProtocol.icmp, icmpv4Type: Icmpv4Type.echoRequest };
  return [
    ...(arpFor === 'everyone' ? [arp] : serviceIpv4(network).map((arpTpa) => ({ ...arp, arpTpa }))),
    ...neighbourMatches(network),
    { ...udp4, udpSrc: DhcpPort.client, udpDst: DhcpPort.server },
    ...subnets.map(({ services }) => ({ ...udp4, ipv4Dst: services, udpDst: DNS_PORT })),
    { ...udp6, ipv6Dst: linkLocalOf(serviceMac), udpDst: DNS_PORT },
    { ...udp6, ipv6Dst: DHCPV6_SERVERS, udpSrc: Dhcpv6Port.client, udpDst: Dhcpv6Port.server },
    { ethType: EtherType.ipv4, ipv4Dst: METADATA_IPV4 },
    ...routers.map((ipv4Dst) => ({ ...echo, ipv4Dst })),
    // What the router would have to take the last of its time to live from.
    ...(routers.length === 0 ? [] : TTLS_OVER.map((ipTtl) => ({ ethType: EtherType.ipv4, ethDst: serviceMac, ipTtl }))),
    ...ipv6RouterMatches(network),
  ];
}

function neighbourMatches(network: GuestNetwork): Match[] {
  const icmpv6: Match = { ethType: EtherType.ipv6, ipProto: IpProtocol.icmpv6 };
  const asked: Match = { ...icmpv6, icmpv6Type: Icmpv6Type.neighbourSolicitation };
  return [
    // Questions to one address alone are whether a neighbour is still there: only the neighbour knows.
    { ...asked, ipv6Dst: { value: MULTICAST_BITS, mask: MULTICAST_BITS } },
    ...[linkLocalOf(network.serviceMac), ...routerIpv6(network)].map((ipv6Dst) => ({ ...asked, ipv6Dst })),
    { ...icmpv6, icmpv6Type: Icmpv6Type.routerSolicitation },
  ];
}

function ipv6RouterMatches(network: GuestNetwork): Match[] {
  const { serviceMac } = network;
  const routers = routerIpv6(network);
  if (routers.length === 0) return [];
  const ip: Match = { ethType: EtherType.ipv6 };
  const echo: Match = { ...ip, ipProto: IpProtocol.icmpv6, icmpv6Type: Icmpv6Type.echoRequest };
  return [
    ...[linkLocalOf(serviceMac), ...routers].map((ipv6Dst) => ({ ...echo, ipv6Dst })),
    ...TTLS_OVER.map((ipTtl) => ({ ...ip, ethDst: serviceMac, ipTtl })),
    // To the Internet leads no way over IPv6, and a guest is told so at once.
    { ...ip, ethDst: serviceMac, ipv6Dst: GLOBAL_UNICAST },
  ];
}
