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
  return `cookie=0x${cookie.toString(16)} hard_timeout=${hardTimeoutSec} ${canonical(instructions)}`;
}

/** The same without the text: of millions of entries that are compared nearly all are as they should be. */
export function hasSameEffect(one: Flow, other: Flow): boolean {
  const isOfOneWriter = one.cookie === other.cookie && (one.hardTimeoutSec ?? 0) === (other.hardTimeoutSec ?? 0);
  return isOfOneWriter && areSame(one.instructions, other.instructions, isSameInstruction);
}

type Parts = Readonly<Record<string, unknown>>;

/** Entries by their key; of two with one key the later stands, as in a switch. */
export function flowsByKey(flows: readonly Flow[]): Map<string, Flow> {
  return new Map(flows.map((flow) => [flowKey(flow), flow]));
}

/**
 * Text that is equal for equal values whatever the order of their properties. Of millions of entries it is most of what a
 * comparison costs, so it makes nothing but the text.
 */
function canonical(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (value instanceof Uint8Array) return `0x${Buffer.from(value).toString('hex')}`;
  if (!hasParts(value)) return '{}';
  const names = Object.keys(value).sort();
  let text = '';
  for (const name of names) {
    const part = name === 'maxBytes' && isElsewhere(value) ? 0 : value[name];
    if (part !== undefined) text += `${text === '' ? '' : ','}${name}:${canonical(part)}`;
  }
  return `{${text}}`;
}

function areSame<T>(some: readonly T[], others: readonly T[], isSame: (one: T, other: T) => boolean): boolean {
  if (some.length !== others.length) return false;
  return some.every((one, at) => {
    const other = others[at];
    return other !== undefined && isSame(one, other);
  });
}

function isSameInstruction(one: Instruction, other: Instruction): boolean {
  if (one.type !== other.type) return false;
  if (one.type === 'goto-table' && other.type === 'goto-table') return one.tableId === other.tableId;
  if ('actions' in one && 'actions' in other) return areSame(one.actions, other.actions, isSameAction);
  return canonical(one) === canonical(other);
}

// Those that nearly all entries are made of are compared as they are, the others by their text.
function isSameAction(one: Action, other: Action): boolean {
  if (one.type !== other.type) return false;
  if (one.type === 'set-field' && other.type === 'set-field')
    return one.field === other.field && one.value === other.value;
  if (one.type === 'nx-reg-move' && other.type === 'nx-reg-move') {
    const isSameBits = one.fromBit === other.fromBit && one.toBit === other.toBit && one.bits === other.bits;
    return isSameBits && one.from === other.from && one.to === other.to;
  }
  return canonical(one) === canonical(other);
}

function hasParts(value: object): value is Parts {
  return !(value instanceof Uint8Array);
}

// `maxBytes` says something only of outputs to the controller; switches answer it as they like elsewhere.
function isElsewhere({ type, port }: Parts): boolean {
  return type === 'output' && port !== PortNumber.controller;
}
