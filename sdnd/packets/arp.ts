// ARP of IPv4 over Ethernet (RFC 826).
import type { EthAddress } from '@openflow/ofp';
import { OctetReader, OctetWriter } from './octets.ts';

const ARP_BYTES = 28;
const ETHERNET = 1;
const IPV4 = 0x0800;
export const ArpOperation = { request: 1, reply: 2 } as const;

export interface ArpPacket {
  /** `ArpOperation`, or another number. */
  readonly operation: number;
  readonly senderMac: EthAddress;
  readonly senderIp: number;
  readonly targetMac: EthAddress;
  readonly targetIp: number;
}

/** @throws BadPacket */
export function decodeArp(bytes: Uint8Array): ArpPacket {
  const reader = new OctetReader('arp', bytes);
  reader.expect(reader.u16() === ETHERNET && reader.u16() === IPV4);
  reader.expect(reader.u8() === 6 && reader.u8() === 4);
  return {
    operation: reader.u16(),
    senderMac: reader.mac(),
    senderIp: reader.u32(),
    targetMac: reader.mac(),
    targetIp: reader.u32(),
  };
}

export function encodeArp({ operation, senderMac, senderIp, targetMac, targetIp }: ArpPacket): Uint8Array {
  const writer = new OctetWriter(ARP_BYTES).u16(ETHERNET).u16(IPV4).u8(6).u8(4).u16(operation);
  return writer.mac(senderMac).u32(senderIp).mac(targetMac).u32(targetIp).bytes;
}
