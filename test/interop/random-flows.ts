// Random flows that Open vSwitch takes: matches whose fields a packet may have together, each with its prerequisites, and
// actions and instructions in the order in which it writes them.
import {
  type Action,
  applyActions,
  CtFlag,
  FIELDS,
  type FieldName,
  type FlowStats,
  gotoTable,
  type Instruction,
  type Match,
  NX_CT_NO_TABLE,
  NX_RESUBMIT_IN_PORT,
  type NxCt,
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
const TUNNEL: readonly FieldName[] = ['metadata', 'tunnelId', 'tunIpv4Src', 'tunIpv4Dst', 'tunGbpId', 'pktMark'];
const CONNTRACK: readonly FieldName[] = ['ctZone', 'ctMark', 'ctLabel'];
/** Of the connection's first packet; the connection must be known. */
const FIRST_PACKET: readonly FieldName[] = ['ctNwSrc', 'ctNwDst'];

function randomMatch(random: Random): Match {
  const { fixed, free } = random.pick(TEMPLATES);
  const names = new Set([...free, ...REGISTERS, ...TUNNEL, ...CONNTRACK].filter(() => random.chance(0.3)));
  const port = random.chance(0.5) ? { inPort: 1 + random.below(1000) } : {};
  const known = random.chance(0.3) ? { ctState: { value: 0x22, mask: 0x32 } } : {};
  const first = fixed.ethType === 0x0800 && 'ctState' in known;
  if (first) for (const name of FIRST_PACKET) names.add(name);
  return {
    ...port,
    ...fixed,
    ...known,
    ...(first && { ctNwProto: random.pick([6, 17]) }),
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

function randomRange(random: Random) {
  const max = random.chance(0.5) ? { max: 2000 + random.below(1000) } : {};
  const addressMax = random.chance(0.5) ? { max: 0x0a00_1000 + random.below(99) } : {};
  const ports = random.chance(0.5) ? { ports: { min: 1 + random.below(1000), ...max } } : {};
  return { addresses: { family: 'ipv4' as const, min: 0x0a00_0000 + random.below(99), ...addressMax }, ...ports };
}

/** Actions on packets of IPv4, which the flow's match must be of. */
function randomIpAction(random: Random): Action {
  const nat = { type: 'nx-nat', flags: random.pick([1, 2, 5, 9]), ...randomRange(random) } as const;
  const ctMakers: readonly (() => NxCt['actions'])[] = [
    () => [],
    () => [nat],
    () => [nat, { type: 'set-field', field: 'ctMark', value: random.bits(32) }],
    () => [
      { type: 'set-field', field: 'ctLabel', value: random.bigBits(128) },
      { type: 'nx-reg-move', from: 'reg1', fromBit: 3, to: 'ctMark', toBit: 9, bits: 8 },
    ],
  ];
  const zone = random.chance(0.5) ? random.bits(16) : ({ field: 'reg4', bit: random.below(17), bits: 16 } as const);
  return random.pick<() => Action>([
    () => ({
      type: 'nx-ct',
      flags: CtFlag.commit + random.below(2) * CtFlag.force,
      zone,
      recircTable: random.pick([NX_CT_NO_TABLE, random.below(254)]),
      alg: 0,
      actions: random.pick(ctMakers)(),
    }),
    () => ({ type: 'nx-dec-ttl', controllerIds: [1 + random.below(99), random.below(99)] }),
    () => ({ type: 'nx-clone', actions: [output(1 + random.below(99), 0), { type: 'dec-nw-ttl' }] }),
  ])();
}

function randomAction(random: Random, match: Match): Action {
  if (match.ethType === 0x0800 && random.chance(0.3)) return randomIpAction(random);
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
    () => ({ type: 'nx-reg-load', to: 'xreg7', toBit: random.below(32), bits: 32, value: random.bigBits(32) }),
    () => regMove('xxreg1', 'xreg4', 1 + random.below(60), random.below(60), random.below(4)),
    () => ({ type: 'nx-stack-push', field: 'reg2', bit: random.below(16), bits: 1 + random.below(16) }),
    () => ({ type: 'nx-stack-pop', field: 'xxreg1', bit: random.below(16), bits: 1 + random.below(99) }),
    () => ({ type: 'nx-output-reg', field: 'reg3', bit: random.below(16), bits: 16, maxBytes: 0xffff }),
    () => ({ type: 'nx-output-trunc', port: 1 + random.below(999), maxBytes: 14 + random.below(999) }),
    () => ({ type: 'nx-check-pkt-larger', packetBytes: random.bits(16), field: 'reg1', bit: random.below(32) }),
    () => ({ type: 'nx-controller2', controllerId: 1 + random.below(9), userdata: random.bytes(1 + random.below(20)) }),
    () => ({ type: 'nx-controller', maxBytes: random.bits(16), controllerId: 1 + random.below(9), reason: 2 }),
    () => ({ type: 'nx-ct-clear' }),
    () => ({ type: 'nx-pop-queue' }),
  ];
  return random.pick(makers)();
}

/** In the order in which Open vSwitch writes them (OpenFlow 1.3.5, 5.9). */
function randomInstructions(random: Random, match: Match): Instruction[] {
  const all: Instruction[] = [
    { type: 'meter', meterId: 1 + random.below(1000) },
    applyActions(randomAction(random, match), ...random.list(5, () => randomAction(random, match))),
    { type: 'clear-actions' },
    { type: 'write-actions', actions: [output(1 + random.below(1000), 0)] },
    { type: 'write-metadata', metadata: 0x10n, mask: 0xf0n },
    gotoTable(200 + random.below(50)),
  ];
  return all.filter(() => random.chance(0.5));
}

/** A flow as Open vSwitch could list it; all of it comes back the same from its text. */
export function randomFlow(random: Random): FlowStats {
  const match = randomMatch(random);
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
    match,
    instructions: randomInstructions(random, match),
  };
}
