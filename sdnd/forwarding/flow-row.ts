// Short ways to write one flow.
import { type Action, applyActions, gotoTable, type Instruction, type Match } from '@openflow/ofp';
import type { Flow } from '../flow.ts';

export function row(
  cookie: bigint,
  tableId: number,
  priority: number,
  match: Match,
  instructions: readonly Instruction[],
): Flow {
  return { tableId, priority, match, instructions, cookie };
}

/** The actions, and nothing after them. */
export function act(...actions: readonly Action[]): readonly Instruction[] {
  return [applyActions(...actions)];
}

/** The actions, and then the next table. */
export function actAndGo(tableId: number, ...actions: readonly Action[]): readonly Instruction[] {
  return [applyActions(...actions), gotoTable(tableId)];
}
