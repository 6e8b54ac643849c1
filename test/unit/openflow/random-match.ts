// Random matches, actions and instructions. They are well formed, not sensible: a match may name fields that no packet has
// together.
import {
  type Action,
  FIELDS,
  type FieldName,
  type Instruction,
  type Match,
  type RawField,
  type SettableField,
} from '@openflow/ofp';
import type { Random } from './random.ts';
import { randomField, randomValue } from './random-field.ts';

const FIELD_NAMES = Object.keys(FIELDS) as FieldName[];
const SETTABLE_NAMES = FIELD_NAMES.filter((name) => FIELDS[name].settable) as SettableField[];

export function randomMatch(random: Random): Match {
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

export function randomActions(random: Random): Action[] {
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

export function randomInstructions(random: Random): Instruction[] {
  return random.list(4, () => random.pick(INSTRUCTIONS)(random));
}
