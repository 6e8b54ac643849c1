// What it costs to move blocks between two block daemons: processor time of both ends and system calls, by the bytes, over
// real TLS on loopback, beside nbdcopy from nbdkit and a bare copy in Node. Everything it makes it removes.
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { ProgressLine } from '../../common/terminal/progress.ts';
import { formatTable } from '../../common/terminal/table.ts';
import { onDisk } from '../scratch.ts';
import { BareMover } from './bare-mover.ts';
import { type BlockMover, type Moved, OurMover } from './block-mover.ts';
import { callsDuring } from './call-counter.ts';
import { median } from './median.ts';
import { makeRandom } from './nbd-servers.ts';
import { NbdCopyMover } from './nbdcopy-mover.ts';

const MIB = 2 ** 20;
/** Of both ends together. Where the bare copy alone takes more, the peer's figure of the same run is the goal. */
const CPU_SECONDS_PER_GB_MAX = 1.2;
const ROUND_TRIPS_MS = [0, 150];
/** The second link takes time, not work. */
const FAR_SHARE = 1 / 4;

/** What the command installs, for itself only. */
export const PEERS_BENCH_PACKAGES = ['nbdkit', 'libnbd-bin'];

/** The last is no peer but what Node takes for TLS, files and checksums alone. */
const MOVERS = ['supercloud', 'nbdkit + nbdcopy', 'bare copy in Node'] as const;
type MoverName = (typeof MOVERS)[number];

/** The command's options. */
export interface PeersBenchOptions {
  readonly alternations: number;
  readonly mib: number;
  readonly json?: string | true;
}

interface CaseResult {
  readonly roundTripMs: number;
  readonly bytes: number;
  readonly samples: Map<MoverName, Moved[]>;
  readonly calls: Map<MoverName, number>;
}

type Movers = Map<MoverName, BlockMover>;

/** Each is among the started from the moment that it is there. */
async function startMovers(started: Movers, directory: string, bytes: number, roundTripMs: number): Promise<void> {
  const source = join(directory, 'source.raw');
  await makeRandom(source, bytes);
  const load = { source, bytes, roundTripMs };
  await OurMover.start({ ...load, directory: join(directory, 'ours') }, (ours) => started.set('supercloud', ours));
  await BareMover.start({ ...load, directory: join(directory, 'bare') }, (bare) =>
    started.set('bare copy in Node', bare),
  );
  started.set('nbdkit + nbdcopy', await NbdCopyMover.start({ ...load, directory: join(directory, 'nbd') }));
}

async function stopAll(movers: Movers): Promise<void> {
  await Promise.allSettled([...movers.values()].map((mover) => mover.stop()));
  movers.clear();
}

interface CasePlan {
  readonly directory: string;
  readonly bytes: number;
  readonly roundTripMs: number;
  readonly alternations: number;
}

/** One case: every mover in turn, again and again; system calls are counted in a move of their own. */
async function runCase(movers: Movers, { directory, bytes, roundTripMs, alternations }: CasePlan): Promise<CaseResult> {
  await mkdir(directory);
  const result: CaseResult = { roundTripMs, bytes, samples: new Map(), calls: new Map() };
  try {
    await startMovers(movers, directory, bytes, roundTripMs);
    // The first move is not counted: code is compiled, connections are made.
    for (let turn = -1; turn < alternations; turn += 1) {
      for (const [name, mover] of movers) {
        const moved = await mover.move();
        if (turn === 0) await compare(join(directory, 'source.raw'), mover.file);
        await mover.clear();
        if (turn >= 0) result.samples.set(name, [...(result.samples.get(name) ?? []), moved]);
      }
    }
    for (const [name, mover] of movers) {
      const calls = await mover.calls(callsDuring);
      await mover.clear();
      if (calls !== undefined) result.calls.set(name, calls);
    }
  } finally {
    await stopAll(movers);
    await rm(directory, { recursive: true, force: true });
  }
  return result;
}

/** @throws Error when the files differ: then nothing that was measured means anything */
async function compare(source: string, copy: string): Promise<void> {
  await promisify(execFile)('cmp', [source, copy]);
}

function figure(result: CaseResult, name: MoverName, pick: (moved: Moved) => number): number {
  return median((result.samples.get(name) ?? []).map(pick)) ?? Number.NaN;
}

function cpuPerGb(result: CaseResult, name: MoverName): number {
  return figure(result, name, (moved) => moved.sentCpuSeconds + moved.takenCpuSeconds) / (result.bytes / 1e9);
}

function row(result: CaseResult, name: MoverName): string[] {
  const gigabytes = result.bytes / 1e9;
  const calls = result.calls.get(name);
  return [
    name === MOVERS[0] ? `round trip ${result.roundTripMs} ms` : '',
    name,
    cpuPerGb(result, name).toFixed(2),
    (figure(result, name, (moved) => moved.sentCpuSeconds) / gigabytes).toFixed(2),
    (figure(result, name, (moved) => moved.takenCpuSeconds) / gigabytes).toFixed(2),
    calls === undefined ? '' : (calls / (result.bytes / 1e6)).toFixed(0),
    (result.bytes / 1e6 / figure(result, name, (moved) => moved.seconds)).toFixed(0),
  ];
}

function verdictOf(result: CaseResult): { readonly asked: string; readonly seen: number; readonly isHere: boolean } {
  const bare = cpuPerGb(result, 'bare copy in Node');
  const [limit, why] =
    bare <= CPU_SECONDS_PER_GB_MAX
      ? [CPU_SECONDS_PER_GB_MAX, '']
      : [cpuPerGb(result, 'nbdkit + nbdcopy'), `, nbdcopy's, since the bare copy takes ${bare.toFixed(2)} here`];
  const seen = cpuPerGb(result, 'supercloud');
  const asked = `round trip ${result.roundTripMs} ms: at most ${limit.toFixed(2)} CPU-seconds per GB at both ends${why}`;
  return { asked, seen, isHere: seen <= limit };
}

function tell(results: readonly CaseResult[]): boolean {
  const titles = ['CPU s/GB', 'sender', 'receiver', 'calls/MB', 'MB/s'];
  const columns = [{ title: 'link' }, { title: 'what' }, ...titles.map((title) => ({ title, figures: true }))];
  const rows = results.flatMap((result) => MOVERS.map((name) => row(result, name)));
  process.stdout.write(`\n${formatTable(columns, rows)}\n\n`);
  let isReached = true;
  for (const result of results) {
    const { asked, seen, isHere } = verdictOf(result);
    isReached &&= isHere;
    process.stdout.write(`${isHere ? 'reached    ' : 'NOT reached'} ${asked}: ${seen.toFixed(2)}\n`);
  }
  if (results.some(({ calls }) => calls.size === 0)) {
    process.stdout.write('not counted: system calls, for which perf (linux-perf) must work here\n');
  }
  return isReached;
}

function keep({ json, alternations }: PeersBenchOptions, results: readonly CaseResult[]): void {
  if (json === undefined) return;
  const plain = results.map(({ samples, calls, ...rest }) => ({
    ...rest,
    samples: Object.fromEntries(samples),
    calls: Object.fromEntries(calls),
  }));
  const text = `${JSON.stringify({ alternations, results: plain }, null, 2)}\n`;
  if (json === true) process.stdout.write(text);
  else writeFileSync(json, text);
}

/** Runs the benchmark, prints it, and answers whether its goals were reached. */
export async function benchPeers(options: PeersBenchOptions, line: ProgressLine): Promise<boolean> {
  const directory = await mkdtemp(join(onDisk(), 'bench-peers-'));
  const results: CaseResult[] = [];
  const movers: Movers = new Map();
  const removeAll = async (): Promise<void> => {
    await stopAll(movers);
    await rm(directory, { recursive: true, force: true });
  };
  const onSignal = (): void => void removeAll().finally(() => process.exit(1));
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  try {
    for (const roundTripMs of ROUND_TRIPS_MS) {
      const mib = roundTripMs === 0 ? options.mib : Math.ceil(options.mib * FAR_SHARE);
      const title = `${mib} MiB, round trip ${roundTripMs} ms`;
      const plan = { directory: join(directory, `${roundTripMs}`), bytes: mib * MIB, roundTripMs };
      const { alternations } = options;
      results.push(await line.during(title, () => runCase(movers, { ...plan, alternations })));
    }
  } finally {
    await removeAll();
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
  const isReached = tell(results);
  keep(options, results);
  return isReached;
}
