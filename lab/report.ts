// The round's figures as a table for people and as an object for programs.
import { formatBytes, formatMs } from '../common/terminal/progress.ts';
import { formatTable } from '../common/terminal/table.ts';
import type { OutsideFigures } from './outside-probe.ts';
import { type Leg, SETTLE_MS } from './round.ts';
import { type LabTopology, LINK_RATE_MBIT, THREE_CLOUDS } from './topology.ts';

/** Undefined of what was not looked at in a leg; a row without any other cell is left out. */
type Row = readonly [string, (leg: Leg) => string | undefined];

const ROWS: readonly Row[] = [
  ['total', ({ migration }) => formatMs(migration.totalMs)],
  ['hold', ({ migration }) => formatMs(migration.holdMs)],
  ['ping gap (10 ms pings)', ({ ping }) => `${formatMs(ping.longestGapMs)}, ${ping.lost} lost`],
  ['TCP gap (open connection)', ({ tcp }) => gap(tcp.longestGapMs, tcp.lost)],
  [
    'its Internet: download, gap by its clock',
    ({ outside }) => outside && gap(outside.download.gapMs, outside.download.lost),
  ],
  ['  new connections there, slowest', ({ outside }) => outside && fetches(outside)],
  ['  a caller from there, gap', ({ outside }) => outside && gap(outside.caller.longestGapMs, outside.caller.lost)],
  ['WAN bytes between the two', ({ wanBytes }) => formatBytes(wanBytes)],
  ['  memory', ({ migration }) => formatBytes(migration.memoryBytes)],
  ['  blocks', ({ migration }) => formatBytes(migration.blockBytes)],
  ['  metadata', ({ migration }) => formatBytes(migration.entryBytes)],
  ['blocks fetched on demand', ({ migration }) => `${migration.fetchedOnDemandBlocks}`],
  // Read while the background pull may still run: it says how far that was, not where it ends.
  [`still at the source after ${SETTLE_MS / 1_000} s`, ({ migration }) => `${migration.dependsOnSourceBlocks} blocks`],
  ['independent of every other node', ({ migration }) => independence(migration)],
  ["guest's records", ({ guest }) => `${guest.verified} verified, ${guest.bad} bad`],
  ["WAN emulator's worst lateness", ({ wanWorstLatenessMs }) => formatMs(wanWorstLatenessMs)],
  ['checks', ({ checks }) => `${checks.filter(({ held }) => held).length} of ${checks.length} held`],
];

function gap(longestMs: number, lost: string): string {
  return `${formatMs(longestMs)}${lost === '' ? '' : `, ${lost}`}`;
}

function fetches({ fetches: { good, failed, slowestMs } }: OutsideFigures): string {
  return `${good}, ${formatMs(slowestMs)}${failed === 0 ? '' : `, ${failed} failed`}`;
}

function independence({ independentMs }: Leg['migration']): string {
  return independentMs === null ? 'not yet' : `after ${formatMs(independentMs)}`;
}

/** One column per leg. */
export function roundTable(legs: readonly Leg[], { roundTripsMs, visitor }: LabTopology = THREE_CLOUDS): string {
  const columns = [{ title: '' }, ...legs.map(({ from, to }) => ({ title: `${from} -> ${to}`, figures: true }))];
  const all = ROWS.map(([title, cell]) => ({ title, cells: legs.map(cell) }));
  const rows = all
    .filter(({ cells }) => cells.some((cell) => cell !== undefined))
    .map(({ title, cells }) => [title, ...cells.map((cell) => cell ?? '')]);
  const failed = legs.flatMap(({ from, to, checks }) =>
    checks.filter(({ held }) => !held).map(({ name, seen }) => `not held, ${from} -> ${to}: ${name} (${seen})`),
  );
  const distances = roundTripsMs.map(({ between, rttMs }) => `${between.join('-')} ${rttMs} ms`).join(', ');
  const footer = `links: ${LINK_RATE_MBIT} Mbit/s each way; round trips ${distances}; the user sits in ${visitor.cloud}`;
  return [formatTable(columns, rows), footer, ...failed].join('\n');
}

/** True if everything that was checked held. */
export function allHeld(legs: readonly Leg[]): boolean {
  return legs.length > 0 && legs.every(({ checks }) => checks.every(({ held }) => held));
}
