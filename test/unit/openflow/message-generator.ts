// Random messages of every type, each field over its whole range. They are well formed, not sensible: a match may name
// fields that no packet has together.

import {
  type Action,
  type EthAddress,
  ethAddress,
  FIELDS,
  type FieldName,
  type FlowFilter,
  type FlowStats,
  type Instruction,
  type Match,
  type Message,
  type MessageType,
  type MultipartReply,
  type MultipartRequest,
  type Port,
  type PortStats,
  type RawField,
  type SettableField,
} from '@openflow/ofp';
import type { Random } from './random.ts';

const FIELD_NAMES = Object.keys(FIELDS) as FieldName[];
const SETTABLE_NAMES = FIELD_NAMES.filter((name) => FIELDS[name].settable) as SettableField[];

export function randomEth(random: Random): EthAddress {
  return ethAddress(Array.from(random.bytes(6), (byte) => byte.toString(16).padStart(2, '0')).join(':'));
}

export function randomValue(random: Random, name: FieldName): number | bigint | EthAddress {
  const { kind, bits } = FIELDS[name];
  if (kind === 'eth') return randomEth(random);
  return kind === 'number' ? random.bits(bits) : random.bigBits(bits);
}

function and(value: number | bigint | EthAddress, mask: number | bigint | EthAddress): number | bigint | EthAddress {
  if (typeof value === 'number' && typeof mask === 'number') return (value & mask) >>> 0;
  if (typeof value === 'bigint' && typeof mask === 'bigint') return value & mask;
  const maskBytes = String(mask).split(':');
  const bytes = String(value)
    .split(':')
    .map((byte, i) => Number.parseInt(byte, 16) & Number.parseInt(maskBytes[i] ?? '0', 16));
  return ethAddress(bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':'));
}

/** A value, or a value under a mask, of a field. */
export function randomField(random: Random, name: FieldName, masked: boolean): unknown {
  const value = randomValue(random, name);
  if (!masked || !FIELDS[name].maskable) return value;
  const mask = randomValue(random, name);
  return { value: and(value, mask), mask };
}

function randomMatch(random: Random): Match {
  const names = random.list(6, () => random.pick(FIELD_NAMES));
  const fields = Object.fromEntries(names.map((name) => [name, randomField(random, name, random.chance(0.4))]));
  const raw = random.chance(0.1) ? { raw: [randomRawField(random)] } : {};
  return { ...fields, ...raw } as Match;
}

function randomRawField(random: Random): RawField {
  // Class 0xffff is the experimenters': no row of the codec has it.
  return {
    oxmClass: 0xffff,
    id: random.bits(7),
    hasMask: random.chance(0.5),
    body: random.bytes(4 + random.below(30)),
  };
}

const ACTIONS: readonly ((random: Random) => Action)[] = [
  (r) => ({ type: 'output', port: r.bits(32), maxBytes: r.bits(16) }),
  (r) => ({ type: r.pick(['copy-ttl-out', 'copy-ttl-in', 'dec-mpls-ttl', 'pop-vlan', 'dec-nw-ttl', 'pop-pbb']) }),
  (r) => ({ type: r.pick(['push-vlan', 'push-mpls', 'pop-mpls', 'push-pbb']), ethType: r.bits(16) }),
  (r) => ({ type: r.pick(['set-mpls-ttl', 'set-nw-ttl']), ttl: r.bits(8) }),
  (r) => ({ type: 'set-queue', queueId: r.bits(32) }),
  (r) => ({ type: 'group', groupId: r.bits(32) }),
  (r) => randomSetField(r),
  (r) => randomSetField(r),
  (r) => ({ type: 'set-raw-field', raw: randomRawField(r) }),
  (r) => ({ type: 'experimenter', experimenter: 0x00112233, body: r.bytes(8 * r.below(4)) }),
  (r) => randomRegMove(r),
  (r) => randomRegLoad(r),
  (r) => ({ type: 'nx-resubmit', inPort: r.bits(16) }),
  (r) => ({ type: 'nx-resubmit-table', inPort: r.bits(16), tableId: r.bits(8) }),
  (r) => ({ type: 'nx-note', note: r.bytes(6 + 8 * r.below(3)) }),
];

function randomSetField(random: Random): Action {
  const field = random.pick(SETTABLE_NAMES);
  return { type: 'set-field', field, value: randomValue(random, field) } as Action;
}

function randomRegMove(random: Random): Action {
  const from = random.pick(FIELD_NAMES);
  const to = random.pick(FIELD_NAMES);
  const bits = 1 + random.below(Math.min(FIELDS[from].bits, FIELDS[to].bits));
  const fromBit = random.below(FIELDS[from].bits - bits + 1);
  const toBit = random.below(FIELDS[to].bits - bits + 1);
  return { type: 'nx-reg-move', from, fromBit, to, toBit, bits };
}

function randomRegLoad(random: Random): Action {
  const to = random.pick(FIELD_NAMES);
  const bits = 1 + random.below(Math.min(FIELDS[to].bits, 64));
  const toBit = random.below(FIELDS[to].bits - bits + 1);
  return { type: 'nx-reg-load', to, toBit, bits, value: random.bigBits(bits) };
}

function randomActions(random: Random): Action[] {
  return random.list(5, () => random.pick(ACTIONS)(random));
}

const INSTRUCTIONS: readonly ((random: Random) => Instruction)[] = [
  (r) => ({ type: 'goto-table', tableId: r.bits(8) }),
  (r) => ({ type: 'write-metadata', metadata: r.bigBits(64), mask: r.bigBits(64) }),
  (r) => ({ type: r.pick(['write-actions', 'apply-actions']), actions: randomActions(r) }),
  () => ({ type: 'clear-actions' }),
  (r) => ({ type: 'meter', meterId: r.bits(32) }),
  (r) => ({ type: 'experimenter', experimenter: r.bits(32), body: r.bytes(8 * r.below(4)) }),
];

function randomInstructions(random: Random): Instruction[] {
  return random.list(4, () => random.pick(INSTRUCTIONS)(random));
}

export function randomPort(random: Random): Port {
  return {
    portNo: random.bits(32),
    hwAddress: randomEth(random),
    name: random.text(15),
    config: random.bits(32),
    state: random.bits(32),
    current: random.bits(32),
    advertised: random.bits(32),
    supported: random.bits(32),
    peer: random.bits(32),
    currentKbps: random.bits(32),
    maxKbps: random.bits(32),
  };
}

function randomPortStats(random: Random): PortStats {
  return {
    portNo: random.bits(32),
    rxPackets: random.bigBits(64),
    txPackets: random.bigBits(64),
    rxBytes: random.bigBits(64),
    txBytes: random.bigBits(64),
    rxDropped: random.bigBits(64),
    txDropped: random.bigBits(64),
    rxErrors: random.bigBits(64),
    txErrors: random.bigBits(64),
    rxFrameErrors: random.bigBits(64),
    rxOverErrors: random.bigBits(64),
    rxCrcErrors: random.bigBits(64),
    collisions: random.bigBits(64),
    durationSec: random.bits(32),
    durationNsec: random.bits(32),
  };
}

function randomFilter(random: Random): FlowFilter {
  return {
    tableId: random.bits(8),
    outPort: random.bits(32),
    outGroup: random.bits(32),
    cookie: random.bigBits(64),
    cookieMask: random.bigBits(64),
    match: randomMatch(random),
  };
}

function randomFlowStats(random: Random): FlowStats {
  return {
    tableId: random.bits(8),
    durationSec: random.bits(32),
    durationNsec: random.bits(32),
    priority: random.bits(16),
    idleTimeoutSec: random.bits(16),
    hardTimeoutSec: random.bits(16),
    flags: random.bits(16),
    cookie: random.bigBits(64),
    packetCount: random.bigBits(64),
    byteCount: random.bigBits(64),
    match: randomMatch(random),
    instructions: randomInstructions(random),
  };
}

const REQUESTS: readonly ((random: Random, more: boolean) => MultipartRequest)[] = [
  (r, more) => ({ type: 'multipart-request', more, part: r.pick(['desc', 'table', 'port-desc']) }),
  (r, more) => ({ type: 'multipart-request', more, part: r.pick(['flow', 'aggregate']), ...randomFilter(r) }),
  (r, more) => ({ type: 'multipart-request', more, part: 'port-stats', portNo: r.bits(32) }),
  (r, more) => ({ type: 'multipart-request', more, part: 'raw', partNumber: 0xffff, body: r.bytes(r.below(40)) }),
];

const REPLIES: readonly ((random: Random, more: boolean) => MultipartReply)[] = [
  (r, more) => ({
    type: 'multipart-reply',
    more,
    part: 'desc',
    manufacturer: r.text(255),
    hardware: r.text(255),
    software: r.text(255),
    serialNumber: r.text(31),
    datapath: r.text(255),
  }),
  (r, more) => ({ type: 'multipart-reply', more, part: 'flow', flows: r.list(4, () => randomFlowStats(r)) }),
  (r, more) => ({
    type: 'multipart-reply',
    more,
    part: 'aggregate',
    packetCount: r.bigBits(64),
    byteCount: r.bigBits(64),
    flowCount: r.bits(32),
  }),
  (r, more) => ({
    type: 'multipart-reply',
    more,
    part: 'table',
    tables: r.list(4, () => ({
      tableId: r.bits(8),
      activeCount: r.bits(32),
      lookupCount: r.bigBits(64),
      matchedCount: r.bigBits(64),
    })),
  }),
  (r, more) => ({ type: 'multipart-reply', more, part: 'port-stats', ports: r.list(4, () => randomPortStats(r)) }),
  (r, more) => ({ type: 'multipart-reply', more, part: 'port-desc', ports: r.list(6, () => randomPort(r)) }),
  (r, more) => ({ type: 'multipart-reply', more, part: 'raw', partNumber: 12, body: r.bytes(r.below(99)) }),
];

function reasonMasks(random: Random): { master: number; slave: number } {
  return { master: random.bits(32), slave: random.bits(32) };
}

// One maker for each type, so that a message type without a test does not compile.
const MAKERS: { readonly [T in MessageType]: (random: Random) => Message & { readonly type: T } } = {
  hello: (r) => ({ type: 'hello', versions: [1, 4, 5, 6, 31, 32, 200].filter(() => r.chance(0.5)) }),
  error: (r) =>
    r.chance(0.2)
      ? { type: 'error', errorType: 0xffff, errorCode: r.bits(16), experimenter: r.bits(32), data: r.bytes(64) }
      : { type: 'error', errorType: r.below(14), errorCode: r.bits(16), data: r.bytes(r.below(80)) },
  'echo-request': (r) => ({ type: 'echo-request', data: r.bytes(r.below(50)) }),
  'echo-reply': (r) => ({ type: 'echo-reply', data: r.bytes(r.below(50)) }),
  experimenter: (r) => ({
    type: 'experimenter',
    experimenter: r.bits(32),
    experimenterType: r.bits(32),
    data: r.bytes(r.below(50)),
  }),
  'features-request': () => ({ type: 'features-request' }),
  'features-reply': (r) => ({
    type: 'features-reply',
    datapathId: r.bigBits(64),
    bufferCount: r.bits(32),
    tableCount: r.bits(8),
    auxiliaryId: r.bits(8),
    capabilities: r.bits(32),
  }),
  'get-config-request': () => ({ type: 'get-config-request' }),
  'get-config-reply': (r) => ({ type: 'get-config-reply', flags: r.bits(16), missSendBytes: r.bits(16) }),
  'set-config': (r) => ({ type: 'set-config', flags: r.bits(16), missSendBytes: r.bits(16) }),
  'packet-in': (r) => ({
    type: 'packet-in',
    bufferId: r.bits(32),
    totalBytes: r.bits(16),
    reason: r.pick(['no-match', 'action', 'invalid-ttl']),
    tableId: r.bits(8),
    cookie: r.bigBits(64),
    match: randomMatch(r),
    data: r.bytes(r.below(200)),
  }),
  'flow-removed': (r) => ({
    type: 'flow-removed',
    cookie: r.bigBits(64),
    priority: r.bits(16),
    reason: r.pick(['idle-timeout', 'hard-timeout', 'delete', 'group-delete', 'meter-delete']),
    tableId: r.bits(8),
    durationSec: r.bits(32),
    durationNsec: r.bits(32),
    idleTimeoutSec: r.bits(16),
    hardTimeoutSec: r.bits(16),
    packetCount: r.bigBits(64),
    byteCount: r.bigBits(64),
    match: randomMatch(r),
  }),
  'port-status': (r) => ({ type: 'port-status', reason: r.pick(['add', 'delete', 'modify']), port: randomPort(r) }),
  'packet-out': (r) => ({
    type: 'packet-out',
    bufferId: r.bits(32),
    inPort: r.bits(32),
    actions: randomActions(r),
    data: r.bytes(r.below(200)),
  }),
  'flow-mod': (r) => ({
    type: 'flow-mod',
    command: r.pick(['add', 'modify', 'modify-strict', 'delete', 'delete-strict']),
    ...randomFilter(r),
    instructions: randomInstructions(r),
    priority: r.bits(16),
    idleTimeoutSec: r.bits(16),
    hardTimeoutSec: r.bits(16),
    bufferId: r.bits(32),
    flags: r.bits(16),
  }),
  'group-mod': (r) => ({
    type: 'group-mod',
    command: r.pick(['add', 'modify', 'delete']),
    groupType: r.pick(['all', 'select', 'indirect', 'fast-failover']),
    groupId: r.bits(32),
    buckets: r.list(3, () => ({
      weight: r.bits(16),
      watchPort: r.bits(32),
      watchGroup: r.bits(32),
      actions: randomActions(r),
    })),
  }),
  'port-mod': (r) => ({
    type: 'port-mod',
    portNo: r.bits(32),
    hwAddress: randomEth(r),
    config: r.bits(32),
    mask: r.bits(32),
    advertise: r.bits(32),
  }),
  'table-mod': (r) => ({ type: 'table-mod', tableId: r.bits(8), config: r.bits(32) }),
  'multipart-request': (r) => r.pick(REQUESTS)(r, r.chance(0.2)),
  'multipart-reply': (r) => r.pick(REPLIES)(r, r.chance(0.2)),
  'barrier-request': () => ({ type: 'barrier-request' }),
  'barrier-reply': () => ({ type: 'barrier-reply' }),
  'role-request': (r) => ({
    type: 'role-request',
    role: r.pick(['no-change', 'equal', 'master', 'slave']),
    generationId: r.bigBits(64),
  }),
  'role-reply': (r) => ({
    type: 'role-reply',
    role: r.pick(['equal', 'master', 'slave']),
    generationId: r.bigBits(64),
  }),
  'get-async-request': () => ({ type: 'get-async-request' }),
  'get-async-reply': (r) => ({
    type: 'get-async-reply',
    packetIn: reasonMasks(r),
    portStatus: reasonMasks(r),
    flowRemoved: reasonMasks(r),
  }),
  'set-async': (r) => ({
    type: 'set-async',
    packetIn: reasonMasks(r),
    portStatus: reasonMasks(r),
    flowRemoved: reasonMasks(r),
  }),
  'meter-mod': (r) => ({
    type: 'meter-mod',
    command: r.pick(['add', 'modify', 'delete']),
    flags: r.bits(16),
    meterId: r.bits(32),
    bands: r.list(3, () =>
      r.chance(0.5)
        ? { type: 'drop', rate: r.bits(32), burst: r.bits(32) }
        : { type: 'dscp-remark', rate: r.bits(32), burst: r.bits(32), precedence: r.bits(8) },
    ),
  }),
};

export const MESSAGE_TYPES = Object.keys(MAKERS) as MessageType[];

/** A random message of one type. */
export function randomMessage(random: Random, type: MessageType): Message {
  return MAKERS[type](random);
}
