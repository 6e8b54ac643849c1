// The way of a frame for a terminal: a verdict, then each switch with the rules that the frame met there.
import { styleText } from 'node:util';
import { formatTable } from '../common/terminal/table.ts';
import type { NetworkTrace, TraceDifference, TraceHop, TraceRule, TraceWalk } from '../wire/contracts/trace.ts';

const COLOURS = { delivered: 'green', dropped: 'red', astray: 'red', endless: 'red', unknown: 'yellow' } as const;
const VERDICTS = {
  delivered: 'is let through',
  dropped: 'is not let through',
  astray: 'goes astray',
  endless: 'does not end',
  unknown: 'cannot be followed',
} as const;
const COLUMNS = [{ title: 'TABLE' }, { title: 'PRIO', figures: true }, { title: 'BY' }, { title: 'RULE' }];

export function describeTrace({ from, to, wanted, real, differences }: NetworkTrace): string {
  const [source, destination] = [from.ipv6 ?? from.ip, to.ipv6 ?? to.ip];
  const ends = `${from.owner} (${source}) at ${from.node} to ${to.owner} (${destination}) at ${to.node}`;
  const parts = [
    `a ping of ${ends}`,
    judged('by the rules that are wanted', wanted),
    ...wanted.hops.flatMap(describeHop),
  ];
  if (real === null) return parts.join('\n');
  return [...parts, '', judged('by the tables of the switches', real), ...describeReal(real, differences)].join('\n');
}

function judged(by: string, { verdict, why, hops, roundTripMs }: TraceWalk): string {
  const crosses = hops.some(({ leaves }) => leaves.some(({ to }) => to !== null));
  const took = roundTripMs === null ? ', not every link was measured' : `, ${milliseconds(roundTripMs)} there and back`;
  return `${by} it ${styleText(COLOURS[verdict], VERDICTS[verdict])}: ${why}${crosses ? took : ''}`;
}

function describeHop({ node, entersBy, rules, leaves }: TraceHop): string[] {
  const rows = rules.map((rule) => [rule.table, `${rule.priority}`, writerOf(rule), rule.says]);
  const ways = leaves.map(({ by, to, roundTripMs }) => {
    if (to === null) return `  out by ${by}`;
    return `  ${by} ──${roundTripMs === null ? '' : ` ${milliseconds(roundTripMs)} `}──> ${to}`;
  });
  return ['', `${node}, in by ${entersBy}`, ...(rows.length === 0 ? [] : [formatTable(COLUMNS, rows)]), ...ways];
}

function describeReal(real: TraceWalk, differences: readonly TraceDifference[]): string[] {
  if (differences.length === 0)
    return real.verdict === 'unknown' ? [] : ['the switches on this way have the rules that are wanted'];
  return differences.flatMap(({ node, table, wanted, real: found }) => [
    `${node} differs in ${table}:`,
    `  wanted: ${ruleOf(wanted)}`,
    `  there:  ${ruleOf(found)}`,
  ]);
}

function ruleOf(rule: TraceRule | null): string {
  if (rule === null) return 'no rule';
  return `${rule.says} (priority ${rule.priority}, cookie ${rule.cookie}, ${writerOf(rule)})`;
}

function writerOf({ writer, epoch }: TraceRule): string {
  return epoch === null ? writer : `${writer}, epoch ${epoch}`;
}

function milliseconds(ms: number): string {
  return `${ms < 9.95 ? ms.toFixed(1) : Math.round(ms)} ms`;
}
