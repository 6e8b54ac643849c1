// DHCPv4 messages (RFC 2131, 2132): fixed fields and options as bytes by their code. What options mean is the server's.
import type { EthAddress } from '@openflow/ofp';
import { BadPacket, OctetReader, OctetWriter } from './octets.ts';

export const DhcpPort = { server: 67, client: 68 } as const;
export const DhcpType = {
  discover: 1,
  offer: 2,
  request: 3,
  decline: 4,
  ack: 5,
  nak: 6,
  release: 7,
  inform: 8,
} as const;
export const DhcpOption = {
  pad: 0,
  subnetMask: 1,
  router: 3,
  nameServers: 6,
  hostName: 12,
  domainName: 15,
  mtu: 26,
  requestedAddress: 50,
  leaseTime: 51,
  overload: 52,
  messageType: 53,
  serverId: 54,
  message: 56,
  clientId: 61,
  routes: 121,
  end: 255,
} as const;

const REQUEST = 1;
const REPLY = 2;
const ETHERNET = 1;
const MAC_BYTES = 6;
const MAC_ROOM_BYTES = 16;
const NAME_BYTES = 64;
const FILE_BYTES = 128;
const FIXED_BYTES = 240;
const MAGIC = 0x63825363;
const BROADCAST_FLAG = 0x8000;
/** What relays and clients of BOOTP expect at least (RFC 1542, 2.1). */
const MESSAGE_BYTES_MIN = 300;
const OPTION_BYTES_MAX = 255;
/** Of option 52: options go on in the field `file`, in `sname`, or in both (RFC 2132, 9.3). */
const OVERLOAD_FILE = 1;
const OVERLOAD_NAME = 2;

/** An option's code and value. */
export type DhcpOptionEntry = readonly [code: number, value: Uint8Array];

/** What a client sent. */
export interface DhcpRequest {
  /** `DhcpType`, or another number. */
  readonly type: number;
  readonly xid: number;
  readonly isBroadcast: boolean;
  readonly clientAddress: number;
  readonly relayAddress: number;
  readonly mac: EthAddress;
  /** By code; parts of one option are put together (RFC 3396). */
  readonly options: ReadonlyMap<number, Uint8Array>;
}

/** @throws BadPacket, of a message without a type too: BOOTP is not spoken */
export function decodeDhcpRequest(bytes: Uint8Array): DhcpRequest {
  const reader = new OctetReader('dhcp', bytes);
  reader.expect(reader.u8() === REQUEST && reader.u8() === ETHERNET && reader.u8() === MAC_BYTES);
  reader.bytes(1);
  const xid = reader.u32();
  reader.bytes(2);
  const isBroadcast = (reader.u16() & BROADCAST_FLAG) !== 0;
  const clientAddress = reader.u32();
  reader.bytes(8);
  const relayAddress = reader.u32();
  const mac = reader.mac();
  reader.bytes(MAC_ROOM_BYTES - MAC_BYTES);
  const name = reader.bytes(NAME_BYTES);
  const file = reader.bytes(FILE_BYTES);
  reader.expect(reader.u32() === MAGIC);
  const options = readOptions([reader.rest(), file, name]);
  const type = options.get(DhcpOption.messageType);
  reader.expect(type?.length === 1);
  return { type: type?.[0] ?? 0, xid, isBroadcast, clientAddress, relayAddress, mac, options };
}

function readOptions([main, file, name]: readonly [Uint8Array, Uint8Array, Uint8Array]): Map<number, Uint8Array> {
  const options = new Map<number, Uint8Array>();
  readPart(main, options);
  const overload = options.get(DhcpOption.overload)?.[0] ?? 0;
  if ((overload & OVERLOAD_FILE) !== 0) readPart(file, options);
  if ((overload & OVERLOAD_NAME) !== 0) readPart(name, options);
  return options;
}

function readPart(bytes: Uint8Array, into: Map<number, Uint8Array>): void {
  const reader = new OctetReader('dhcp', bytes);
  while (reader.left > 0) {
    const code = reader.u8();
    if (code === DhcpOption.end) return;
    if (code === DhcpOption.pad) continue;
    const value = reader.bytes(reader.u8());
    const before = into.get(code);
    into.set(code, before === undefined ? value : new Uint8Array([...before, ...value]));
  }
}

/** The IPv4 address in an option; undefined where there is none. @throws BadPacket unless it has four bytes */
export function addressOption({ options }: DhcpRequest, code: number): number | undefined {
  const value = options.get(code);
  if (value === undefined) return undefined;
  if (value.length !== 4) throw new BadPacket('dhcp', 'field');
  return new OctetReader('dhcp', value).u32();
}

/** What the server answers to a request. */
export interface DhcpReply {
  readonly request: DhcpRequest;
  readonly clientAddress: number;
  readonly yourAddress: number;
  readonly isBroadcast: boolean;
  readonly options: readonly DhcpOptionEntry[];
}

export function encodeDhcpReply({ request, clientAddress, yourAddress, isBroadcast, options }: DhcpReply): Uint8Array {
  const parts = options.flatMap(([code, value]) => optionParts(code, value));
  const length = parts.reduce((sum, part) => sum + part.length, FIXED_BYTES + 1);
  const writer = new OctetWriter(Math.max(length, MESSAGE_BYTES_MIN));
  writer
    .u8(REPLY)
    .u8(ETHERNET)
    .u8(MAC_BYTES)
    .u8(0)
    .u32(request.xid)
    .u16(0)
    .u16(isBroadcast ? BROADCAST_FLAG : 0);
  writer.u32(clientAddress).u32(yourAddress).u32(0).u32(request.relayAddress).mac(request.mac);
  writer.skip(MAC_ROOM_BYTES - MAC_BYTES + NAME_BYTES + FILE_BYTES).u32(MAGIC);
  for (const part of parts) writer.put(part);
  return writer.u8(DhcpOption.end).bytes;
}

/** One that is longer than its length can say goes in parts (RFC 3396). */
function optionParts(code: number, value: Uint8Array): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let at = 0; at === 0 || at < value.length; at += OPTION_BYTES_MAX) {
    const part = value.subarray(at, at + OPTION_BYTES_MAX);
    parts.push(new OctetWriter(2 + part.length).u8(code).u8(part.length).put(part).bytes);
  }
  return parts;
}
