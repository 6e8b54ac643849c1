// Random features of flow tables with every property.
import type { ActionId, ActionType, FieldId, InstructionId, TableFeatures, TableProperty } from '@openflow/ofp';
import { FIELDS } from '@openflow/ofp';
import type { Random } from './random.ts';
import { FIELD_NAMES } from './random-actions.ts';

const INSTRUCTIONS = [
  'goto-table',
  'write-metadata',
  'write-actions',
  'apply-actions',
  'clear-actions',
  'meter',
] as const;

const ACTIONS: readonly Exclude<ActionType, 'experimenter'>[] = [
  'output',
  'copy-ttl-out',
  'copy-ttl-in',
  'set-mpls-ttl',
  'dec-mpls-ttl',
  'push-vlan',
  'pop-vlan',
  'push-mpls',
  'pop-mpls',
  'set-queue',
  'group',
  'set-nw-ttl',
  'dec-nw-ttl',
  'set-field',
  'push-pbb',
  'pop-pbb',
];

function randomInstructionId(random: Random): InstructionId {
  if (random.chance(0.1)) return { experimenter: random.bits(32), data: random.bytes(4 * random.below(3)) };
  return random.chance(0.05) ? { number: 99, data: random.bytes(4) } : random.pick(INSTRUCTIONS);
}

function randomActionId(random: Random): ActionId {
  if (random.chance(0.1)) return { experimenter: random.bits(32), data: random.bytes(4 * random.below(3)) };
  return random.chance(0.05) ? { number: 99, data: random.bytes(0) } : random.pick(ACTIONS);
}

function randomFieldId(random: Random): FieldId {
  const field = random.pick(FIELD_NAMES);
  if (random.chance(0.1)) {
    return { oxmClass: 0xffff, id: 3, hasMask: random.chance(0.5), bytes: random.bits(8) | 4, experimenter: 0x112233 };
  }
  if (random.chance(0.1)) return { oxmClass: 0x8003, id: random.bits(7), hasMask: false, bytes: random.bits(8) };
  return { field, masked: FIELDS[field].maskable && random.chance(0.5), ...(random.chance(0.1) && { bytes: 0 }) };
}

function randomProperty(random: Random): TableProperty {
  const miss = random.chance(0.5);
  const fields = random.list(6, () => randomFieldId(random));
  return random.pick<TableProperty>([
    { type: 'instructions', miss, instructions: random.list(5, () => randomInstructionId(random)) },
    { type: 'next-tables', miss, tableIds: random.list(9, () => random.bits(8)) },
    {
      type: random.pick(['write-actions', 'apply-actions']),
      miss,
      actions: random.list(5, () => randomActionId(random)),
    },
    { type: random.pick(['match', 'wildcards']), fields },
    { type: random.pick(['write-setfield', 'apply-setfield']), miss, fields },
    {
      type: 'experimenter',
      miss,
      experimenter: random.bits(32),
      experimenterType: random.bits(32),
      data: random.bytes(random.below(9)),
    },
  ]);
}

export function randomTableFeatures(random: Random): TableFeatures {
  return {
    tableId: random.bits(8),
    name: random.text(31),
    metadataMatch: random.bigBits(64),
    metadataWrite: random.bigBits(64),
    config: random.bits(32),
    maxEntries: random.bits(32),
    properties: random.list(6, () => randomProperty(random)),
  };
}
