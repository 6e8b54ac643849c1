// Which service an IP packet of a guest is for. A packet from an address that is not the guest's reaches none (PROMISES N6).

import { DhcpPort } from '../packets/dhcp.ts';
import { DHCPV6_SERVERS, Dhcpv6Port } from '../packets/dhcpv6.ts';
import { decodeIcmpv6 } from '../packets/icmpv6.ts';
import { BROADCAST_IPV4, decodeIpv4, IpProtocol, type Ipv4Packet } from '../packets/ipv4.ts';
import { decodeIpv6, IPV6_HEADER_BYTES, type Ipv6Packet, isLinkLocal, UNSPECIFIED_IPV6 } from '../packets/ipv6.ts';
import { decodeUdp, type UdpDatagram } from '../packets/udp.ts';
import { type Answer, type Asker, type DatagramEnds, datagramFor, NO_ANSWER, refusal } from './answers.ts';
import { answerDhcp } from './dhcp-server.ts';
import { answerDhcpv6 } from './dhcpv6-server.ts';
import { answerDns } from './dns-responder.ts';
import { METADATA_IPV4 } from './guest-network.ts';
import { answerForIpv6Router } from './ipv6-router.ts';
import { answerMetadata } from './metadata-responder.ts';
import { answerNeighbour } from './neighbour-responder.ts';
import { advertiseRouter } from './router-advertiser.ts';
import { answerForRouter } from './router-responder.ts';
import { askForStub } from './stub-asked.ts';

export const DNS_PORT = 53;
const UNSPECIFIED_IPV4 = 0;
/** Without options, as all that is sent from here. */
const IPV4_HEADER_BYTES = 20;

/** @throws BadPacket */
export function answerIpv4(asker: Asker, bytes: Uint8Array): Answer {
  const { host, directory } = asker;
  const packet = decodeIpv4(bytes);
  if (IPV4_HEADER_BYTES + packet.payload.length > directory.network.mtuBytes) return refusal(asker, 'over-mtu');
  const isOwn = host.ipv4.includes(packet.source);
  if (!isOwn && packet.source !== UNSPECIFIED_IPV4) return refusal(asker, 'not-own-address');
  if (isOwn && packet.destination === METADATA_IPV4) return answerMetadata(asker, packet);
  const asked = isOwn ? askForStub(asker, packet) : undefined;
  if (asked !== undefined) return asked;
  const routed = isOwn ? answerForRouter(asker, packet) : undefined;
  if (routed !== undefined) return routed;
  if (packet.protocol !== IpProtocol.udp) return refusal(asker, 'not-for-services');
  return answerUdpOverIpv4(asker, packet, isOwn);
}

function answerUdpOverIpv4(asker: Asker, packet: Ipv4Packet, isOwn: boolean): Answer {
  const { subnets } = asker.directory.network;
  const isForServices = subnets.some(({ services }) => services === packet.destination);
  const datagram = decodeUdp(packet, packet.payload);
  const { sourcePort, destinationPort } = datagram;
  const isForDhcp = sourcePort === DhcpPort.client && destinationPort === DhcpPort.server;
  if (isForDhcp && (isForServices || packet.destination === BROADCAST_IPV4)) return answerDhcp(asker, datagram.payload);
  if (!isForServices || destinationPort !== DNS_PORT) return refusal(asker, 'not-for-services');
  if (!isOwn) return refusal(asker, 'not-own-address');
  return answerQuestion(asker, { source: packet.destination, destination: packet.source }, datagram);
}

/** @throws BadPacket */
export function answerIpv6(asker: Asker, bytes: Uint8Array): Answer {
  const { host, directory } = asker;
  const packet = decodeIpv6(bytes);
  const { source, nextHeader, payload } = packet;
  if (IPV6_HEADER_BYTES + payload.length > directory.network.mtuBytes) return refusal(asker, 'over-mtu');
  const isOwn = host.ipv6.includes(source) || isLinkLocal(source);
  const isIcmp = nextHeader === IpProtocol.icmpv6;
  if (!isOwn && !(isIcmp && source === UNSPECIFIED_IPV6)) return refusal(asker, 'not-own-address');
  const routed = isOwn ? answerForIpv6Router(asker, packet) : undefined;
  if (routed !== undefined) return routed;
  if (isIcmp) return answerIcmpv6(asker, packet);
  if (nextHeader !== IpProtocol.udp) return refusal(asker, 'not-for-services');
  return answerUdpOverIpv6(asker, packet);
}

function answerUdpOverIpv6(asker: Asker, packet: Ipv6Packet): Answer {
  const { source, destination, payload } = packet;
  const datagram = decodeUdp(packet, payload);
  const { destinationPort } = datagram;
  if (destination === DHCPV6_SERVERS && destinationPort === Dhcpv6Port.server)
    return answerDhcpv6(asker, source, datagram.payload);
  if (destination !== asker.directory.servicesIpv6 || destinationPort !== DNS_PORT)
    return refusal(asker, 'not-for-services');
  return answerQuestion(asker, { source: destination, destination: source }, datagram);
}

function answerIcmpv6(asker: Asker, packet: Ipv6Packet): Answer {
  const solicitation = decodeIcmpv6(packet);
  if (solicitation.kind === 'router') return advertiseRouter(asker, packet.source);
  if (solicitation.kind === 'neighbour') return answerNeighbour(asker, packet.source, solicitation.target);
  return refusal(asker, 'not-for-services');
}

/** `ends`: of the answer. */
function answerQuestion(asker: Asker, ends: DatagramEnds, { sourcePort, payload }: UdpDatagram): Answer {
  const { portNo, host, directory } = asker;
  const reply = answerDns(directory, payload);
  if (reply === undefined) return NO_ANSWER;
  const datagram = { sourcePort: DNS_PORT, destinationPort: sourcePort, payload: reply.payload };
  const frames = [datagramFor(asker, host.mac, ends, datagram)];
  if (reply.beyond === undefined) return { frames, events: [] };
  const { name, type } = reply.beyond;
  return { frames, events: [{ kind: 'name-beyond', portNo, name, type }] };
}
