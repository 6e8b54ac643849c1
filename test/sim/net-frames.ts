// The frames that guests of a simulated network send: to another in their subnet by its address, to one in another subnet
// by the router's, and what is to be seen of that where they come out.
import { ethAddress, ipv4 } from '@openflow/ofp';
import { SERVICE_MAC } from '../../sdnd/pipeline.ts';
import type { GuestNetworkPlan } from '../../wire/contracts/guest-network.ts';
import type { Frame } from './net-switch.ts';
import type { SimGuest } from './net-world.ts';

const ETH_TYPE_IPV4 = 0x0800;
const ETH_TYPE_ARP = 0x0806;
/** Of what guests send. */
const TTL = 64;
const SUBNETS = 2;
const SUBNET_BITS = 24;

/** The subnets of every tenant: the same for all. */
export function networkOf(tenant: number): GuestNetworkPlan {
  const subnets = Array.from({ length: SUBNETS }, (_, index) => ({
    ...{ subnet: `10.88.${index}.0`, bits: SUBNET_BITS },
    services: `10.88.${index}.254`,
  }));
  return { tenant, name: `tenant${tenant}`, subnets };
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

/** Undefined where a frame came out as it should: from one to the other, and with a hop less if the router was between them. */
export function faultOf(frame: Frame, from: SimGuest, to: SimGuest): string | undefined {
  if (frame.ethSrc !== from.mac || frame.ethDst !== to.mac) return `from ${frame.ethSrc} to ${frame.ethDst}`;
  const hops = TTL - Number(frame.ipTtl);
  return hops === (areRouted(from, to) ? 1 : 0) ? undefined : `after ${hops} routers`;
}

export function arpOf(from: SimGuest, to: SimGuest, inPort: number | undefined): Frame {
  const sender = { arpSha: ethAddress(from.mac), arpSpa: ipv4(from.ip) };
  const ethernet = { ethSrc: ethAddress(from.mac), ethDst: ethAddress('ff:ff:ff:ff:ff:ff'), ethType: ETH_TYPE_ARP };
  return { inPort, ...ethernet, ...sender, arpOp: 1, arpTpa: ipv4(to.ip) };
}
