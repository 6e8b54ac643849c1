// Random flows that Open vSwitch takes: matches whose fields a packet may have together, each with its prerequisites, and
// actions and instructions in the order in which it writes them.
import {
  type Action,
  applyActions,
  FIELDS,
  type FieldName,
  type FlowStats,
  gotoTable,
  type Instruction,
  type Match,
  NX_RESUBMIT_IN_PORT,
  output,
  PortNumber,
  regMove,
  setField,
} from '@openflow/ofp';
import type { Random } from '../unit/openflow/random.ts';
import { randomEth, randomField, randomValue } from '../unit/openflow/random-field.ts';

// Each template is a set of fields that a packet may have together, its prerequisites fixed.
const TEMPLATES: readonly { readonly fixed: Match; readonly free: readonly FieldName[] }[] = [
  { fixed: {}, free: ['ethDst', 'ethSrc'] },
  { fixed: { ethType: 0x0800 }, free: ['ipv4Src', 'ipv4Dst', 'ipDscp', 'ipEcn', 'ipTtl'] },
  { fixed: { ethType: 0x0800, ipProto: 6 }, free: ['tcpSrc', 'tcpDst', 'ipv4Src'] },
  { fixed: { ethType: 0x0800, ipProto: 17 }, free: ['udpSrc', 'udpDst', 'ipv4Dst'] },
  { fixed: { ethType: 0x0800, ipProto: 132 }, free: ['sctpSrc', 'sctpDst'] },
  { fixed: { ethType: 0x0800, ipProto: 1 }, free: ['icmpv4Type', 'icmpv4Code'] },
  { fixed: { ethType: 0x0806 }, free: ['arpSpa', 'arpTpa', 'arpSha', 'arpTha'] },
  { fixed: { ethType: 0x86dd }, free: ['ipv6Src', 'ipv6Dst', 'ipv6Flabel'] },
  { fixed: { ethType: 0x86dd, ipProto: 58, icmpv6Type: 135, icmpv6Code: 0 }, free: ['ipv6NdTarget', 'ipv6NdSll'] },
  { fixed: { ethType: 0x86dd, ipProto: 58, icmpv6Type: 136, icmpv6Code: 0 }, free: ['ipv6NdTarget', 'ipv6NdTll'] },
  { fixed: { ethType: 0x8847 }, free: ['mplsLabel', 'mplsTc', 'mplsBos'] },
];

const REGISTERS: readonly FieldName[] = ['reg0', 'reg1', 'reg2', 'reg3', 'reg7', 'reg9', 'reg15'];
const TUNNEL: readonly FieldName[] = ['metadata', 'tunnelId', 'tunIpv4Src', 'tunIpv4Dst', 'pktMark'];
const CONNTRACK: readonly FieldName[] = ['ctZone', 'ctMark', 'ctLabel'];

function randomMatch(random: Random): Match {
  const { fixed, free } = random.pick(TEMPLATES);
  const names = new Set([...free, ...REGISTERS, ...TUNNEL, ...CONNTRACK].filter(() => random.chance(0.3)));
  const port = random.chance(0.5) ? { inPort: 1 + random.below(1000) } : {};
  return {
    ...port,
    ...fixed,
    ...Object.fromEntries([...names].map((name) => [name, usefulField(random, name)])),
  } as Match;
}

/**
 * A mask of all ones comes back as no mask and one of all zeros as no field: neither is generated here. Nor are masks of
 * IPv6 addresses: ovs-ofctl does not read every one that it prints.
 */
function usefulField(random: Random, name: FieldName): unknown {
  if (name.startsWith('ipv6') && FIELDS[name].bits === 128) return randomValue(random, name);
  for (let tries = 0; tries < 20; tries++) {
    const field = randomField(random, name, random.chance(0.4));
    if (field === null || typeof field !== 'object' || !('mask' in field)) return field;
    const bits = BigInt(`0x${mask16(field.mask)}`);
    if (bits !== 0n && !/^f+$/.test(bits.toString(16))) return field;
  }
  return randomValue(random, name);
}

function mask16(mask: unknown): string {
  return typeof mask === 'string' ? mask.replaceAll(':', '') : (mask as number | bigint).toString(16);
}

function randomAction(random: Random): Action {
  const makers: readonly (() => Action)[] = [
    () => output(1 + random.below(1000), 0),
    () => output(random.pick([PortNumber.inPort, PortNumber.local, PortNumber.flood, PortNumber.all]), 0),
    () => output(PortNumber.controller, 1 + random.below(0xffff)),
    () => ({ type: 'set-queue', queueId: random.below(1000) }),
    () => ({ type: 'group', groupId: random.below(1000) }),
    () => setField('ethDst', randomEth(random)),
    () => setField('tunnelId', random.bigBits(64)),
    () => setField('tunIpv4Dst', random.bits(32)),
    () => setField('reg5', random.bits(32)),
    () => setField('pktMark', random.bits(32)),
    () => regMove('pktMark', 'tunnelId', 1 + random.below(16), random.below(16), random.below(40)),
    () => regMove('ethSrc', 'reg4', 32, 16),
    () => ({ type: 'nx-reg-load', to: 'reg6', toBit: random.below(16), bits: 16, value: random.bigBits(16) }),
    () => ({ type: 'nx-reg-load', to: 'metadata', toBit: 0, bits: 64, value: random.bigBits(64) }),
    () => ({ type: 'nx-resubmit-table', inPort: NX_RESUBMIT_IN_PORT, tableId: random.below(254) }),
    () => ({ type: 'nx-note', note: random.bytes(14) }),
  ];
  return random.pick(makers)();
}

/** In the order in which Open vSwitch writes them (OpenFlow 1.3.5, 5.9). */
function randomInstructions(random: Random): Instruction[] {
  const all: Instruction[] = [
    { type: 'meter', meterId: 1 + random.below(1000) },
    applyActions(randomAction(random), ...random.list(5, () => randomAction(random))),
    { type: 'clear-actions' },
    { type: 'write-actions', actions: [output(1 + random.below(1000), 0)] },
    { type: 'write-metadata', metadata: 0x10n, mask: 0xf0n },
    gotoTable(200 + random.below(50)),
  ];
  return all.filter(() => random.chance(0.5));
}

/** A flow as Open vSwitch could list it; all of it comes back the same from its text. */
export function randomFlow(random: Random): FlowStats {
  return {
    tableId: random.below(100),
    durationSec: 1,
    durationNsec: 0,
    priority: random.bits(16),
    idleTimeoutSec: random.bits(16),
    hardTimeoutSec: random.bits(16),
    flags: random.below(32),
    cookie: random.bigBits(64),
    packetCount: random.bigBits(40),
    byteCount: random.bigBits(40),
    match: randomMatch(random),
    instructions: randomInstructions(random),
  };
}
