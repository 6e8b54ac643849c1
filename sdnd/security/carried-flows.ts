// Connections that were carried to a switch, read back out of its own entries for the answers on them: a controller that was
// restarted, or took over, knows them by that (SOUNDNESS C5). Pure; the inverse of `answer-match`.
import { type EthAddress, ipv4Text, ipv6Text, type Match } from '@openflow/ofp';
import type { GuestConnection } from '../../wire/contracts/security-groups.ts';
import type { Flow } from '../flow.ts';
import { EtherType } from '../packets/ethernet.ts';
import { IpProtocol } from '../packets/ipv4.ts';
import { CARRIED_SEC, Priority, Table } from '../pipeline.ts';

/** An entry as a switch tells it: with its age. */
export interface AgedFlow extends Flow {
  readonly durationSec: number;
}

/** A connection of the guest that has this MAC address in this tenant's network. */
export interface CarriedConnection {
  readonly tenant: number;
  readonly mac: EthAddress;
  readonly connection: GuestConnection;
  /** So long the switch takes answers on it, seconds. */
  readonly leftSec: number;
}

type Ends = Pick<GuestConnection, 'from' | 'to'>;

/** Those for which there are entries; of others nothing is said. */
export function carriedIn(flows: Iterable<AgedFlow>): CarriedConnection[] {
  return [...flows].flatMap((flow) => {
    const { tableId, priority, hardTimeoutSec, durationSec, match } = flow;
    const mac = tableId === Table.groupsIn ? match.ethDst : match.ethSrc;
    const isCarried = (tableId === Table.groupsIn || tableId === Table.groupsOut) && priority === Priority.fallback;
    if (!isCarried || hardTimeoutSec !== CARRIED_SEC || typeof mac !== 'string') return [];
    const connection = answered(match);
    if (connection === undefined || typeof match.reg2 !== 'number') return [];
    return [{ tenant: match.reg2, mac, connection, leftSec: Math.max(0, CARRIED_SEC - durationSec) }];
  });
}

/** The connection on which a frame that matches is an answer: its destination has opened it. */
function answered(match: Match): GuestConnection | undefined {
  const { ipProto, tcpSrc, tcpDst, udpSrc, udpDst } = match;
  if (ipProto === IpProtocol.tcp) return between('tcp', endsOf(match, tcpDst, tcpSrc));
  return ipProto === IpProtocol.udp ? between('udp', endsOf(match, udpDst, udpSrc)) : undefined;
}

function between(protocol: GuestConnection['protocol'], ends: Ends | undefined): GuestConnection | undefined {
  return ends && { protocol, ...ends };
}

function endsOf(match: Match, opener: Match['tcpDst'], called: Match['tcpSrc']): Ends | undefined {
  const { ethType, ipv4Src, ipv4Dst, ipv6Src, ipv6Dst } = match;
  if (typeof opener !== 'number' || typeof called !== 'number') return undefined;
  const ends = (from: string, to: string): Ends => ({
    from: { address: from, port: opener },
    to: { address: to, port: called },
  });
  if (ethType === EtherType.ipv4 && typeof ipv4Src === 'number' && typeof ipv4Dst === 'number')
    return ends(ipv4Text(ipv4Dst), ipv4Text(ipv4Src));
  if (ethType === EtherType.ipv6 && typeof ipv6Src === 'bigint' && typeof ipv6Dst === 'bigint')
    return ends(ipv6Text(ipv6Dst), ipv6Text(ipv6Src));
  return undefined;
}
