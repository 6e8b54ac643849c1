// Puts one case's load on one server and reads what it cost: fio's or qemu-img's figures, the server's processor time,
// its system calls. Judges nothing.
import { execFile } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { Type } from '#typebox';
import { dropCached } from '../../common/disk/page-cache.ts';
import { OperationError } from '../../common/errors.ts';
import { SchemaCheck } from '../../common/schema-check.ts';
import type { NbdCase } from './nbd-cases.ts';
import { FILE_BYTES, type NbdServer } from './nbd-servers.ts';

/** What the hot reader reads; the cold one has the rest. */
const HOT_BYTES = 64 * 2 ** 20;
const COLD_DEPTH = 16;
/** The cold reader is there before the hot one and after it. */
const COLD_LEAD_SECONDS = 1;
const CALLS_SECONDS = 1;
/** USER_HZ on all of Linux's ports that Node runs on (time(7)). */
const TICK_US = 10_000;
/** Many times the longest load: a server that hangs is a failure. */
const LIMITS = { maxBuffer: 2 ** 24, timeout: 180_000 } as const;
/** About what a fast server does, so that qemu-img runs about as long as fio. */
const QEMU_IMG_PER_SECOND = 60_000;
const run = promisify(execFile);

/** One measurement. */
export interface Sample {
  readonly perSecond: number;
  readonly bytesPerSecond: number;
  readonly p99Us: number;
  /** The server's processor time per operation, of the cold reader's too where there is one. */
  readonly cpuUs: number;
  /** The client's own per operation: with one thread it does no more of them than fill a processor. */
  readonly clientUs: number;
  /** The hot reader's without the cold one. */
  readonly aloneP99Us?: number;
}

const Side = Type.Object({
  total_ios: Type.Number(),
  iops: Type.Number(),
  bw_bytes: Type.Number(),
  clat_ns: Type.Object({ percentile: Type.Optional(Type.Record(Type.String(), Type.Number())) }),
});
/** Processor time in per cent of a run time in ms. */
const Job = Type.Object({
  read: Side,
  write: Side,
  usr_cpu: Type.Number(),
  sys_cpu: Type.Number(),
  job_runtime: Type.Number(),
});
const report = new SchemaCheck(Type.Object({ jobs: Type.Array(Job) }));
/** bash(1) says what its command took, in seconds of processor for itself and for the kernel. */
const TIMED = ['-c', 'TIMEFORMAT="%U %S"; time "$@"', 'bash', 'qemu-img'] as const;

interface Span {
  readonly seconds: number;
  readonly offset?: number;
  readonly bytes?: number;
}

function fioWords({ rw, blockBytes, depth }: NbdCase, { uri }: NbdServer, span: Span): string[] {
  const { seconds, offset = 0, bytes = FILE_BYTES - offset } = span;
  return [
    ...['--name=bench', '--ioengine=nbd', `--uri=${uri}`, `--rw=${rw}`, `--bs=${blockBytes}`, `--iodepth=${depth}`],
    ...['--time_based', `--runtime=${seconds}`, `--offset=${offset}`, `--size=${bytes}`, '--randrepeat=0'],
    ...['--percentile_list=99', '--output-format=json'],
  ];
}

/** What fio's JSON says of its one job. @throws OperationError FIO */
export function parseFio(text: string): { total: number; sample: Omit<Sample, 'cpuUs'> } {
  const value: unknown = JSON.parse(text.slice(text.indexOf('{')));
  if (!report.accepts(value)) throw new OperationError('FIO', `what fio said: ${report.fault(value)}`);
  const [job] = value.jobs;
  const side = job === undefined || job.read.total_ios > 0 ? job?.read : job.write;
  if (job === undefined || side === undefined || side.total_ios === 0) {
    throw new OperationError('FIO', 'fio did nothing');
  }
  const p99Us = (side.clat_ns.percentile?.['99.000000'] ?? Number.NaN) / 1_000;
  const clientUs = ((job.usr_cpu + job.sys_cpu) * job.job_runtime * 10) / side.total_ios;
  return { total: side.total_ios, sample: { perSecond: side.iops, bytesPerSecond: side.bw_bytes, p99Us, clientUs } };
}

async function output(command: string, words: readonly string[]): Promise<string> {
  return (await run(command, words, LIMITS)).stdout;
}

/** User and system time of all threads, the ended ones too (proc_pid_stat(5), fields 14 and 15). */
export async function processorUs(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_US;
}

async function fio(load: NbdCase, server: NbdServer, span: Span): Promise<Sample> {
  const beforeUs = await processorUs(server.pid);
  const { total, sample } = parseFio(await output('fio', fioWords(load, server, span)));
  return { ...sample, cpuUs: ((await processorUs(server.pid)) - beforeUs) / total };
}

/** Only clean pages can be dropped. */
async function makeCold(file: string): Promise<void> {
  await settle(file);
  await dropCached(file);
}

/** What one server wrote must not go to the disk while the next one is measured. */
async function settle(path: string): Promise<void> {
  const file = await open(path, 'r');
  await file.datasync();
  await file.close();
}

/** Reads the file's beginning, so that it is in the page cache. */
export async function warm(path: string, bytes = FILE_BYTES): Promise<void> {
  for await (const chunk of createReadStream(path, { end: bytes - 1, highWaterMark: 2 ** 22 })) void chunk;
}

async function beside(load: NbdCase, server: NbdServer, seconds: number): Promise<Sample> {
  await makeCold(server.file);
  await warm(server.file, HOT_BYTES);
  const alone = await fio(load, server, { seconds, bytes: HOT_BYTES });
  const coldSpan = { seconds: seconds + 2 * COLD_LEAD_SECONDS, offset: HOT_BYTES };
  const beforeUs = await processorUs(server.pid);
  const cold = output('fio', fioWords({ ...load, depth: COLD_DEPTH }, server, coldSpan));
  const words = fioWords(load, server, { seconds, bytes: HOT_BYTES });
  const hot = output('fio', [...words, `--startdelay=${COLD_LEAD_SECONDS}`]);
  const [coldText, hotText] = await Promise.all([cold, hot]);
  const { total, sample } = parseFio(hotText);
  const cpuUs = ((await processorUs(server.pid)) - beforeUs) / (total + parseFio(coldText).total);
  return { ...sample, cpuUs, clientUs: Number.NaN, aloneP99Us: alone.p99Us };
}

function qemuImgWords({ depth, blockBytes, rw }: NbdCase, { uri }: NbdServer, count: number): string[] {
  const what = ['-c', `${count}`, '-d', `${depth}`, '-s', `${blockBytes}`, ...(rw === 'write' ? ['-w'] : [])];
  return ['bench', '-f', 'raw', '-t', 'none', ...what, uri];
}

async function qemuImg(load: NbdCase, server: NbdServer, seconds: number): Promise<Sample> {
  const count = QEMU_IMG_PER_SECOND * seconds;
  const beforeUs = await processorUs(server.pid);
  const { stdout, stderr } = await run('bash', [...TIMED, ...qemuImgWords(load, server, count)], LIMITS);
  const took = Number(/completed in ([\d.]+) seconds/.exec(stdout)?.[1]);
  const clientUs = (clientSeconds(stderr) * 1e6) / count;
  const cpuUs = ((await processorUs(server.pid)) - beforeUs) / count;
  const perSecond = count / took;
  return { perSecond, bytesPerSecond: perSecond * load.blockBytes, p99Us: Number.NaN, cpuUs, clientUs };
}

/** What bash said behind all that the command said itself. */
function clientSeconds(said: string): number {
  const [, user, system] = /([\d.]+) ([\d.]+)\s*$/.exec(said) ?? [];
  return Number(user) + Number(system);
}

/** One measurement of a case at a server. */
export async function measure(load: NbdCase, server: NbdServer, seconds: number): Promise<Sample> {
  if (load.kind === 'beside') return beside(load, server, seconds);
  if (load.kind === 'cold') await makeCold(server.file);
  const sample = await (load.kind === 'qemu-img' ? qemuImg(load, server, seconds) : fio(load, server, { seconds }));
  if (load.rw.endsWith('write')) await settle(server.file);
  return sample;
}

/** The server's system calls per operation by perf's count, which slows nobody; undefined where perf cannot count. */
export async function countCalls(load: NbdCase, server: NbdServer): Promise<number | undefined> {
  if (load.kind === 'cold') await makeCold(server.file);
  const isFio = load.kind !== 'qemu-img';
  const words = isFio
    ? ['fio', ...fioWords(load, server, { seconds: CALLS_SECONDS })]
    : ['qemu-img', ...qemuImgWords(load, server, QEMU_IMG_PER_SECOND)];
  const perf = ['stat', '-x', ',', '-e', 'raw_syscalls:sys_enter', '-p', `${server.pid}`, '--', ...words];
  try {
    const { stdout, stderr } = await run('perf', perf, LIMITS);
    const calls = Number(/^(\d+),.*sys_enter/m.exec(stderr)?.[1] ?? Number.NaN);
    return calls / (isFio ? parseFio(stdout).total : QEMU_IMG_PER_SECOND);
  } catch (error) {
    if (error instanceof OperationError) throw error;
    return undefined;
  }
}
