// The same VM round the three clouds, again and again, without the peers: a table per round, then how the figures lie
// and whether every check held.
import { messageOf } from '../../common/errors.ts';
import { formatMs, type ProgressLine } from '../../common/terminal/progress.ts';
import { formatTable } from '../../common/terminal/table.ts';
import type { PreparedGuest } from '../../lab/guest/build.ts';
import type { Lab } from '../../lab/lab.ts';
import { roundTable } from '../../lab/report.ts';
import { type Leg, Round } from '../../lab/round.ts';
import { ROUND } from '../../lab/topology.ts';
import { median } from './median.ts';

const FIGURES: readonly (readonly [string, (leg: Leg) => number])[] = [
  ['total', ({ migration }) => migration.totalMs],
  ['hold', ({ migration }) => migration.holdMs],
  ['ping gap', ({ ping }) => ping.longestGapMs],
  ['TCP gap', ({ tcp }) => tcp.longestGapMs],
  ["emulator's worst lateness", ({ wanWorstLatenessMs }) => wanWorstLatenessMs],
];

/** What a run of rounds came to; a leg that failed ends it. */
export interface Rounds {
  readonly legs: readonly Leg[];
  readonly failure: string;
}

/** Goes round and prints as it goes. */
export async function goRounds(lab: Lab, guest: PreparedGuest, count: number, line: ProgressLine): Promise<Rounds> {
  const round = new Round(lab, guest, line);
  const legs: Leg[] = [];
  let failure = '';
  try {
    await round.boot();
    for (let turn = 0; turn < count; turn += 1) {
      for (const to of ROUND) legs.push(await round.leg(to));
      process.stdout.write(`\nround ${turn + 1} of ${count}\n${roundTable(legs.slice(-ROUND.length))}\n`);
    }
  } catch (error) {
    failure = `move ${legs.length + 1} failed: ${messageOf(error)}`;
  } finally {
    round.stop();
  }
  process.stdout.write(`\n${summary(legs)}\n`);
  if (failure !== '') process.stdout.write(`${failure}\n`);
  return { legs, failure };
}

function summary(legs: readonly Leg[]): string {
  const columns = [
    { title: `${legs.length} moves` },
    ...['least', 'median', 'most'].map((title) => ({ title, figures: true })),
  ];
  const rows = FIGURES.map(([title, of]) => {
    const values = legs.map(of);
    return [title, ...[Math.min(...values), median(values) ?? 0, Math.max(...values)].map(formatMs)];
  });
  return [legs.length > 0 ? formatTable(columns, rows) : 'no move', ...checkLines(legs)].join('\n');
}

/** One line per check, with what was seen wherever it did not hold. */
function checkLines(legs: readonly Leg[]): string[] {
  const checks = legs.flatMap(({ from, to, checks: own }) =>
    own.map((check) => ({ ...check, way: `${from} -> ${to}` })),
  );
  return [...Map.groupBy(checks, ({ name }) => name)].map(([name, all]) => {
    const broken = all.filter(({ held }) => !held).map(({ way, seen }) => `${way}: ${seen}`);
    return [`${name}: held ${all.length - broken.length} of ${all.length}`, ...broken].join('\n  not held, ');
  });
}
