// The migration benchmark: one lab, one guest image, one link; ours and plain QEMU's in turn, medians after each turn. A
// measurement that fails is said and the others go on; the figures are of no use beside other work on the machine.
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../common/errors.ts';
import { formatBytes, formatMs, type ProgressLine } from '../../common/terminal/progress.ts';
import type { PreparedGuest } from '../../lab/guest/build.ts';
import { prepareWithProgress } from '../../lab/guests.ts';
import { Lab } from '../../lab/lab.ts';
import { allHeld } from '../../lab/report.ts';
import { LINK_RATE_MBIT } from '../../lab/topology.ts';
import { type Goal, goals, ROUND_TRIP_MS } from './goals.ts';
import { OurMoves } from './our-moves.ts';
import { PeerMoves } from './peer-moves.ts';
import { goRounds } from './rounds.ts';
import { type Sample, Samples, type Subject } from './samples.ts';

/** Between two measurements, so that one's last packets and ended processes are not in the next one's figures. */
const REST_MS = 1_000;

/** The command's options. */
export interface MigrationBenchOptions {
  readonly alternations: number;
  readonly diskMb: number;
  readonly memoryMb: number;
  readonly rounds?: number;
  readonly json?: string | true;
}

/** One measurement; it keeps what it measures, and leaves nothing behind, also when it fails. */
type Measure = (keep: (subject: Subject, sample: Sample) => void) => Promise<void>;

async function measure(samples: Samples, name: string, work: Measure): Promise<void> {
  try {
    await work((subject, sample) => {
      samples.keep(subject, sample);
      const { totalMs, bytes, pingGapMs, pingGapAtMs, worstLatenessMs } = sample;
      const gap = `ping gap ${formatMs(pingGapMs)} after ${formatMs(pingGapAtMs)}`;
      const late = `emulator's worst lateness ${formatMs(worstLatenessMs)}`;
      process.stderr.write(`   ${subject}: ${formatMs(totalMs)}, ${formatBytes(bytes)}, ${gap}, ${late}\n`);
      for (const broken of sample.checksNotHeld) process.stderr.write(`   not held: ${broken}\n`);
    });
  } catch (error) {
    samples.failures.push(`${name}: ${messageOf(error)}`);
    process.stderr.write(`   FAILED ${name}: ${messageOf(error)}\n`);
  }
  await sleep(REST_MS);
}

async function alternate(lab: Lab, guest: PreparedGuest, count: number, line: ProgressLine): Promise<Samples> {
  const samples = new Samples();
  const [peer, ours] = [new PeerMoves(lab, guest, line), new OurMoves(lab, guest, line)];
  const startedMs = performance.now();
  for (let turn = 1; turn <= count; turn += 1) {
    await measure(samples, 'QEMU mirror + migrate', (keep) => peer.move('QEMU mirror + migrate', 'mirror', keep));
    await measure(samples, 'QEMU memory only', (keep) => peer.move('QEMU memory only', 'memory', keep));
    await measure(samples, 'ours, pull off', (keep) => ours.pullOff(keep));
    await measure(samples, 'ours, pull on', (keep) => ours.thereAndBack(keep));
    const tookMs = performance.now() - startedMs;
    process.stdout.write(`\nafter ${turn} of ${count} alternations, ${formatMs(tookMs)}\n${samples.table()}\n`);
  }
  return samples;
}

function printGoals(reached: readonly Goal[], { diskMb, memoryMb }: MigrationBenchOptions): void {
  const what = `disk ${diskMb} MB of random data, memory ${memoryMb} MB`;
  process.stdout.write(`link ${LINK_RATE_MBIT} Mbit/s, ${ROUND_TRIP_MS} ms; ${what}\n`);
  for (const { goal, seen, reached: met } of reached) {
    process.stdout.write(`${met ? 'reached    ' : 'NOT reached'} ${goal}: ${seen}\n`);
  }
}

function writeFigures(json: string | true | undefined, figures: object): void {
  const text = `${JSON.stringify(figures, null, 2)}\n`;
  if (typeof json === 'string') writeFileSync(json, text);
  if (json === true) process.stdout.write(text);
}

/** Runs the benchmark, prints it, and answers whether everything that was asked for was reached. */
export async function benchMigration(options: MigrationBenchOptions, line: ProgressLine): Promise<boolean> {
  const { diskMb, memoryMb: memoryMB, rounds, alternations, json } = options;
  const prepared = await prepareWithProgress('tiny', line, { diskBytes: (diskMb + 16) * 2 ** 20, fill: 'random' });
  const guest = { ...prepared, memoryMB };
  const lab = await Lab.start(line);
  try {
    if (rounds !== undefined) {
      const { legs, failure } = await goRounds(lab, guest, rounds, line);
      writeFigures(json, { options, legs, failure });
      return failure === '' && allHeld(legs);
    }
    const samples = await alternate(lab, guest, alternations, line);
    const reached = goals(samples);
    printGoals(reached, options);
    writeFigures(json, { options, goals: reached, failures: samples.failures, samples });
    return reached.every((goal) => goal.reached);
  } finally {
    await line.during('take everything down', () => lab.stop());
  }
}
