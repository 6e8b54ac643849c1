// The frames that guests of a simulated network send: to another in their subnet by its address, to one in another subnet
// by the router's, and what is to be seen of that where they come out.
import { ethAddress, ipv4, ipv4Text, ipv6 } from '@openflow/ofp';
import { ipv6Words, selfMadeAddress } from '../../common/addresses/ipv6-address.ts';
import { egressMac } from '../../sdnd/forwarding/egress.ts';
import { SERVICE_MAC } from '../../sdnd/pipeline.ts';
import type { Egress, GuestNetworkPlan, NetworkExit, NetworkStub } from '../../wire/contracts/guest-network.ts';
import type { Frame } from './net-switch.ts';
import type { SimGuest } from './net-world.ts';

const ETH_TYPE_IPV4 = 0x0800;
const ETH_TYPE_ARP = 0x0806;
const ETH_TYPE_IPV6 = 0x86dd;
const ICMPV6 = 58;
const NEIGHBOUR_ADVERTISEMENT = 136;
/** Of what guests send. */
const TTL = 64;
const SUBNETS = 2;
/** The port to the outside, at every node, and its number. */
export const EXIT_PORT = 'outside0';
export const EXIT_PORT_NO = 9;
const NEXT_HOP = '02:99:00:00:00:01';
const OUTSIDE = ipv4('203.0.113.9');
/** The same for all, so that translated ones would meet. */
const PORT = 40_000;
const FAR_PORT = 443;
/** From which on stubs are called, each from another: nothing else tells two connections to one resource apart. */
const STUB_PORT = 41_000;
/** Above it, one for each guest, are those at which they can be called, at `PORT` of theirs. */
const CALLED_PORT = 8_000;
const CALLER_PORT = 50_000;
/** Guests of one tenant. */
const HOSTS_MAX = 7;
const SUBNET_BITS = 24;
/** Of every tenant: each subnet has a part of it. */
const PREFIX = ipv6('fd00:88::');

/**
 * The subnets of every tenant: the same for all. `exit`: the node of the tenant's way out, if it has one; `stubsAt`: where the
 * resources of its stubs are.
 */
export function networkOf(tenant: number, exit?: string, stubsAt?: string): GuestNetworkPlan {
  const subnets = Array.from({ length: SUBNETS }, (_, index) => ({
    ...{ subnet: `10.88.${index}.0`, bits: SUBNET_BITS },
    services: `10.88.${index}.254`,
    ipv6: ipv6Words(PREFIX | (BigInt(index) << 64n)),
  }));
  const stubs = stubsAt === undefined ? {} : stubsOf(tenant, stubsAt, exit);
  const network = { tenant, name: `tenant${tenant}`, subnets, ...stubs };
  const forwards = Array.from({ length: HOSTS_MAX }, (_, index) => ({
    ...{ protocol: 'tcp' as const, port: CALLED_PORT + index + 1 },
    ...{ to: addressesOf(index + 1).ip, toPort: PORT },
  }));
  const egress = { port: EXIT_PORT, address: `198.51.100.${tenant}`, nextHop: NEXT_HOP, forwards };
  return exit === undefined ? network : { ...network, egress: { node: exit, ...egress } };
}

/** Two lead to one resource, and one to an address that guests call by itself too; the same for all tenants. */
function stubsOf(
  tenant: number,
  node: string,
  exit: string | undefined,
): Pick<GuestNetworkPlan, 'stubs' | 'stubExits'> {
  const service = (port: number) => ({ service: { protocol: 'tcp' as const, port, toPort: 5433 } });
  const orders = { address: '10.88.0.200', to: '203.0.113.10', nodes: [node] };
  const stubs = [
    { name: 'orders', ...orders, ...service(5432) },
    { name: 'more-orders', ...orders, ...service(5434) },
    { name: 'store', address: '10.88.1.200', to: ipv4Text(OUTSIDE), nodes: [node] },
  ];
  const address = `198.51.100.${exit === node ? tenant : 100 + tenant}`;
  return { stubs, stubExits: [{ node, port: EXIT_PORT, address, nextHop: NEXT_HOP }] };
}

/** The addresses of a tenant's guest by its number there; guests of one subnet and of two are next to each other. */
export function addressesOf(host: number): Pick<SimGuest, 'mac' | 'ip'> {
  return { mac: `02:88:00:00:00:0${host}`, ip: `10.88.${(host >> 1) % SUBNETS}.${host}` };
}

export function areRouted(from: SimGuest, to: SimGuest): boolean {
  return from.ip.split('.')[2] !== to.ip.split('.')[2];
}

export function frameOf(from: SimGuest, to: SimGuest, inPort: number | undefined): Frame {
  return {
    inPort,
    ethSrc: ethAddress(from.mac),
    ethDst: areRouted(from, to) ? SERVICE_MAC : ethAddress(to.mac),
    ethType: ETH_TYPE_IPV4,
    ipv4Src: ipv4(from.ip),
    ipv4Dst: ipv4(to.ip),
    ipTtl: TTL,
  };
}

/** The same over IPv6. */
export function ipv6FrameOf(from: SimGuest, to: SimGuest, inPort: number | undefined): Frame {
  const { ipv4Src: _source, ipv4Dst: _destination, ...frame } = frameOf(from, to, inPort);
  return { ...frame, ethType: ETH_TYPE_IPV6, ipv6Src: ipv6Of(from), ipv6Dst: ipv6Of(to) };
}

/** What a guest must not say over IPv6: anything in the name of another, and that it has the other's address. */
export function liesOf(from: SimGuest, to: SimGuest, inPort: number | undefined): Frame[] {
  const frame = { ...ipv6FrameOf(from, to, inPort), ethDst: ethAddress(to.mac) };
  const mac = ethAddress(from.mac);
  const claim = { ipProto: ICMPV6, icmpv6Type: NEIGHBOUR_ADVERTISEMENT, ipv6NdTarget: ipv6Of(to), ipv6NdTll: mac };
  return [
    { ...frame, ipv6Src: ipv6Of(to) },
    { ...frame, ...claim },
  ];
}

/** As its number in text. */
function ipv6Of({ mac, ip }: SimGuest): string {
  return String(selfMadeAddress(PREFIX | (BigInt(ip.split('.')[2] ?? 0) << 64n), mac));
}

/** Undefined where a frame came out as it should: from one to the other, and with a hop less if the router was between them. */
export function faultOf(frame: Frame, from: SimGuest, to: SimGuest): string | undefined {
  if (frame.ethSrc !== from.mac || frame.ethDst !== to.mac) return `from ${frame.ethSrc} to ${frame.ethDst}`;
  const hops = TTL - Number(frame.ipTtl);
  return hops === (areRouted(from, to) ? 1 : 0) ? undefined : `after ${hops} routers`;
}

/** A packet of a guest's connection to somebody outside. */
export function outwards(from: SimGuest, inPort: number | undefined): Frame {
  const ports = { ipProto: 6, tcpSrc: PORT, tcpDst: FAR_PORT };
  return { ...frameOf(from, from, inPort), ethDst: SERVICE_MAC, ipv4Dst: OUTSIDE, ...ports };
}

/** What is wrong with a frame of a network that has come out to the outside. */
export function faultOutside(frame: Frame, { egress }: GuestNetworkPlan): string | undefined {
  return egress === undefined ? 'of a network that has no way out' : faultAtExit(frame, egress);
}

function faultAtExit(frame: Frame, egress: NetworkExit): string | undefined {
  if (frame.ipv4Src !== ipv4(egress.address)) return `under ${frame.ipv4Src}`;
  if (frame.ethDst !== egress.nextHop || frame.ethSrc !== egressMac(egress.address)) return `to ${frame.ethDst}`;
  return frame.ipTtl === TTL - 1 ? undefined : `with ${frame.ipTtl} hops left`;
}

/** A packet of a guest's connection to a stub. */
export function callOf(from: SimGuest, { address, service }: NetworkStub, inPort: number | undefined): Frame {
  const ports = { tcpSrc: callerPort(service), tcpDst: service?.port ?? FAR_PORT };
  return { ...outwards(from, inPort), ipv4Dst: ipv4(address), ...ports };
}

/** What is wrong with a packet for a stub that has come out to its resource. */
export function faultAtResource(frame: Frame, { to, service }: NetworkStub, exit: NetworkExit): string | undefined {
  if (frame.ipv4Dst !== ipv4(to)) return `for ${frame.ipv4Dst}`;
  if (frame.tcpDst !== (service?.toPort ?? FAR_PORT)) return `for port ${frame.tcpDst}`;
  return faultAtExit(frame, exit);
}

/** What is wrong with what a resource has answered, where a guest hears it. */
export function faultFromStub(frame: Frame, { address, service }: NetworkStub, to: SimGuest): string | undefined {
  if (frame.ipv4Src !== ipv4(address)) return `from ${frame.ipv4Src}`;
  if (frame.tcpSrc !== (service?.port ?? FAR_PORT)) return `from port ${frame.tcpSrc}`;
  return faultInside(frame, to, callerPort(service));
}

function callerPort(service: NetworkStub['service']): number {
  return STUB_PORT + (service?.port ?? 0);
}

/** The answer of somebody outside to a frame that has come out there; to another port it is none. */
export function answerTo(frame: Frame, port = frame.tcpSrc): Frame {
  const ethernet = { inPort: EXIT_PORT_NO, ethSrc: frame.ethDst, ethDst: frame.ethSrc, ethType: ETH_TYPE_IPV4 };
  const ip = { ipv4Src: frame.ipv4Dst, ipv4Dst: frame.ipv4Src, ipTtl: TTL, ipProto: 6 };
  return { ...ethernet, ...ip, tcpSrc: frame.tcpDst, tcpDst: port };
}

/** Somebody outside calls a guest, by the address of its network. */
export function callTo(to: SimGuest, { address, nextHop }: Egress): Frame {
  const tcpDst = CALLED_PORT + Number(to.ip.split('.')[3]);
  const ethernet = { inPort: EXIT_PORT_NO, ethSrc: nextHop, ethDst: egressMac(address), ethType: ETH_TYPE_IPV4 };
  const ip = { ipv4Src: OUTSIDE, ipv4Dst: ipv4(address), ipTtl: TTL, ipProto: 6 };
  return { ...ethernet, ...ip, tcpSrc: CALLER_PORT, tcpDst };
}

/** What the guest answers to that, for its router. */
export function answerOf(from: SimGuest, inPort: number | undefined): Frame {
  return { ...outwards(from, inPort), tcpDst: CALLER_PORT };
}

/** What is wrong with an answer that has come to a guest. */
export function faultInside(frame: Frame, to: SimGuest, port = PORT): string | undefined {
  if (frame.ethDst !== to.mac || frame.ethSrc !== SERVICE_MAC) return `from ${frame.ethSrc} to ${frame.ethDst}`;
  if (frame.ipv4Dst !== ipv4(to.ip) || frame.tcpDst !== port) return `for ${frame.ipv4Dst}, port ${frame.tcpDst}`;
  return frame.ipTtl === TTL - 1 ? undefined : `with ${frame.ipTtl} hops left`;
}

export function arpOf(from: SimGuest, to: SimGuest, inPort: number | undefined): Frame {
  const sender = { arpSha: ethAddress(from.mac), arpSpa: ipv4(from.ip) };
  const ethernet = { ethSrc: ethAddress(from.mac), ethDst: ethAddress('ff:ff:ff:ff:ff:ff'), ethType: ETH_TYPE_ARP };
  return { inPort, ...ethernet, ...sender, arpOp: 1, arpTpa: ipv4(to.ip) };
}
