// Which fields a match field needs beside it, and with which values: a table of facts (OpenFlow 1.3.5, 7.2.3.8;
// ovs-fields(7) for Open vSwitch's fields) and the check of a match against it. Must never look at the wire.

import type { FieldName } from './fields.ts';
import type { Match } from './match.ts';
import type { Masked, Value } from './oxm.ts';

/** What must stand beside a field: `field`, and its bits as in one of `anyOf`; with any value where that is absent. */
export interface Prerequisite {
  readonly field: FieldName;
  readonly anyOf?: readonly Masked<number>[];
}

const ALL_BITS = 0xffff_ffff;

function needs(field: FieldName, ...values: readonly number[]): Prerequisite {
  return { field, anyOf: values.map((value) => ({ value, mask: ALL_BITS })) };
}

const IPV4 = needs('ethType', 0x0800);
const IPV6 = needs('ethType', 0x86dd);
const IP = needs('ethType', 0x0800, 0x86dd);
const ARP = needs('ethType', 0x0806);
const MPLS = needs('ethType', 0x8847, 0x8848);
const TCP = needs('ipProto', 6);
const UDP = needs('ipProto', 17);
const SCTP = needs('ipProto', 132);
const ICMPV4 = needs('ipProto', 1);
const ICMPV6 = needs('ipProto', 58);
const ND = needs('icmpv6Type', 135, 136);
/** A connection that is known: new, established, related, or tracked and not invalid. */
const TRACKED: Prerequisite = {
  field: 'ctState',
  anyOf: [
    { value: 0x01, mask: 0x01 },
    { value: 0x02, mask: 0x02 },
    { value: 0x04, mask: 0x04 },
    { value: 0x20, mask: 0x30 },
  ],
};

const NEEDS: { readonly [F in FieldName]?: readonly Prerequisite[] } = {
  inPhyPort: [{ field: 'inPort' }],
  vlanPcp: [{ field: 'vlanVid', anyOf: [{ value: 0x1000, mask: 0x1000 }] }],
  ipDscp: [IP],
  ipEcn: [IP],
  ipProto: [IP],
  ipv4Src: [IPV4],
  ipv4Dst: [IPV4],
  tcpSrc: [TCP],
  tcpDst: [TCP],
  udpSrc: [UDP],
  udpDst: [UDP],
  sctpSrc: [SCTP],
  sctpDst: [SCTP],
  icmpv4Type: [IPV4, ICMPV4],
  icmpv4Code: [IPV4, ICMPV4],
  arpOp: [ARP],
  arpSpa: [ARP],
  arpTpa: [ARP],
  arpSha: [ARP],
  arpTha: [ARP],
  ipv6Src: [IPV6],
  ipv6Dst: [IPV6],
  ipv6Flabel: [IPV6],
  icmpv6Type: [IPV6, ICMPV6],
  icmpv6Code: [IPV6, ICMPV6],
  ipv6NdTarget: [ND],
  ipv6NdSll: [needs('icmpv6Type', 135)],
  ipv6NdTll: [needs('icmpv6Type', 136)],
  mplsLabel: [MPLS],
  mplsTc: [MPLS],
  mplsBos: [MPLS],
  pbbIsid: [needs('ethType', 0x88e7)],
  ipv6Exthdr: [IPV6],
  tcpFlags: [TCP],
  ipTos: [IP],
  ipFrag: [IP],
  ipTtl: [IP],
  mplsTtl: [MPLS],
  ctNwProto: [IP, TRACKED],
  ctNwSrc: [IPV4, TRACKED],
  ctNwDst: [IPV4, TRACKED],
  ctIpv6Src: [IPV6, TRACKED],
  ctIpv6Dst: [IPV6, TRACKED],
  ctTpSrc: [IP, TRACKED],
  ctTpDst: [IP, TRACKED],
};

/** A field of a match that lacks what it needs beside it. */
export interface MissingPrerequisite {
  readonly field: FieldName;
  readonly needs: Prerequisite;
}

/**
 * The first field of a match whose prerequisite is not there, or undefined. A switch refuses such a match with
 * BAD_MATCH BAD_PREREQ; neither `encode` nor `decode` does. Prerequisites of prerequisites are found at their own field.
 */
export function missingPrerequisite(match: Match): MissingPrerequisite | undefined {
  for (const field of Object.keys(match)) {
    if (field === 'raw') continue;
    const missing = (NEEDS[field as FieldName] ?? []).find((need) => !meets(match, need));
    if (missing !== undefined) return { field: field as FieldName, needs: missing };
  }
  return undefined;
}

function meets(match: Match, { field, anyOf }: Prerequisite): boolean {
  const found: Value | Masked<Value> | undefined = match[field];
  if (found === undefined) return false;
  const { value, mask: seen } = typeof found === 'object' ? found : { value: found, mask: ALL_BITS };
  if (anyOf === undefined) return true;
  if (typeof value !== 'number' || typeof seen !== 'number') return false;
  // The bits that decide must all be matched on.
  return anyOf.some(({ value: wanted, mask }) => (seen & mask) === (mask | 0) && (value & mask) === (wanted | 0));
}
