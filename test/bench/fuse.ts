// The FUSE export's benchmark: our mount, nbdfuse's and qemu-storage-daemon's in turn over one blockd, under the same loads
// of fio. Every read and write reaches the mount's process. Quoted are medians; everything it makes it removes.
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { OperationError } from '../../common/errors.ts';
import type { ProgressLine } from '../../common/terminal/progress.ts';
import { formatTable } from '../../common/terminal/table.ts';
import { onDisk } from '../scratch.ts';
import { MOUNTS, type Mount, type MountName, startMounts } from './fuse-mounts.ts';
import { median } from './median.ts';
import { parseFio, processorUs, type Sample } from './nbd-load.ts';

const LENGTH = { seconds: 5, alternations: 6 };
const QUICK = { seconds: 2, alternations: 2 };
const CALLS_SECONDS = 1;
const LIMITS = { maxBuffer: 2 ** 24, timeout: 180_000 } as const;
const run = promisify(execFile);

/** What the command installs, for itself only. */
export const FUSE_BENCH_PACKAGES = ['fio', 'libnbd-bin', 'qemu-utils'];

/** The command's options. */
export interface FuseBenchOptions {
  readonly quick?: true;
  readonly json?: string | true;
}

interface FuseCase {
  readonly name: string;
  readonly rw: 'randread' | 'randwrite' | 'read' | 'write';
  readonly blockBytes: number;
  /** Threads, each with one request under way. */
  readonly threads: number;
}

const CASES: readonly FuseCase[] = [
  { name: 'read-4k', rw: 'randread', blockBytes: 4096, threads: 1 },
  { name: 'write-4k', rw: 'randwrite', blockBytes: 4096, threads: 1 },
  { name: 'read-4k-x16', rw: 'randread', blockBytes: 4096, threads: 16 },
  { name: 'write-4k-x16', rw: 'randwrite', blockBytes: 4096, threads: 16 },
  { name: 'seq-read-1m', rw: 'read', blockBytes: 2 ** 20, threads: 1 },
  { name: 'seq-write-1m', rw: 'write', blockBytes: 2 ** 20, threads: 1 },
];

interface CaseResult {
  readonly load: FuseCase;
  readonly samples: Map<MountName, Sample[]>;
  /** The mount's process's system calls per operation, where perf can count. */
  readonly calls: Map<MountName, number>;
}

/** O_DIRECT: the peers would otherwise answer from the kernel's page cache, where ours never does. */
function fioWords({ rw, blockBytes, threads }: FuseCase, { file }: Mount, seconds: number): string[] {
  return [
    ...['--name=bench', '--ioengine=psync', `--filename=${file}`, '--direct=1', `--rw=${rw}`, `--bs=${blockBytes}`],
    ...[`--numjobs=${threads}`, '--thread', '--group_reporting', '--time_based', `--runtime=${seconds}`],
    ...['--size=1G', '--randrepeat=0', '--percentile_list=99', '--output-format=json'],
  ];
}

async function measure(load: FuseCase, mount: Mount, seconds: number): Promise<Sample> {
  const beforeUs = await processorUs(mount.pid);
  const { stdout } = await run('fio', fioWords(load, mount, seconds), LIMITS);
  const { total, sample } = parseFio(stdout);
  const cpuUs = ((await processorUs(mount.pid)) - beforeUs) / total;
  // What one mount wrote must not go to the disk while the next one is measured.
  if (load.rw.endsWith('write')) await run('sync', ['-f', onDisk()], LIMITS);
  return { ...sample, cpuUs };
}

async function countCalls(load: FuseCase, mount: Mount): Promise<number | undefined> {
  const words = ['stat', '-x', ',', '-e', 'raw_syscalls:sys_enter', '-p', `${mount.pid}`, '--', 'fio'];
  try {
    const { stdout, stderr } = await run('perf', [...words, ...fioWords(load, mount, CALLS_SECONDS)], LIMITS);
    return Number(/^(\d+),.*sys_enter/m.exec(stderr)?.[1] ?? Number.NaN) / parseFio(stdout).total;
  } catch (error) {
    if (error instanceof OperationError) throw error;
    return undefined;
  }
}

async function runCase(load: FuseCase, mounts: readonly Mount[], length: typeof LENGTH): Promise<CaseResult> {
  const samples = new Map<MountName, Sample[]>();
  const calls = new Map<MountName, number>();
  for (let turn = 0; turn < length.alternations; turn += 1) {
    for (const mount of mounts) {
      const sample = await measure(load, mount, length.seconds);
      samples.set(mount.name, [...(samples.get(mount.name) ?? []), sample]);
    }
  }
  for (const mount of mounts) {
    const counted = await countCalls(load, mount);
    if (counted !== undefined) calls.set(mount.name, counted);
  }
  return { load, samples, calls };
}

function figure({ samples }: CaseResult, name: MountName, pick: (sample: Sample) => number): number {
  return median((samples.get(name) ?? []).map(pick)) ?? Number.NaN;
}

const rate = (result: CaseResult, name: MountName): number => figure(result, name, ({ perSecond }) => perSecond);
const shown = (value: number | undefined, digits: number): string =>
  value === undefined || Number.isNaN(value) ? '' : value.toFixed(digits);

function row(result: CaseResult, name: MountName): string[] {
  const { load } = result;
  const isBulk = load.blockBytes > 65_536;
  const bytes = figure(result, name, ({ bytesPerSecond }) => bytesPerSecond);
  return [
    name === MOUNTS[0] ? load.name : '',
    name,
    isBulk ? `${shown(bytes / 1e6, 0)} MB/s` : `${shown(rate(result, name), 0)} IOPS`,
    shown(rate(result, name) / rate(result, 'nbdfuse'), 2),
    shown(rate(result, name) / rate(result, 'qemu-storage-daemon'), 2),
    shown(
      figure(result, name, ({ p99Us }) => p99Us),
      0,
    ),
    shown(
      figure(result, name, ({ cpuUs }) => cpuUs),
      1,
    ),
    shown(result.calls.get(name), 2),
  ];
}

/** Whether our mount is not behind the better peer at any load. */
function tell(results: readonly CaseResult[]): boolean {
  const titles = ['median', 'x nbdfuse', 'x qemu', 'p99 us', 'CPU us/op', 'calls/op'];
  const columns = [{ title: 'case' }, { title: 'mount' }, ...titles.map((title) => ({ title, figures: true }))];
  const rows = results.flatMap((result) => MOUNTS.map((name) => row(result, name)));
  process.stdout.write(`\n${formatTable(columns, rows)}\n\n`);
  let isReached = true;
  for (const result of results) {
    const best = Math.max(rate(result, 'nbdfuse'), rate(result, 'qemu-storage-daemon'));
    const ratio = rate(result, 'supercloud') / best;
    isReached &&= ratio >= 1;
    process.stdout.write(
      `${ratio >= 1 ? 'reached    ' : 'NOT reached'} ${result.load.name}: at least the better peer: ${ratio.toFixed(2)}\n`,
    );
  }
  return isReached;
}

function keep({ json }: FuseBenchOptions, length: typeof LENGTH, results: readonly CaseResult[]): void {
  if (json === undefined) return;
  const plain = results.map(({ load, samples, calls }) => ({
    load,
    samples: Object.fromEntries(samples),
    callsPerOperation: Object.fromEntries(calls),
  }));
  const text = `${JSON.stringify({ ...length, results: plain }, null, 2)}\n`;
  if (json === true) process.stdout.write(text);
  else writeFileSync(json, text);
}

/** Runs the benchmark, prints it, and answers whether our mount was ahead at each load. */
export async function benchFuse(options: FuseBenchOptions, line: ProgressLine): Promise<boolean> {
  const length = options.quick === true ? QUICK : LENGTH;
  const directory = await mkdtemp(join(onDisk(), 'bench-fuse-'));
  const mounts: Mount[] = [];
  const stops: (() => Promise<void>)[] = [];
  const results: CaseResult[] = [];
  try {
    await line.during('blockd with 1 GB of random data, three mounts', () => startMounts(directory, mounts, stops));
    for (const load of CASES) results.push(await line.during(load.name, () => runCase(load, mounts, length)));
  } finally {
    // The mounts first: they are clients of blockd.
    for (const stop of stops) await stop();
    await rm(directory, { recursive: true, force: true });
  }
  const isReached = tell(results);
  keep(options, length, results);
  return isReached;
}
