// Random matches and instructions. They are well formed, not sensible: a match may name fields that no packet has together.
import type { Instruction, Match } from '@openflow/ofp';
import type { Random } from './random.ts';
import { FIELD_NAMES, randomActions, randomRawField } from './random-actions.ts';
import { randomField } from './random-field.ts';

export function randomMatch(random: Random): Match {
  const names = random.list(6, () => random.pick(FIELD_NAMES));
  const fields = Object.fromEntries(names.map((name) => [name, randomField(random, name, random.chance(0.4))]));
  const raw = random.chance(0.1) ? { raw: [randomRawField(random)] } : {};
  return { ...fields, ...raw } as Match;
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
