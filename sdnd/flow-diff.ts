// Wanted flows against installed ones: the smallest list of flow-mods between them, adds before deletes. Pure; whether
// a plan may be carried out at once is its caller's decision.
import { type FlowMod, flowMod } from '@openflow/ofp';
import { type Flow, flowKey, hasSameEffect } from './flow.ts';
import { TABLE_ORDER, Table } from './pipeline.ts';

/** What is missing or different, and what is too much. */
export interface FlowDiff {
  /** To add; an add replaces the entry of the same key (OpenFlow 1.3.5, 6.4). */
  readonly puts: readonly Flow[];
  /** Installed entries to take out. */
  readonly removals: readonly Flow[];
}

/** Compares two sets of entries by key (`flowsByKey`). */
export function diffFlows(wanted: ReadonlyMap<string, Flow>, installed: ReadonlyMap<string, Flow>): FlowDiff {
  const puts = [...wanted].filter(([key, flow]) => !isSame(flow, installed.get(key))).map(([, flow]) => flow);
  const removals = [...installed].filter(([key]) => !wanted.has(key)).map(([, flow]) => flow);
  return { puts: puts.sort(laterTablesFirst), removals: removals.sort((a, b) => laterTablesFirst(b, a)) };
}

function isSame(wanted: Flow, installed: Flow | undefined): boolean {
  return installed !== undefined && hasSameEffect(wanted, installed);
}

// What a frame meets later is there before what leads to it, and goes after it; within a table the exception is there
// before the rule.
function laterTablesFirst(a: Flow, b: Flow): number {
  return TABLE_ORDER.indexOf(b.tableId) - TABLE_ORDER.indexOf(a.tableId) || b.priority - a.priority;
}

/** The flow-mods of a difference in the order in which they must be sent. */
export function flowMods({ puts, removals }: FlowDiff): FlowMod[] {
  return [...puts.map(putMod), ...removals.map(removalMod)];
}

function putMod({ tableId, priority, match, instructions, cookie, hardTimeoutSec = 0 }: Flow): FlowMod {
  return flowMod({ command: 'add', tableId, priority, match, instructions, cookie, hardTimeoutSec });
}

// Only the very entry that was seen: one that another writer put there meanwhile has another cookie.
function removalMod({ tableId, priority, match, cookie }: Flow): FlowMod {
  const cookieMask = 0xffff_ffff_ffff_ffffn;
  return flowMod({ command: 'delete-strict', tableId, priority, match, cookie, cookieMask });
}

/** A difference in words, for a person: one line an entry. */
export function describeDiff({ puts, removals }: FlowDiff, installed: ReadonlyMap<string, Flow>): string[] {
  return [
    ...puts.map((flow) => `${installed.has(flowKey(flow)) ? 'different' : 'missing'}: ${describeFlow(flow)}`),
    ...removals.map((flow) => `too much: ${describeFlow(flow)}`),
  ];
}

const TABLE_NAMES = Object.keys(Table);

function describeFlow(flow: Flow): string {
  return `${TABLE_NAMES[flow.tableId] ?? 'unknown'} ${flowKey(flow)}`;
}
