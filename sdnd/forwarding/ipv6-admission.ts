// What of IPv6 a guest's port lets in: what comes from the addresses that follow from its MAC address, and of neighbour
// discovery only what says the truth of them, as ARP is looked at: who could answer for another's address would get its frames.
// No guest is a router to others (RFC 6105). Whatever mixture of old and new entries a switch has, what is not known to be
// true is dropped: that is one entry for all guests, and the mark that passes it is the guest's own.
import { type Action, ethAddress, type Instruction, type Match, setField } from '@openflow/ofp';
import type { Flow } from '../flow.ts';
import { EtherType } from '../packets/ethernet.ts';
import { Icmpv6Type } from '../packets/icmpv6.ts';
import { IpProtocol } from '../packets/ipv4.ts';
import { PROVEN, Priority, Table } from '../pipeline.ts';
import { row } from './flow-row.ts';
import type { Guest } from './guest.ts';
import { ipv6Of } from './ipv6-addresses.ts';

/** As Open vSwitch has it where an advertisement names no MAC address, as one to a single neighbour need not (RFC 4861, 4.4). */
const NO_MAC = ethAddress('00:00:00:00:00:00');

/** Of no guest, whatever it says, but for what is proven. */
const GUARDED_TYPES = [
  Icmpv6Type.routerAdvertisement,
  Icmpv6Type.neighbourSolicitation,
  Icmpv6Type.neighbourAdvertisement,
  Icmpv6Type.redirect,
];

/** `onward`: what is done with a frame that is let in, once it is marked. */
export function ipv6Admission(
  { binding, cookie, network }: Guest,
  inPort: number,
  onward: (...marks: readonly Action[]) => readonly Instruction[],
): Flow[] {
  const mac = ethAddress(binding.mac);
  const ip: Match = { inPort, ethSrc: mac, ethType: EtherType.ipv6 };
  const proven = (match: Match): Flow => {
    const icmp: Match = { ...ip, ipProto: IpProtocol.icmpv6, ...match };
    return row(cookie, Table.ingress, Priority.proven, icmp, onward(setField('reg6', PROVEN)));
  };
  const asks = { icmpv6Type: Icmpv6Type.neighbourSolicitation, ipv6NdSll: mac };
  const answers = { icmpv6Type: Icmpv6Type.neighbourAdvertisement };
  return ipv6Of(network, binding).flatMap((ipv6Src) => [
    row(cookie, Table.ingress, Priority.normal, { ...ip, ipv6Src }, onward()),
    proven({ ipv6Src, ...asks }),
    ...[mac, NO_MAC].map((ipv6NdTll) => proven({ ipv6Src, ...answers, ipv6NdTarget: ipv6Src, ipv6NdTll })),
  ]);
}

/** For all guests of a switch. */
export function neighbourGuard(cookie: bigint): Flow[] {
  return GUARDED_TYPES.map((icmpv6Type) => {
    const match: Match = { reg6: 0, ethType: EtherType.ipv6, ipProto: IpProtocol.icmpv6, icmpv6Type };
    return row(cookie, Table.route, Priority.guard, match, []);
  });
}
