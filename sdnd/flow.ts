// A flow entry as both sides of a comparison hold it, and what makes two of them the same. Never a message: turning
// differences into flow-mods is the room `flow-diff`.
import type { Action, Instruction, Match } from '@openflow/ofp';
import { PortNumber } from '@openflow/ofp';

/** A flow entry without its counters: `FlowStats` of a switch is one. */
export interface Flow {
  readonly tableId: number;
  readonly priority: number;
  readonly match: Match;
  readonly instructions: readonly Instruction[];
  readonly cookie: bigint;
  /** Goes by itself so long after it was put there; absent or 0: never. */
  readonly hardTimeoutSec?: number;
}

/** What a switch tells entries apart by: table, priority and match (OpenFlow 1.3.5, 6.4). */
export function flowKey({ tableId, priority, match }: Flow): string {
  return `table=${tableId} priority=${priority} ${canonical(match)}`;
}

/** What an entry does and whose it is; two entries of one key are the same if these are equal. */
export function flowEffect({ cookie, instructions, hardTimeoutSec = 0 }: Flow): string {
  return `cookie=0x${cookie.toString(16)} hard_timeout=${hardTimeoutSec} ${canonical(instructions.map(normalised))}`;
}

/** Entries by their key; of two with one key the later stands, as in a switch. */
export function flowsByKey(flows: readonly Flow[]): Map<string, Flow> {
  return new Map(flows.map((flow) => [flowKey(flow), flow]));
}

// `maxBytes` says something only of outputs to the controller; switches answer it as they like elsewhere.
function normalised(instruction: Instruction): unknown {
  return 'actions' in instruction
    ? { ...instruction, actions: instruction.actions.map(normalisedAction) }
    : instruction;
}

function normalisedAction(action: Action): Action {
  return action.type === 'output' && action.port !== PortNumber.controller ? { ...action, maxBytes: 0 } : action;
}

/** Text that is equal for equal values whatever the order of their properties. */
function canonical(value: unknown): string {
  if (value instanceof Uint8Array) return `0x${Buffer.from(value).toString('hex')}`;
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return String(value);
  const entries = Object.entries(value).filter(([, part]) => part !== undefined);
  const sorted = entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${sorted.map(([name, part]) => `${name}:${canonical(part)}`).join(',')}}`;
}
