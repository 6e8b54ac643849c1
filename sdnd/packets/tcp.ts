// TCP segments (RFC 9293), one at a time: nothing is known of a connection here. Options are passed over.
import { checksum, type IpEnds, pseudoHeader } from './checksum.ts';
import { IpProtocol } from './ipv4.ts';
import { BadPacket, OctetReader, OctetWriter } from './octets.ts';

export const TcpFlag = { fin: 0x01, syn: 0x02, rst: 0x04, psh: 0x08, ack: 0x10 } as const;

const HEADER_BYTES = 20;
const CHECKSUM_AT = 16;
const MSS_OPTION = 2;
const MSS_OPTION_BYTES = 4;
const WINDOW_BYTES = 0xffff;

export interface TcpSegment {
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** 32 bits, as the next. */
  readonly sequence: number;
  readonly acknowledgement: number;
  /** Of `TcpFlag`, and others. */
  readonly flags: number;
  readonly payload: Uint8Array;
}

/** @throws BadPacket */
export function decodeTcp(ends: IpEnds, bytes: Uint8Array): TcpSegment {
  const reader = new OctetReader('tcp', bytes);
  const ports = { sourcePort: reader.u16(), destinationPort: reader.u16() };
  const numbers = { sequence: reader.u32(), acknowledgement: reader.u32() };
  const headerBytes = (reader.u8() >> 4) * 4;
  const flags = reader.u8();
  reader.expect(headerBytes >= HEADER_BYTES);
  reader.bytes(headerBytes - CHECKSUM_AT + 2);
  if (checksum(pseudoHeader(ends, IpProtocol.tcp, bytes.length), bytes) !== 0) throw new BadPacket('tcp', 'checksum');
  return { ...ports, ...numbers, flags, payload: reader.rest() };
}

/** `mssBytes`: the longest payload that may come back, in a segment with SYN. */
export function encodeTcp(ends: IpEnds, segment: TcpSegment & { readonly mssBytes?: number }): Uint8Array {
  const { sourcePort, destinationPort, sequence, acknowledgement, flags, payload, mssBytes } = segment;
  const headerBytes = HEADER_BYTES + (mssBytes === undefined ? 0 : MSS_OPTION_BYTES);
  const writer = new OctetWriter(headerBytes + payload.length).u16(sourcePort).u16(destinationPort);
  writer
    .u32(sequence)
    .u32(acknowledgement)
    .u8((headerBytes / 4) << 4)
    .u8(flags);
  writer.u16(WINDOW_BYTES).u16(0).u16(0);
  if (mssBytes !== undefined) writer.u8(MSS_OPTION).u8(MSS_OPTION_BYTES).u16(mssBytes);
  writer.put(payload);
  const sum = checksum(pseudoHeader(ends, IpProtocol.tcp, writer.bytes.length), writer.bytes);
  return writer.setU16(CHECKSUM_AT, sum).bytes;
}
