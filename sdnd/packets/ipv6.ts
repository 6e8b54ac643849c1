// IPv6 packets (RFC 8200) without extension headers: what follows one is no service's business.
import type { EthAddress } from '@openflow/ofp';
import { selfMadeAddress } from '../../common/addresses/ipv6-address.ts';
import { BadPacket, OctetReader, OctetWriter } from './octets.ts';

export const IPV6_HEADER_BYTES = 40;
const VERSION = 6;
export const UNSPECIFIED_IPV6 = 0n;
/** ff02::1 (RFC 4291, 2.7.1). */
export const ALL_NODES = (0xff02n << 112n) | 1n;
const LINK_LOCAL_PREFIX = 0xfe80n << 112n;
const SOLICITED_NODE_PREFIX = (0xff02n << 112n) | (1n << 32n) | (0xffn << 24n);
/** fc00::/7: what is routed within a network and not beyond it (RFC 4193). */
export const UNIQUE_LOCAL = { value: 0xfcn << 120n, mask: 0xfen << 120n } as const;
/** 2000::/3: the Internet (RFC 4291, 2.4; all that is given out so far). */
export const GLOBAL_UNICAST = { value: 1n << 125n, mask: 7n << 125n } as const;

export interface Ipv6Packet {
  readonly source: bigint;
  readonly destination: bigint;
  readonly hopLimit: number;
  /** The protocol, where there is no extension header. */
  readonly nextHeader: number;
  readonly payload: Uint8Array;
}

/** A packet that came. */
export interface ReceivedIpv6 extends Ipv6Packet {
  /** All of it, and nothing after it. */
  readonly bytes: Uint8Array;
}

/** @throws BadPacket */
export function decodeIpv6(bytes: Uint8Array): ReceivedIpv6 {
  const reader = new OctetReader('ipv6', bytes);
  reader.expect(reader.u32() >>> 28 === VERSION);
  const payloadBytes = reader.u16();
  const nextHeader = reader.u8();
  const hopLimit = reader.u8();
  const source = reader.ipv6();
  const destination = reader.ipv6();
  if (isMulticast(source)) throw new BadPacket('ipv6', 'field');
  const payload = reader.bytes(payloadBytes);
  return {
    source,
    destination,
    hopLimit,
    nextHeader,
    payload,
    bytes: bytes.subarray(0, IPV6_HEADER_BYTES + payloadBytes),
  };
}

export function encodeIpv6({ source, destination, hopLimit, nextHeader, payload }: Ipv6Packet): Uint8Array {
  const writer = new OctetWriter(IPV6_HEADER_BYTES + payload.length).u32((VERSION << 28) >>> 0).u16(payload.length);
  return writer.u8(nextHeader).u8(hopLimit).ipv6(source).ipv6(destination).put(payload).bytes;
}

export function isMulticast(address: bigint): boolean {
  return address >> 120n === 0xffn;
}

/** Whether it is of fe80::/10. */
export function isLinkLocal(address: bigint): boolean {
  return address >> 118n === LINK_LOCAL_PREFIX >> 118n;
}

export function isGlobalUnicast(address: bigint): boolean {
  return (address & GLOBAL_UNICAST.mask) === GLOBAL_UNICAST.value;
}

/** The link-local address that follows from a MAC address. */
export function linkLocalOf(mac: EthAddress): bigint {
  return selfMadeAddress(LINK_LOCAL_PREFIX, mac);
}

/** Where those ask who look for an address (RFC 4291, 2.7.1). */
export function solicitedNode(address: bigint): bigint {
  return SOLICITED_NODE_PREFIX | BigInt.asUintN(24, address);
}
