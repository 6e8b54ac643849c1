// IPv6 packets (RFC 8200) without extension headers: what follows one is no service's business.
import type { EthAddress } from '@openflow/ofp';
import { BadPacket, OctetReader, OctetWriter } from './octets.ts';

const HEADER_BYTES = 40;
const VERSION = 6;
export const UNSPECIFIED_IPV6 = 0n;
/** ff02::1 (RFC 4291, 2.7.1). */
export const ALL_NODES = (0xff02n << 112n) | 1n;
const LINK_LOCAL_PREFIX = 0xfe80n << 112n;
const INTERFACE_BITS = 64n;
const SOLICITED_NODE_PREFIX = (0xff02n << 112n) | (1n << 32n) | (0xffn << 24n);

export interface Ipv6Packet {
  readonly source: bigint;
  readonly destination: bigint;
  readonly hopLimit: number;
  /** The protocol, where there is no extension header. */
  readonly nextHeader: number;
  readonly payload: Uint8Array;
}

/** @throws BadPacket */
export function decodeIpv6(bytes: Uint8Array): Ipv6Packet {
  const reader = new OctetReader('ipv6', bytes);
  reader.expect(reader.u32() >>> 28 === VERSION);
  const payloadBytes = reader.u16();
  const nextHeader = reader.u8();
  const hopLimit = reader.u8();
  const source = reader.ipv6();
  const destination = reader.ipv6();
  if (isMulticast(source)) throw new BadPacket('ipv6', 'field');
  return { source, destination, hopLimit, nextHeader, payload: reader.bytes(payloadBytes) };
}

export function encodeIpv6({ source, destination, hopLimit, nextHeader, payload }: Ipv6Packet): Uint8Array {
  const writer = new OctetWriter(HEADER_BYTES + payload.length).u32((VERSION << 28) >>> 0).u16(payload.length);
  return writer.u8(nextHeader).u8(hopLimit).ipv6(source).ipv6(destination).put(payload).bytes;
}

export function isMulticast(address: bigint): boolean {
  return address >> 120n === 0xffn;
}

/** Whether it is of fe80::/10. */
export function isLinkLocal(address: bigint): boolean {
  return address >> 118n === LINK_LOCAL_PREFIX >> 118n;
}

/** The address that a host forms by itself below a prefix of 64 bits (RFC 4862, RFC 2464 4: modified EUI-64). */
export function selfMadeAddress(prefix: bigint, mac: EthAddress): bigint {
  const digits = mac.replaceAll(':', '');
  const identifier = BigInt(`0x${digits.slice(0, 6)}fffe${digits.slice(6)}`) ^ (1n << 57n);
  return ((prefix >> INTERFACE_BITS) << INTERFACE_BITS) | identifier;
}

/** The link-local address that follows from a MAC address. */
export function linkLocalOf(mac: EthAddress): bigint {
  return selfMadeAddress(LINK_LOCAL_PREFIX, mac);
}

/** Where those ask who look for an address (RFC 4291, 2.7.1). */
export function solicitedNode(address: bigint): bigint {
  return SOLICITED_NODE_PREFIX | BigInt.asUintN(24, address);
}
