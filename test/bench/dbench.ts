// The storage benchmark of TOCS 2017, section 4.4 (figures 12 and 13): DBENCH in a guest that is moved at once after the
// start, with its disk in several places. A run that fails is said and the others go on; the figures are of no use beside
// other work on the machine.
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, OperationError } from '../../common/errors.ts';
import { formatBytes, formatMs, type ProgressLine } from '../../common/terminal/progress.ts';
import { Lab } from '../../lab/lab.ts';
import { LINK_RATE_MBIT } from '../../lab/topology.ts';
import { DbenchFigures, readShare, throughput } from './dbench/dbench-figures.ts';
import { prepareDbenchGuest } from './dbench/guest.ts';
import type { DbenchRun, Load } from './dbench/measured-run.ts';
import { OurRuns } from './dbench/our-runs.ts';
import { PlainRuns } from './dbench/plain-runs.ts';
import { type Plotted, plot } from './dbench/plot.ts';
import { chosenSubjects, type Subject } from './dbench/subjects.ts';
import { WorkCurve } from './dbench/work-curve.ts';
import { ROUND_TRIP_MS } from './goals.ts';

export { NFS_PACKAGES as DBENCH_PACKAGES } from './dbench/nfs-server.ts';

/**
 * The paper has four clients with 512 MB and half a million operations each. Under emulation all is slower by half; eight
 * clients in this memory are the load whose reads do not all hit the guest's own cache (docs/LAB.md).
 */
const CLIENTS = 8;
const MEMORY_MB = 112;
/**
 * What all clients together read and write: one or two minutes of an unmigrated guest. A guest that waits for the other
 * side of the ocean at each flush would take an hour; what it has done by the limit is its figure.
 */
const LOAD: Load = { goalBytes: 2_500_000_000, limitMs: 600_000 };
/** The move alone takes most of what this does. */
const QUICK: Load = { goalBytes: 1_000_000_000, limitMs: 240_000 };
/** So that one run's last packets and ended processes are not in the next one's figures. */
const REST_MS = 1_000;

/** The command's options. */
export interface DbenchBenchOptions {
  readonly runs: number;
  readonly quick?: true;
  readonly only?: string;
  readonly plot?: string;
  readonly json?: string | true;
}

/** Measures one subject once. */
type Measure = (subject: Subject) => Promise<DbenchRun>;

function measureIn(ours: OurRuns, plain: PlainRuns): Measure {
  return (subject) => {
    const { disk } = subject;
    if (disk.kind === 'ours') return ours.run(subject, disk);
    return disk.kind === 'nfs' ? plain.nfs() : plain.mirror();
  };
}

async function runAll(
  subjects: readonly Subject[],
  runs: number,
  measure: Measure,
  line: ProgressLine,
): Promise<DbenchFigures> {
  const figures = new DbenchFigures();
  for (let run = 1; run <= runs; run += 1) {
    for (const subject of subjects) {
      const title = `${subject.name}, run ${run} of ${runs}`;
      try {
        const figure = await line.during(title, () => measure(subject));
        figures.keep(subject.name, figure);
        process.stderr.write(`   ${inShort(figure)}\n`);
      } catch (error) {
        figures.failures.push(`${title}: ${messageOf(error)}`);
        process.stderr.write(`   FAILED ${title}: ${messageOf(error)}\n`);
      }
      await sleep(REST_MS);
    }
    process.stdout.write(`\nafter ${run} of ${runs} runs\n${figures.table()}\n`);
  }
  return figures;
}

function inShort(run: DbenchRun): string {
  const { isDone, finishMs, movedMs, wanInBytes, wanOutBytes, slowestMs } = run;
  return [
    `${isDone ? 'done after' : 'given up after'} ${formatMs(finishMs)}, ${formatBytes(throughput(run))}/s`,
    ...(movedMs === undefined ? [] : [`moved after ${formatMs(movedMs)}`]),
    `WAN ${formatBytes(wanInBytes)} in, ${formatBytes(wanOutBytes)} out`,
    `${(100 * readShare(run)).toFixed(0)} % reads`,
    `slowest operation ${formatMs(slowestMs)}`,
  ].join(', ');
}

function plotted(figures: DbenchFigures): Plotted[] {
  const none = { mean: 0, deviation: 0 };
  return figures.subjects.map((name) => ({
    name,
    runs: figures.of(name).map(({ points, finishMs, movedMs }) => ({
      perSecond: new WorkCurve(points).perSecond(finishMs),
      movedSeconds: movedMs === undefined ? undefined : movedMs / 1_000,
    })),
    throughput: figures.spread(name, throughput) ?? none,
    finishSeconds: figures.spread(name, ({ finishMs }) => finishMs / 1_000) ?? none,
    wanIn: figures.spread(name, ({ wanInBytes }) => wanInBytes) ?? none,
    wanOut: figures.spread(name, ({ wanOutBytes }) => wanOutBytes) ?? none,
  }));
}

/** Tells and writes what came out; answers whether all that is asked for was reached. */
function tell(
  figures: DbenchFigures,
  { goalBytes, limitMs }: Load,
  { plot: plotFile, json }: DbenchBenchOptions,
): boolean {
  const load = `DBENCH, ${CLIENTS} clients, ${formatBytes(goalBytes)} read and written, memory ${MEMORY_MB} MB`;
  const link = `round trip ${ROUND_TRIP_MS} ms, ${LINK_RATE_MBIT} Mbit/s`;
  process.stdout.write(`\n${load}; ${link}\n`);
  const verdicts = figures.verdicts();
  for (const { goal, reached, seen } of verdicts) {
    process.stdout.write(`${reached ? 'reached    ' : 'NOT reached'} ${goal}: ${seen}\n`);
  }
  if (plotFile !== undefined) writeFileSync(plotFile, plot(plotted(figures), `${load}; ${link}`));
  if (json !== undefined) {
    const setting = { clients: CLIENTS, memoryMB: MEMORY_MB, goalBytes, limitMs, roundTripMs: ROUND_TRIP_MS };
    const plain = { ...setting, verdicts, failures: figures.failures, runs: figures };
    const text = `${JSON.stringify(plain, null, 2)}\n`;
    if (json === true) process.stdout.write(text);
    else writeFileSync(json, text);
  }
  return verdicts.every(({ reached }) => reached);
}

/** Runs the benchmark, prints it, and answers whether everything that was asked for was reached. */
export async function benchDbench(options: DbenchBenchOptions, line: ProgressLine): Promise<boolean> {
  const subjects = chosenSubjects(options.only);
  if (subjects.length === 0) {
    const names = chosenSubjects(undefined).map(({ name }) => name);
    throw new OperationError('USAGE', `nothing is called '${options.only}'`, {
      remedy: `there is ${names.join('; ')}`,
    });
  }
  const load = options.quick === true ? QUICK : LOAD;
  const runs = options.quick === true ? 1 : options.runs;
  const guest = await prepareDbenchGuest({ clients: CLIENTS, memoryMB: MEMORY_MB }, line);
  const lab = await Lab.start(line);
  try {
    const measure = measureIn(new OurRuns(lab, guest, load, line), new PlainRuns(lab, guest, load, line));
    return tell(await runAll(subjects, runs, measure, line), load, options);
  } finally {
    await line.during('take everything down', () => lab.stop());
  }
}
