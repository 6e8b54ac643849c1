// What the services make of a frame: frames for the port that it came from, and what the agent may want to know.
import type { EthAddress } from '@openflow/ofp';
import { EtherType, encodeEthernet } from '../packets/ethernet.ts';
import { encodeIpv4, IpProtocol } from '../packets/ipv4.ts';
import { encodeIpv6 } from '../packets/ipv6.ts';
import type { PacketFault } from '../packets/octets.ts';
import { encodeUdp, type UdpDatagram } from '../packets/udp.ts';
import type { GuestHost, NetworkDirectory } from './guest-network.ts';

/** Why a frame was refused. */
export type Refusal =
  /** A source or client address that is not the port's guest's (PROMISES N6). */
  | 'not-own-mac'
  | 'not-own-address'
  /** It is longer than the guest's MTU, and so might be what answers it. */
  | 'over-mtu'
  /** The guest's binding has no IPv4 address to lease. */
  | 'nothing-bound'
  /** It came through a relay: there is none between a guest and its port. */
  | 'relayed'
  /** It is for nobody here: the switch should not have brought it. */
  | 'not-for-services';

export type ServiceEvent =
  /** The guest was told its address (an ACK; over IPv6 a Reply): of IPv4 a number, of IPv6 a bigint, here and below. */
  | { readonly kind: 'leased'; readonly portNo: number; readonly address: number | bigint }
  /** The guest gives its address back; the binding stays. */
  | { readonly kind: 'released'; readonly portNo: number; readonly address: number | bigint }
  /** The guest says that somebody else uses the address that is its own. */
  | { readonly kind: 'declined'; readonly portNo: number; readonly address: number | bigint }
  | { readonly kind: 'refused'; readonly portNo: number; readonly reason: Refusal }
  | { readonly kind: 'malformed'; readonly portNo: number; readonly protocol: string; readonly fault: PacketFault }
  /** So many frames were dropped unseen, because the port sends too many; at most one such event per port and second. */
  | { readonly kind: 'limited'; readonly portNo: number; readonly frames: number }
  /** The guest sent to a stub whose resource is elsewhere; nobody answers that. */
  | { readonly kind: 'stub-asked'; readonly portNo: number; readonly guest: string; readonly stub: string }
  /** A name outside of the network was asked for, and refused; forwarding such questions would begin here. */
  | { readonly kind: 'name-beyond'; readonly portNo: number; readonly name: string; readonly type: string };

export interface Answer {
  readonly frames: readonly Uint8Array[];
  readonly events: readonly ServiceEvent[];
}

export const NO_ANSWER: Answer = { frames: [], events: [] };

/** Who asks: the guest behind a port, and its network. */
export interface Asker {
  readonly portNo: number;
  readonly host: GuestHost;
  readonly directory: NetworkDirectory;
  /** IPv6 prefixes that the guest was told of, and whose it is no more. */
  readonly withdrawn?: readonly bigint[];
}

export function refusal({ portNo }: Asker, reason: Refusal): Answer {
  return { frames: [], events: [{ kind: 'refused', portNo, reason }] };
}

/** One frame of the services to a MAC address of the port. */
export function frameFor(
  { directory }: Asker,
  destination: EthAddress,
  etherType: number,
  payload: Uint8Array,
): Uint8Array {
  return encodeEthernet({ destination, source: directory.network.serviceMac, etherType, payload });
}

/** The ends of a datagram of either family: numbers are IPv4 addresses, bigints IPv6 addresses. */
export type DatagramEnds =
  | { readonly source: number; readonly destination: number }
  | { readonly source: bigint; readonly destination: bigint };

const HOP_LIMIT = 64;

/** One frame with a datagram of the services; `ends` as it is sent. */
export function datagramFor(asker: Asker, mac: EthAddress, ends: DatagramEnds, datagram: UdpDatagram): Uint8Array {
  const payload = encodeUdp(ends, datagram);
  const { source, destination } = ends;
  if (typeof source === 'number' && typeof destination === 'number') {
    const packet = encodeIpv4({ source, destination, protocol: IpProtocol.udp, payload });
    return frameFor(asker, mac, EtherType.ipv4, packet);
  }
  const both = { source: BigInt(source), destination: BigInt(destination) };
  const packet = encodeIpv6({ ...both, hopLimit: HOP_LIMIT, nextHeader: IpProtocol.udp, payload });
  return frameFor(asker, mac, EtherType.ipv6, packet);
}
