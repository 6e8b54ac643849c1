// Neighbour discovery (RFC 4861): who asks for neighbours and routers, and what they are told. Other ICMPv6 is told apart
// by its type and left alone.
import type { EthAddress } from '@openflow/ofp';
import { checksum, pseudoHeader } from './checksum.ts';
import { IpProtocol } from './ipv4.ts';
import { type Ipv6Packet, isMulticast, solicitedNode, UNSPECIFIED_IPV6 } from './ipv6.ts';
import { BadPacket, OctetReader, OctetWriter } from './octets.ts';

export const Icmpv6Type = {
  destinationUnreachable: 1,
  timeExceeded: 3,
  echoRequest: 128,
  echoReply: 129,
  routerSolicitation: 133,
  routerAdvertisement: 134,
  neighbourSolicitation: 135,
  neighbourAdvertisement: 136,
  redirect: 137,
} as const;
const NdOption = { sourceMac: 1, targetMac: 2, prefix: 3, mtu: 5, nameServers: 25, searchList: 31 } as const;

/** A packet of neighbour discovery has crossed no router (RFC 4861, 6.1, 7.1). */
export const ND_HOP_LIMIT = 255;
const CHECKSUM_AT = 2;
const OPTION_UNIT_BYTES = 8;
/** For ever: of lifetimes with 32 bits. */
const INFINITE_S = 0xffffffff;

export type Solicitation =
  | { readonly kind: 'router' }
  | { readonly kind: 'neighbour'; readonly target: bigint }
  | { readonly kind: 'other'; readonly type: number };

/** What an IPv6 packet of ICMPv6 asks. @throws BadPacket */
export function decodeIcmpv6(packet: Ipv6Packet): Solicitation {
  const { payload } = packet;
  const reader = new OctetReader('icmpv6', payload);
  const type = reader.u8();
  const code = reader.u8();
  reader.bytes(2);
  if (checksum(pseudoHeader(packet, IpProtocol.icmpv6, payload.length), payload) !== 0)
    throw new BadPacket('icmpv6', 'checksum');
  if (type !== Icmpv6Type.routerSolicitation && type !== Icmpv6Type.neighbourSolicitation)
    return { kind: 'other', type };
  reader.expect(code === 0 && packet.hopLimit === ND_HOP_LIMIT);
  reader.bytes(4);
  if (type === Icmpv6Type.routerSolicitation) {
    checkOptions(reader, packet);
    return { kind: 'router' };
  }
  const target = reader.ipv6();
  reader.expect(!isMulticast(target));
  reader.expect(packet.source !== UNSPECIFIED_IPV6 || packet.destination === solicitedNode(target));
  checkOptions(reader, packet);
  return { kind: 'neighbour', target };
}

/** An option of no length ends the packet; who has no address yet names no MAC address (RFC 4861, 6.1.1, 7.1.1). */
function checkOptions(reader: OctetReader, { source }: Ipv6Packet): void {
  while (reader.left > 0) {
    const type = reader.u8();
    const units = reader.u8();
    reader.expect(units > 0 && (type !== NdOption.sourceMac || source !== UNSPECIFIED_IPV6));
    reader.bytes(units * OPTION_UNIT_BYTES - 2);
  }
}

/** The whole ICMPv6 message under its ends, with its checksum. */
export function sealedIcmpv6(writer: OctetWriter, ends: { source: bigint; destination: bigint }): Uint8Array {
  const { bytes } = writer;
  return writer.setU16(CHECKSUM_AT, checksum(pseudoHeader(ends, IpProtocol.icmpv6, bytes.length), bytes)).bytes;
}

export interface NeighbourAdvertisement {
  readonly source: bigint;
  readonly destination: bigint;
  readonly target: bigint;
  readonly mac: EthAddress;
  readonly isRouter: boolean;
  /** It answers one neighbour's question. */
  readonly isSolicited: boolean;
}

const ROUTER_FLAG = 0x80000000;
const SOLICITED_FLAG = 0x40000000;
const OVERRIDE_FLAG = 0x20000000;
const ADVERTISEMENT_BYTES = 32;

/** RFC 4861, 4.4, with the target's MAC address. */
export function encodeNeighbourAdvertisement(advertisement: NeighbourAdvertisement): Uint8Array {
  const { target, mac, isRouter, isSolicited } = advertisement;
  const flags = (isRouter ? ROUTER_FLAG : 0) + (isSolicited ? SOLICITED_FLAG : 0) + OVERRIDE_FLAG;
  const writer = new OctetWriter(ADVERTISEMENT_BYTES).u8(Icmpv6Type.neighbourAdvertisement).u8(0).u16(0).u32(flags);
  return sealedIcmpv6(writer.ipv6(target).u8(NdOption.targetMac).u8(1).mac(mac), advertisement);
}

/** What is said of a prefix. */
export interface AdvertisedPrefix {
  readonly address: bigint;
  readonly bits: number;
  /** Hosts may form their own address from it. */
  readonly isForSelfMade: boolean;
  /** Over: hosts are to use addresses of it no more. Otherwise it is good for ever. */
  readonly isOver: boolean;
}

export interface RouterAdvertisement {
  readonly source: bigint;
  readonly destination: bigint;
  readonly mac: EthAddress;
  /** 0: a host that says what the link is like, and no router. */
  readonly routerLifetimeS: number;
  readonly mtuBytes: number;
  /** Addresses are to be had by DHCPv6, and so is what goes with them (RFC 4861, 4.2: M, and O with it). */
  readonly isLeased: boolean;
  /** Hosts reach all addresses below them without a router. */
  readonly prefixes: readonly AdvertisedPrefix[];
  /** Of DNS (RFC 8106): both for ever. */
  readonly nameServer: bigint;
  /** Labels as they go on the wire, the root's included. */
  readonly searchDomain: Uint8Array;
}

const HOP_LIMIT_OF_HOSTS = 64;
const LEASED_FLAGS = 0xc0;
const ON_LINK_FLAG = 0x80;
const SELF_MADE_FLAG = 0x40;
const FIXED_OPTIONS_BYTES = 16 + 8 + 8 + 24;
const PREFIX_OPTION_BYTES = 32;

/** RFC 4861, 4.2. */
export function encodeRouterAdvertisement(advertisement: RouterAdvertisement): Uint8Array {
  const { mac, routerLifetimeS, mtuBytes, isLeased, prefixes, nameServer, searchDomain } = advertisement;
  const searchUnits = Math.ceil((8 + searchDomain.length) / OPTION_UNIT_BYTES);
  const optionsBytes = prefixes.length * PREFIX_OPTION_BYTES + searchUnits * OPTION_UNIT_BYTES;
  const writer = new OctetWriter(FIXED_OPTIONS_BYTES + optionsBytes);
  writer.u8(Icmpv6Type.routerAdvertisement).u8(0).u16(0);
  writer
    .u8(HOP_LIMIT_OF_HOSTS)
    .u8(isLeased ? LEASED_FLAGS : 0)
    .u16(routerLifetimeS)
    .u32(0)
    .u32(0);
  writer.u8(NdOption.sourceMac).u8(1).mac(mac);
  writer.u8(NdOption.mtu).u8(1).u16(0).u32(mtuBytes);
  for (const { address, bits, isForSelfMade, isOver } of prefixes) {
    const lifetimeS = isOver ? 0 : INFINITE_S;
    const flags = ON_LINK_FLAG | (isForSelfMade ? SELF_MADE_FLAG : 0);
    writer.u8(NdOption.prefix).u8(4).u8(bits).u8(flags).u32(lifetimeS).u32(lifetimeS).u32(0).ipv6(address);
  }
  writer.u8(NdOption.nameServers).u8(3).u16(0).u32(INFINITE_S).ipv6(nameServer);
  writer.u8(NdOption.searchList).u8(searchUnits).u16(0).u32(INFINITE_S).put(searchDomain);
  return sealedIcmpv6(writer, advertisement);
}
