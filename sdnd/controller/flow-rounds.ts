// In which rounds the flow-mods of a difference are sent: those of one round a switch may carry out in any order, and of the
// next it hears once it has confirmed the last. One round is the rule. Of two things that only together let a frame through,
// who is in a group and what a rule allows its members, one may come while the other goes; then both as they were and as
// they will be say no, and a mixture could say yes. Pure.
import type { Action } from '@openflow/ofp';
import { type Flow, flowKey } from '../flow.ts';
import type { FlowDiff } from '../flow-diff.ts';
import { Table } from '../pipeline.ts';

/** Groups whose members, or whose members' rules, come or go at a switch. */
interface Changes {
  readonly come: Set<string>;
  readonly go: Set<string>;
}

/** `installed`: what the switch has in the places of the difference. */
export function flowRounds(diff: FlowDiff, installed: ReadonlyMap<string, Flow>): FlowDiff[] {
  const { puts, removals } = diff;
  const isNew = (flow: Flow): boolean => !installed.has(flowKey(flow));
  const [members, rules] = [memberChanges(diff, installed), ruleChanges(diff, isNew)];
  const isCrossed = (flow: Flow): boolean => {
    const group = ruledGroup(flow);
    if (group === undefined) return false;
    return (members.come.has(group) && rules.go.has(group)) || (members.go.has(group) && rules.come.has(group));
  };
  const early = removals.filter(isCrossed);
  const late = puts.filter((flow) => isNew(flow) && isCrossed(flow));
  if (early.length + late.length === 0) return [diff];
  const [isEarly, isLate] = [new Set(early), new Set(late)];
  const rest = {
    puts: puts.filter((flow) => !isLate.has(flow)),
    removals: removals.filter((flow) => !isEarly.has(flow)),
  };
  const rounds = [{ puts: [], removals: early }, rest, { puts: late, removals: [] }];
  return rounds.filter((round) => round.puts.length + round.removals.length > 0);
}

function memberChanges({ puts, removals }: FlowDiff, installed: ReadonlyMap<string, Flow>): Changes {
  const changes: Changes = { come: new Set(), go: new Set() };
  for (const flow of puts) {
    if (!isFar(flow)) continue;
    const before = installed.get(flowKey(flow));
    const [old, now] = [new Set(before === undefined ? [] : groupsIn(before)), new Set(groupsIn(flow))];
    for (const group of now) if (!old.has(group)) changes.come.add(group);
    for (const group of old) if (!now.has(group)) changes.go.add(group);
  }
  for (const flow of removals) if (isFar(flow)) for (const group of groupsIn(flow)) changes.go.add(group);
  return changes;
}

function ruleChanges({ puts, removals }: FlowDiff, isNew: (flow: Flow) => boolean): Changes {
  const groupsOf = (flows: readonly Flow[]): Set<string> => new Set(flows.flatMap((flow) => ruledGroup(flow) ?? []));
  return { come: groupsOf(puts.filter(isNew)), go: groupsOf(removals) };
}

function isFar({ tableId }: Flow): boolean {
  return tableId === Table.farOut || tableId === Table.farIn;
}

/** The group whose members an entry of a rule is for, of one tenant and direction; undefined of any other entry. */
function ruledGroup({ tableId, match: { reg2, reg7, reg8 } }: Flow): string | undefined {
  if (tableId !== Table.namedOut && tableId !== Table.namedIn) return undefined;
  return groupText(tableId, reg2, reg7, reg8);
}

/** The groups that an entry for an address says it to be in, in the same words. */
function groupsIn({ match, instructions }: Flow): string[] {
  const actions = instructions.flatMap((one): readonly Action[] => (one.type === 'apply-actions' ? one.actions : []));
  const groups: string[] = [];
  let [reg7, reg8]: [unknown, unknown] = [0, 0];
  for (const action of actions) {
    if (action.type === 'set-field' && action.field === 'reg7') reg7 = action.value;
    else if (action.type === 'set-field' && action.field === 'reg8') reg8 = action.value;
    else if (action.type === 'nx-resubmit-table') groups.push(groupText(action.tableId, match.reg2, reg7, reg8));
  }
  return groups;
}

function groupText(...parts: readonly unknown[]): string {
  return parts.join(' ');
}
