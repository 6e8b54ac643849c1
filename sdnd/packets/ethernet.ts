// Ethernet II frames without a tag: the outermost layer of what a guest's port carries.
import { type EthAddress, ethAddress } from '@openflow/ofp';
import { BadPacket, OctetReader, OctetWriter } from './octets.ts';

export const EtherType = { ipv4: 0x0800, arp: 0x0806, ipv6: 0x86dd } as const;
export const BROADCAST_MAC = ethAddress('ff:ff:ff:ff:ff:ff');

const HEADER_BYTES = 14;
/** A guest's frame: 1500 bytes and a header, with room for a tag. A larger one asks nothing of a node's services. */
export const FRAME_BYTES_MAX = 1522;

export interface EthernetFrame {
  readonly destination: EthAddress;
  readonly source: EthAddress;
  readonly etherType: number;
  /** With what fills a short frame up to 60 bytes. */
  readonly payload: Uint8Array;
}

/** @throws BadPacket */
export function decodeEthernet(bytes: Uint8Array): EthernetFrame {
  if (bytes.length > FRAME_BYTES_MAX) throw new BadPacket('ethernet', 'too-long');
  const reader = new OctetReader('ethernet', bytes);
  const destination = reader.mac();
  const source = reader.mac();
  const etherType = reader.u16();
  return { destination, source, etherType, payload: reader.rest() };
}

export function encodeEthernet({ destination, source, etherType, payload }: EthernetFrame): Uint8Array {
  const writer = new OctetWriter(HEADER_BYTES + payload.length);
  return writer.mac(destination).mac(source).u16(etherType).put(payload).bytes;
}

/** The address of Ethernet that an IPv6 multicast address goes to (RFC 2464, 7). */
export function multicastMac(ipv6: bigint): EthAddress {
  const digits = BigInt.asUintN(32, ipv6).toString(16).padStart(8, '0');
  return ethAddress(`33:33:${digits.replace(/..(?!$)/g, '$&:')}`);
}
