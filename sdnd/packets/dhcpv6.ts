// DHCPv6 messages between a client and a server (RFC 8415): options by their code, and of those for an address (IA_NA) what is
// in them. What a message means is the server's. Relays' messages and delegated prefixes are not read.
import { BadPacket, OctetReader, OctetWriter } from './octets.ts';

export const Dhcpv6Port = { client: 546, server: 547 } as const;
/** Relays and servers on the link: ff02::1:2 (7.1). */
export const DHCPV6_SERVERS = (0xff02n << 112n) | 0x1_0002n;

/** RFC 8415, 7.3. */
export const Dhcpv6Type = {
  solicit: 1,
  advertise: 2,
  request: 3,
  confirm: 4,
  renew: 5,
  rebind: 6,
  reply: 7,
  release: 8,
  decline: 9,
  informationRequest: 11,
  relayForward: 12,
} as const;

/** RFC 8415, 21; RFC 3646 of DNS. */
export const Dhcpv6Option = {
  clientId: 1,
  serverId: 2,
  ia: 3,
  iaAddress: 5,
  status: 13,
  rapidCommit: 14,
  nameServers: 23,
  searchList: 24,
} as const;

/** RFC 8415, 21.13. */
export const Dhcpv6Status = { success: 0, noAddresses: 2, notOnLink: 4 } as const;

const OPTION_HEADER_BYTES = 4;
const IA_BYTES = 12;
const IA_ADDRESS_BYTES = 24;
/** A DUID: its type and at most 128 bytes (11.1). */
const DUID_BYTES_MIN = 3;
const DUID_BYTES_MAX = 130;
/** More than a client has on one interface; and so an answer is not much longer than what it answers, and never than the MTU. */
const IAS_MAX = 4;
const ADDRESSES_MAX = 4;

/** A client's identity association for addresses (IA_NA, 21.4). */
export interface Dhcpv6Ia {
  readonly id: number;
  /** Those that the client has, or wishes for. */
  readonly addresses: readonly bigint[];
}

/** What a client sent. */
export interface Dhcpv6Request {
  /** `Dhcpv6Type`, or another number. */
  readonly type: number;
  /** 24 bits. */
  readonly transaction: number;
  /** DUIDs (11). */
  readonly clientId?: Uint8Array;
  readonly serverId?: Uint8Array;
  /** The first `IAS_MAX` of them, of each the first `ADDRESSES_MAX` addresses. */
  readonly ias: readonly Dhcpv6Ia[];
  /** The client takes an answer in two messages instead of four (21.14). */
  readonly isRapid: boolean;
}

/** @throws BadPacket */
export function decodeDhcpv6Request(bytes: Uint8Array): Dhcpv6Request {
  const reader = new OctetReader('dhcpv6', bytes);
  const head = reader.u32();
  const options = readOptions(reader.rest());
  const clientId = duidIn(options, Dhcpv6Option.clientId);
  const serverId = duidIn(options, Dhcpv6Option.serverId);
  return {
    type: head >>> 24,
    transaction: head & 0xffffff,
    ...(clientId !== undefined && { clientId }),
    ...(serverId !== undefined && { serverId }),
    ias: (options.get(Dhcpv6Option.ia) ?? []).slice(0, IAS_MAX).map(readIa),
    isRapid: options.has(Dhcpv6Option.rapidCommit),
  };
}

function readOptions(bytes: Uint8Array): Map<number, Uint8Array[]> {
  const reader = new OctetReader('dhcpv6', bytes);
  const options = new Map<number, Uint8Array[]>();
  while (reader.left > 0) {
    const code = reader.u16();
    const value = reader.bytes(reader.u16());
    options.set(code, [...(options.get(code) ?? []), value]);
  }
  return options;
}

function duidIn(options: ReadonlyMap<number, readonly Uint8Array[]>, code: number): Uint8Array | undefined {
  const values = options.get(code) ?? [];
  const [duid] = values;
  const isLength = duid === undefined || (duid.length >= DUID_BYTES_MIN && duid.length <= DUID_BYTES_MAX);
  if (values.length > 1 || !isLength) throw new BadPacket('dhcpv6', 'field');
  return duid;
}

function readIa(bytes: Uint8Array): Dhcpv6Ia {
  const reader = new OctetReader('dhcpv6', bytes);
  const id = reader.u32();
  reader.bytes(IA_BYTES - 4);
  const addresses = readOptions(reader.rest()).get(Dhcpv6Option.iaAddress) ?? [];
  return { id, addresses: addresses.slice(0, ADDRESSES_MAX).map(readAddress) };
}

function readAddress(bytes: Uint8Array): bigint {
  const reader = new OctetReader('dhcpv6', bytes);
  const address = reader.ipv6();
  reader.bytes(IA_ADDRESS_BYTES - 16);
  return address;
}

/** An option's code and value. */
export type Dhcpv6OptionEntry = readonly [code: number, value: Uint8Array];

/** What the server answers. */
export function encodeDhcpv6Reply(
  type: number,
  { transaction }: Pick<Dhcpv6Request, 'transaction'>,
  options: readonly Dhcpv6OptionEntry[],
): Uint8Array {
  const writer = new OctetWriter(OPTION_HEADER_BYTES + lengthOf(options));
  return putOptions(writer.u32(((type << 24) | transaction) >>> 0), options).bytes;
}

/** When a client is to ask again for the addresses of an association: the same server, then any (21.4); seconds. */
export interface Dhcpv6Times {
  readonly renewS: number;
  readonly rebindS: number;
}

/** IA_NA with what is in it. */
export function iaOption(
  id: number,
  { renewS, rebindS }: Dhcpv6Times,
  options: readonly Dhcpv6OptionEntry[],
): Dhcpv6OptionEntry {
  const writer = new OctetWriter(IA_BYTES + lengthOf(options)).u32(id).u32(renewS).u32(rebindS);
  return [Dhcpv6Option.ia, putOptions(writer, options).bytes];
}

/** An address, and for how many seconds it is good, preferred as well as valid; 0: no more (21.6). */
export function iaAddressOption(address: bigint, lifetimeS: number): Dhcpv6OptionEntry {
  const writer = new OctetWriter(IA_ADDRESS_BYTES).ipv6(address).u32(lifetimeS).u32(lifetimeS);
  return [Dhcpv6Option.iaAddress, writer.bytes];
}

/** `Dhcpv6Status` and a sentence (21.13). */
export function statusOption(status: number, words: string): Dhcpv6OptionEntry {
  const text = new TextEncoder().encode(words);
  return [Dhcpv6Option.status, new OctetWriter(2 + text.length).u16(status).put(text).bytes];
}

function lengthOf(options: readonly Dhcpv6OptionEntry[]): number {
  return options.reduce((sum, [, value]) => sum + OPTION_HEADER_BYTES + value.length, 0);
}

function putOptions(writer: OctetWriter, options: readonly Dhcpv6OptionEntry[]): OctetWriter {
  for (const [code, value] of options) writer.u16(code).u16(value.length).put(value);
  return writer;
}
