// ARP, answered at the first switch for every known address of the asker's tenant; nothing is flooded.
import {
  type EthAddress,
  ethAddress,
  type Instruction,
  ipv4,
  type Match,
  output,
  PortNumber,
  regMove,
  setField,
} from '@openflow/ofp';
import type { Flow } from '../flow.ts';
import { Priority, Table } from '../pipeline.ts';
import { ARP_REQUEST, ETH_TYPE_ARP } from './admission.ts';
import { act, row } from './flow-row.ts';
import type { Guest } from './guest.ts';

const ARP_REPLY = 2;

/** The switch answers in the guest's place: the request becomes the reply and goes back where it came from. */
export function arpAnswer({ binding, tenant, cookie }: Guest): Flow {
  const ip = ipv4(binding.ip);
  const match: Match = { reg2: tenant, ethType: ETH_TYPE_ARP, arpOp: ARP_REQUEST, arpTpa: ip };
  return row(cookie, Table.arp, Priority.normal, match, replyTo(ethAddress(binding.mac), ip));
}

/** What a request gets that asks for an address. */
export function replyTo(mac: EthAddress, ip: number): readonly Instruction[] {
  return act(
    regMove('ethSrc', 'ethDst', 48),
    setField('ethSrc', mac),
    setField('arpOp', ARP_REPLY),
    regMove('arpSha', 'arpTha', 48),
    regMove('arpSpa', 'arpTpa', 32),
    setField('arpSha', mac),
    setField('arpSpa', ip),
    output(PortNumber.inPort),
  );
}
