// Random actions of every kind, each field over its whole range. They are well formed, not sensible.
import {
  type Action,
  type CtNested,
  type CtZone,
  FIELDS,
  type FieldName,
  type NiciraAction,
  type NxNat,
  type RawField,
  type SettableField,
} from '@openflow/ofp';
import type { Random } from './random.ts';
import { randomField, randomValue } from './random-field.ts';

export const FIELD_NAMES = Object.keys(FIELDS) as FieldName[];
export const SETTABLE_NAMES = FIELD_NAMES.filter((name) => FIELDS[name].settable === 'anywhere') as SettableField[];
/** Fields whose header has 4 bytes, for actions with no room for more. */
const SHORT_NAMES = FIELD_NAMES.filter((name) => FIELDS[name].experimenter === undefined);

export function randomRawField(random: Random): RawField {
  // Of an experimenter who has no fields: no row of the codec has it.
  const body = random.bytes(4 + random.below(30));
  body.set([0, 0x11, 0x22, 0x33]);
  return { oxmClass: 0xffff, id: random.bits(7), hasMask: random.chance(0.5), body };
}

function someBits(random: Random, names: readonly FieldName[], bitsMax = 64) {
  const field = random.pick(names);
  const bits = 1 + random.below(Math.min(FIELDS[field].bits, bitsMax));
  return { field, bits, bit: random.below(FIELDS[field].bits - bits + 1) };
}

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

function randomRegLoad<F extends FieldName>(random: Random, to: F) {
  const bits = 1 + random.below(Math.min(FIELDS[to].bits, 64));
  const toBit = random.below(FIELDS[to].bits - bits + 1);
  return { type: 'nx-reg-load', to, toBit, bits, value: random.bigBits(bits) } as const;
}

function randomController2(random: Random): NiciraAction {
  return {
    type: 'nx-controller2',
    ...(random.chance(0.5) && { maxBytes: random.bits(16) }),
    ...(random.chance(0.5) && { controllerId: random.bits(16) }),
    ...(random.chance(0.5) && { reason: random.bits(8) }),
    ...(random.chance(0.5) && { userdata: random.bytes(random.below(20)) }),
    ...(random.chance(0.5) && { pause: true as const }),
  };
}

function randomNat(random: Random): NxNat {
  const max = random.chance(0.5);
  const addresses = random.pick([
    {},
    { addresses: { family: 'ipv4' as const, min: random.bits(32), ...(max && { max: random.bits(32) }) } },
    { addresses: { family: 'ipv6' as const, min: random.bigBits(128), ...(max && { max: random.bigBits(128) }) } },
  ]);
  const portMax = random.chance(0.5) && { max: random.bits(16) };
  const ports = random.chance(0.5) && { ports: { min: random.bits(16), ...portMax } };
  return { type: 'nx-nat', flags: random.bits(5), ...addresses, ...ports };
}

function randomCt(random: Random): NiciraAction {
  const nested: readonly (() => CtNested)[] = [
    () => randomNat(random),
    () => ({ type: 'set-field', field: 'ctMark', value: random.bits(32) }),
    () => ({ type: 'set-field', field: 'ctLabel', value: random.bigBits(128) }),
    () => ({ type: 'nx-reg-move', from: 'reg1', fromBit: 3, to: 'ctMark', toBit: 9, bits: 8 }),
    () => randomRegLoad(random, random.pick(['ctMark', 'ctLabel'])),
    () => ({ type: 'nx-reg-load2', field: 'ctMark', value: { value: 4, mask: 0x1c } }),
    () => ({ type: 'set-raw-field', raw: randomRawField(random) }),
    () => ({ type: 'experimenter', experimenter: 0x00112233, body: random.bytes(8 * random.below(4)) }),
  ];
  const wide = SHORT_NAMES.filter((name) => FIELDS[name].bits >= 16);
  const field = random.pick(wide);
  const zone: CtZone = random.chance(0.5)
    ? random.bits(16)
    : { field, bit: random.below(FIELDS[field].bits - 15), bits: 16 };
  return {
    type: 'nx-ct',
    flags: random.bits(2),
    zone,
    recircTable: random.bits(8),
    alg: random.bits(16),
    actions: random.list(3, () => random.pick(nested)()),
  };
}

/** How deep random actions lie within actions. */
const DEPTH_MAX = 3;

export const MAKERS_OF_NICIRA: { readonly [T in NiciraAction['type']]: (random: Random, depth: number) => Action } = {
  'nx-reg-move': (r) => randomRegMove(r),
  'nx-reg-load': (r) => randomRegLoad(r, r.pick(SHORT_NAMES)),
  'nx-reg-load2': (r) => {
    const field = r.pick(FIELD_NAMES);
    return { type: 'nx-reg-load2', field, value: randomField(r, field, r.chance(0.5)) } as Action;
  },
  'nx-resubmit': (r) => ({ type: 'nx-resubmit', inPort: r.bits(16) }),
  'nx-resubmit-table': (r) => ({ type: 'nx-resubmit-table', inPort: r.bits(16), tableId: r.bits(8) }),
  'nx-resubmit-table-ct': (r) => ({ type: 'nx-resubmit-table-ct', inPort: r.bits(16), tableId: r.bits(8) }),
  'nx-note': (r) => ({ type: 'nx-note', note: r.bytes(6 + 8 * r.below(3)) }),
  'nx-exit': () => ({ type: 'nx-exit' }),
  'nx-pop-queue': () => ({ type: 'nx-pop-queue' }),
  'nx-ct-clear': () => ({ type: 'nx-ct-clear' }),
  'nx-dec-ttl': (r) => ({ type: 'nx-dec-ttl', controllerIds: [0, ...r.list(6, () => r.bits(16))] }),
  'nx-set-tunnel': (r) => ({ type: 'nx-set-tunnel', tunnelId: r.bits(32) }),
  'nx-set-tunnel64': (r) => ({ type: 'nx-set-tunnel64', tunnelId: r.bigBits(64) }),
  'nx-write-metadata': (r) => ({ type: 'nx-write-metadata', metadata: r.bigBits(64), mask: r.bigBits(64) }),
  'nx-output-reg': (r) => ({ type: 'nx-output-reg', ...someBits(r, SHORT_NAMES), maxBytes: r.bits(16) }),
  'nx-output-reg2': (r) => ({ type: 'nx-output-reg2', ...someBits(r, FIELD_NAMES), maxBytes: r.bits(16) }),
  'nx-output-trunc': (r) => ({ type: 'nx-output-trunc', port: r.bits(16), maxBytes: r.bits(32) }),
  'nx-stack-push': (r) => ({ type: 'nx-stack-push', ...someBits(r, FIELD_NAMES, 128) }),
  'nx-stack-pop': (r) => ({ type: 'nx-stack-pop', ...someBits(r, FIELD_NAMES, 128) }),
  'nx-conjunction': (r) => ({ type: 'nx-conjunction', id: r.bits(32), clause: r.bits(6), clauses: r.bits(6) }),
  'nx-fin-timeout': (r) => ({ type: 'nx-fin-timeout', idleTimeoutSec: r.bits(16), hardTimeoutSec: r.bits(16) }),
  'nx-check-pkt-larger': (r) => {
    const { field, bit } = someBits(r, FIELD_NAMES);
    return { type: 'nx-check-pkt-larger', packetBytes: r.bits(16), field, bit };
  },
  'nx-controller': (r) => ({
    type: 'nx-controller',
    maxBytes: r.bits(16),
    controllerId: r.bits(16),
    reason: r.bits(8),
  }),
  'nx-controller2': (r) => randomController2(r),
  'nx-clone': (r, depth) => ({ type: 'nx-clone', actions: depth < DEPTH_MAX ? randomActions(r, depth + 1) : [] }),
  'nx-ct': (r) => randomCt(r),
};

const STANDARD: readonly ((random: Random) => Action)[] = [
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
];

const NICIRA_MAKERS = Object.values(MAKERS_OF_NICIRA);

export function randomAction(random: Random, depth = 0): Action {
  return random.chance(0.5) ? random.pick(STANDARD)(random) : random.pick(NICIRA_MAKERS)(random, depth);
}

export function randomActions(random: Random, depth = 0): Action[] {
  return random.list(5, () => randomAction(random, depth));
}
