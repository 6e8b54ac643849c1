// A tenant's network of three VMs, and what a guest's own software would send from one of them. Not a test itself.
import { type EthAddress, ethAddress, ipv4, ipv6 } from '@openflow/ofp';
import { selfMadeAddress } from '../../../common/addresses/ipv6-address.ts';
import type { Asker } from '../../../sdnd/guest-services/answers.ts';
import {
  type GuestHost,
  type GuestNetwork,
  METADATA_IPV4,
  NetworkDirectory,
} from '../../../sdnd/guest-services/guest-network.ts';
import { checksum, pseudoHeader } from '../../../sdnd/packets/checksum.ts';
import { DhcpOption, type DhcpOptionEntry, DhcpType } from '../../../sdnd/packets/dhcp.ts';
import {
  DHCPV6_SERVERS,
  Dhcpv6Option,
  type Dhcpv6OptionEntry,
  iaAddressOption,
  iaOption,
} from '../../../sdnd/packets/dhcpv6.ts';
import { BROADCAST_MAC, EtherType, encodeEthernet, multicastMac } from '../../../sdnd/packets/ethernet.ts';
import { BROADCAST_IPV4, encodeIpv4, IpProtocol } from '../../../sdnd/packets/ipv4.ts';
import { encodeIpv6, linkLocalOf, solicitedNode } from '../../../sdnd/packets/ipv6.ts';
import { OctetWriter } from '../../../sdnd/packets/octets.ts';
import { encodeTcp, TcpFlag, type TcpSegment } from '../../../sdnd/packets/tcp.ts';
import { encodeUdp } from '../../../sdnd/packets/udp.ts';

export const PREFIX = ipv6('fd00:88::');
export const ROUTER = PREFIX | 1n;
export const SERVICES = ipv4('10.88.0.1');
export const SERVICE_MAC = ethAddress('02:53:43:00:00:01');
export const WEB_MAC = ethAddress('02:88:00:00:00:0a');
export const DB_MAC = ethAddress('02:88:00:00:00:0b');
export const WEB: GuestHost = {
  name: 'web',
  mac: WEB_MAC,
  ipv4: [ipv4('10.88.0.10'), ipv4('10.88.0.20')],
  ipv6: [selfMadeAddress(PREFIX, WEB_MAC)],
};
export const DB: GuestHost = { name: 'db', mac: DB_MAC, ipv4: [ipv4('10.88.0.11')], ipv6: [PREFIX | 0x11n] };
/** It has no addresses. */
const BARE: GuestHost = { name: 'bare', mac: ethAddress('02:88:00:00:00:0c'), ipv4: [], ipv6: [] };

export const NETWORK: GuestNetwork = {
  tenant: 1,
  domain: 'shop.internal',
  mtuBytes: 1330,
  serviceMac: SERVICE_MAC,
  subnets: [{ subnet: ipv4('10.88.0.0'), bits: 24, services: SERVICES, router: SERVICES }],
  prefixes: [{ prefix: PREFIX, router: ROUTER }],
  hosts: [WEB, DB, BARE],
};

/** The guest behind port 7. */
export function asker(host: GuestHost = WEB, network: GuestNetwork = NETWORK): Asker {
  return { portNo: 7, host, directory: new NetworkDirectory(network) };
}

export { BARE };

/** A frame of `web` with an IPv4 datagram. */
export function datagram4(
  source: number,
  destination: number,
  [sourcePort, destinationPort]: readonly [number, number],
  payload: Uint8Array,
): Uint8Array {
  const ends = { source, destination };
  const udp = encodeUdp(ends, { sourcePort, destinationPort, payload });
  const packet = encodeIpv4({ ...ends, protocol: IpProtocol.udp, payload: udp });
  const mac = destination === BROADCAST_IPV4 ? BROADCAST_MAC : SERVICE_MAC;
  return encodeEthernet({ destination: mac, source: WEB_MAC, etherType: EtherType.ipv4, payload: packet });
}

/** A frame of `web` with a segment for the metadata address. */
export function metadataFrame(segment: Partial<TcpSegment>, source = WEB.ipv4[0] ?? 0): Uint8Array {
  const ends = { source, destination: METADATA_IPV4 };
  const ports = { sourcePort: 40_000, destinationPort: 80 };
  const numbers = { sequence: 1_000, acknowledgement: 0, flags: TcpFlag.ack, payload: new Uint8Array(0) };
  const payload = encodeTcp(ends, { ...ports, ...numbers, ...segment });
  const packet = encodeIpv4({ ...ends, protocol: IpProtocol.tcp, payload });
  return encodeEthernet({ destination: SERVICE_MAC, source: WEB_MAC, etherType: EtherType.ipv4, payload: packet });
}

/** What a DHCP client says; all that it does not say is zero. */
export interface DhcpWords {
  readonly type: number;
  readonly clientAddress?: number;
  readonly requested?: number;
  readonly serverId?: number;
  readonly relay?: number;
  readonly isBroadcast?: boolean;
  readonly mac?: EthAddress;
  readonly options?: readonly DhcpOptionEntry[];
}

export const XID = 0x12345678;

/** A client's message (RFC 2131, figure 1). */
export function dhcpMessage({ type, mac = WEB_MAC, options = [], ...words }: DhcpWords): Uint8Array {
  const address = (code: number, value: number | undefined): DhcpOptionEntry[] =>
    value === undefined ? [] : [[code, new OctetWriter(4).u32(value).bytes]];
  const all: DhcpOptionEntry[] = [
    [DhcpOption.messageType, Uint8Array.of(type)],
    ...address(DhcpOption.requestedAddress, words.requested),
    ...address(DhcpOption.serverId, words.serverId),
    ...options,
  ];
  const length = all.reduce((sum, [, value]) => sum + 2 + value.length, 241);
  const writer = new OctetWriter(length).u8(1).u8(1).u8(6).u8(0).u32(XID).u16(0);
  writer
    .u16(words.isBroadcast === true ? 0x8000 : 0)
    .u32(words.clientAddress ?? 0)
    .skip(8)
    .u32(words.relay ?? 0);
  writer.mac(mac).skip(202).u32(0x63825363);
  for (const [code, value] of all) writer.u8(code).u8(value.length).put(value);
  return writer.u8(255).bytes;
}

/** A frame with it, from the address that the client has. */
export function dhcpFrame(words: DhcpWords): Uint8Array {
  const source = words.clientAddress ?? 0;
  const isUnicast = words.type === DhcpType.release;
  return datagram4(source, isUnicast ? SERVICES : BROADCAST_IPV4, [68, 67], dhcpMessage(words));
}

/** What a DHCPv6 client says (RFC 8415). */
export interface Dhcpv6Words {
  readonly type: number;
  /** Null: none. */
  readonly clientId?: Uint8Array | null;
  readonly serverId?: Uint8Array;
  /** The addresses of each association. */
  readonly ias?: readonly (readonly bigint[])[];
  readonly options?: readonly Dhcpv6OptionEntry[];
}

export const TRANSACTION = 0xabcdef;
/** A DUID of an enterprise (RFC 8415, 11.3). */
export const CLIENT_DUID = Uint8Array.of(0, 2, 0, 0, 0xab, 0x11, 1, 2, 3, 4);
/** Of the services' MAC address (RFC 8415, 11.4). */
export const SERVER_DUID = Uint8Array.of(0, 3, 0, 1, 0x02, 0x53, 0x43, 0, 0, 1);

export function dhcpv6Message({
  type,
  clientId = CLIENT_DUID,
  serverId,
  ias = [],
  options = [],
}: Dhcpv6Words): Uint8Array {
  const all: Dhcpv6OptionEntry[] = [
    ...(clientId === null ? [] : [[Dhcpv6Option.clientId, clientId] as const]),
    ...(serverId === undefined ? [] : [[Dhcpv6Option.serverId, serverId] as const]),
    ...ias.map((addresses, id) => {
      return iaOption(
        id,
        { renewS: 0, rebindS: 0 },
        addresses.map((address) => iaAddressOption(address, 0)),
      );
    }),
    ...options,
  ];
  const writer = new OctetWriter(all.reduce((sum, [, value]) => sum + 4 + value.length, 4));
  writer.u32(((type << 24) | TRANSACTION) >>> 0);
  for (const [code, value] of all) writer.u16(code).u16(value.length).put(value);
  return writer.bytes;
}

/** A frame of `web` to the servers of DHCPv6 on its link. */
export function dhcpv6Frame(
  message: Uint8Array,
  source = linkLocalOf(WEB_MAC),
  destination = DHCPV6_SERVERS,
): Uint8Array {
  const ends = { source, destination };
  const udp = encodeUdp(ends, { sourcePort: 546, destinationPort: 547, payload: message });
  const packet = encodeIpv6({ ...ends, hopLimit: 1, nextHeader: IpProtocol.udp, payload: udp });
  const to = multicastMac(destination);
  return encodeEthernet({ destination: to, source: WEB_MAC, etherType: EtherType.ipv6, payload: packet });
}

/** A frame of `web` with a message of ICMPv6 in it, its checksum made right. */
export function icmpv6Frame(source: bigint, destination: bigint, message: Uint8Array, hopLimit = 255): Uint8Array {
  const payload = message.slice();
  const ends = { source, destination };
  new DataView(payload.buffer).setUint16(2, 0);
  new DataView(payload.buffer).setUint16(2, checksum(pseudoHeader(ends, IpProtocol.icmpv6, payload.length), payload));
  const packet = encodeIpv6({ ...ends, hopLimit, nextHeader: IpProtocol.icmpv6, payload });
  const to = multicastMac(destination);
  return encodeEthernet({ destination: to, source: WEB_MAC, etherType: EtherType.ipv6, payload: packet });
}

/** A neighbour solicitation of `web` with its MAC address, or without one from nowhere. */
export function solicitationFrame(source: bigint, target: bigint): Uint8Array {
  const option = source === 0n ? 0 : 8;
  const writer = new OctetWriter(24 + option).u8(135).u8(0).u16(0).u32(0).ipv6(target);
  if (option > 0) writer.u8(1).u8(1).mac(WEB_MAC);
  return icmpv6Frame(source, solicitedNode(target), writer.bytes);
}
