// The block device's benchmark: ours, nbdkit and qemu-nbd in turn under the same loads, page cache warm unless the case
// says otherwise. Quoted are medians; everything it makes it removes.
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { OperationError } from '../../common/errors.ts';
import type { ProgressLine } from '../../common/terminal/progress.ts';
import { formatTable } from '../../common/terminal/table.ts';
import { onDisk } from '../scratch.ts';
import { CASES, type NbdCase } from './nbd-cases.ts';
import { countCalls, measure, warm } from './nbd-load.ts';
import { type NbdServer, SERVERS, type ServerName, startServers } from './nbd-servers.ts';
import {
  type CaseResult,
  ceilingOf,
  figureOf,
  hotRatio,
  perProcessor,
  ratiosOf,
  type Verdict,
  verdictsOf,
} from './nbd-verdict.ts';

const SECONDS = 5;
const QUICK = { seconds: 3, alternations: 2 };

/** What the command installs, for itself only. */
export const NBD_BENCH_PACKAGES = ['fio', 'nbdkit', 'qemu-utils'];

/** The command's options. */
export interface NbdBenchOptions {
  readonly alternations: number;
  readonly quick?: true;
  readonly only?: string;
  readonly json?: string | true;
}

function chosen(only: string | undefined): readonly NbdCase[] {
  const cases = CASES.filter(({ name }) => only === undefined || name.includes(only));
  if (cases.length > 0) return cases;
  throw new OperationError('USAGE', `no case has '${only}' in its name`, {
    remedy: `The cases are ${CASES.map(({ name }) => name).join(', ')}.`,
  });
}

interface Length {
  readonly seconds: number;
  readonly alternations: number;
}

async function runCase(load: NbdCase, servers: readonly NbdServer[], length: Length): Promise<CaseResult> {
  const samples = new Map<ServerName, Awaited<ReturnType<typeof measure>>[]>();
  const calls = new Map<ServerName, number>();
  if (load.kind === 'warm' || load.kind === 'qemu-img') for (const { file } of servers) await warm(file);
  for (let turn = 0; turn < length.alternations; turn += 1) {
    for (const server of servers) {
      const sample = await measure(load, server, length.seconds);
      samples.set(server.name, [...(samples.get(server.name) ?? []), sample]);
    }
  }
  for (const server of load.kind === 'beside' ? [] : servers) {
    const counted = await countCalls(load, server);
    if (counted !== undefined) calls.set(server.name, counted);
  }
  return { load, samples, calls };
}

const shown = (value: number | undefined, digits: number): string =>
  value === undefined || Number.isNaN(value) ? '' : value.toFixed(digits);

function row(result: CaseResult, name: ServerName): string[] {
  const { load } = result;
  const figure = (pick: Parameters<typeof figureOf>[2]): number => figureOf(result, name, pick);
  const { nbdkit, qemu } = ratiosOf(result, name);
  const isBulk = load.kind === 'warm' && !load.rw.startsWith('rand');
  const bulk = `${shown(figure(({ bytesPerSecond }) => bytesPerSecond) / 1e6, 0)} MB/s`;
  return [
    name === SERVERS[0] ? load.name : '',
    name,
    isBulk
      ? bulk
      : `${shown(
          figure(({ perSecond }) => perSecond),
          0,
        )} IOPS`,
    shown(nbdkit, 2),
    shown(qemu, 2),
    shown(
      figure(({ p99Us }) => p99Us),
      0,
    ),
    load.kind === 'beside' ? shown(hotRatio(result, name), 1) : '',
    shown(
      figure(({ cpuUs }) => cpuUs),
      1,
    ),
    shown(perProcessor(result, name), 2),
    shown(result.calls.get(name), 2),
  ];
}

/** The most that this client shows of any server. */
function ceilingRow(result: CaseResult): string[] {
  const perSecond = ceilingOf(result);
  const ratio = perSecond / figureOf(result, 'nbdkit file', (sample) => sample.perSecond);
  const isBulk = result.load.kind === 'warm' && !result.load.rw.startsWith('rand');
  const rate = isBulk ? `${shown((perSecond * result.load.blockBytes) / 1e6, 0)} MB/s` : `${shown(perSecond, 0)} IOPS`;
  return ['', 'the client at its limit', rate, shown(ratio, 2), '', '', '', '', '', ''];
}

function rowsOf(result: CaseResult): string[][] {
  const rows = SERVERS.map((name) => row(result, name));
  return Number.isNaN(ceilingOf(result)) ? rows : [...rows, ceilingRow(result)];
}

function table(results: readonly CaseResult[]): string {
  const titles = ['median', 'x nbdkit', 'x qemu-nbd', 'p99 us', 'x alone', 'CPU us/op', 'x per CPU', 'calls/op'];
  const columns = [{ title: 'case' }, { title: 'server' }, ...titles.map((title) => ({ title, figures: true }))];
  return formatTable(columns, results.flatMap(rowsOf));
}

function tell(results: readonly CaseResult[], verdicts: readonly Verdict[]): void {
  process.stdout.write(`\n${table(results)}\n\n`);
  for (const { asked, seen, reached, isRequired } of verdicts) {
    const mark = `${reached ? 'reached    ' : 'NOT reached'} ${isRequired ? 'required' : 'goal    '}`;
    process.stdout.write(`${mark} ${asked}: ${seen}\n`);
  }
  const uncounted = results.filter(({ load, calls }) => load.kind !== 'beside' && !calls.has('supercloud'));
  for (const { load } of uncounted) {
    process.stdout.write(`not counted ${load.name}: system calls, for which perf (linux-perf) must work here\n`);
  }
}

function keep({ json }: NbdBenchOptions, length: Length, results: readonly CaseResult[], verdicts: Verdict[]): void {
  if (json === undefined) return;
  const plain = results.map(({ load, samples, calls }) => ({
    load,
    samples: Object.fromEntries(samples),
    callsPerOperation: Object.fromEntries(calls),
  }));
  const text = `${JSON.stringify({ ...length, results: plain, verdicts }, null, 2)}\n`;
  if (json === true) process.stdout.write(text);
  else writeFileSync(json, text);
}

/** Runs the benchmark, prints it, and answers whether everything that is required was reached. */
export async function benchNbd(options: NbdBenchOptions, line: ProgressLine): Promise<boolean> {
  const cases = chosen(options.only);
  const length = options.quick === true ? QUICK : { seconds: SECONDS, alternations: options.alternations };
  const directory = await mkdtemp(join(onDisk(), 'bench-nbd-'));
  const servers: NbdServer[] = [];
  const results: CaseResult[] = [];
  const removeAll = async (): Promise<void> => {
    await Promise.allSettled(servers.map((server) => server.stop()));
    await rm(directory, { recursive: true, force: true });
  };
  const onSignal = (): void => void removeAll().finally(() => process.exit(1));
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  try {
    await line.during('four servers, 1 GB of random data each', () => startServers(directory, servers));
    for (const load of cases) results.push(await line.during(load.name, () => runCase(load, servers, length)));
  } finally {
    await removeAll();
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
  const verdicts = verdictsOf(results);
  tell(results, verdicts);
  keep(options, length, results, verdicts);
  return verdicts.every(({ isRequired, reached }) => reached || !isRequired);
}
