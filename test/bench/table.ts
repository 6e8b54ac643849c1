// The version table of a large image whose every block was written: how long it takes to open, how long a checkpoint holds
// anything up, and what memory both take. On a real disk; everything it makes it removes.
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { formatMs, type ProgressLine } from '../../common/terminal/progress.ts';
import { formatTable } from '../../common/terminal/table.ts';
import { onDisk } from '../scratch.ts';

const PROGRAM = fileURLToPath(new URL('table-program.ts', import.meta.url));
const GIB = 2 ** 30;
const BLOCK_BYTES = 4096;
const OPEN_MS_MAX = 1_000;
const LONGEST_MS_MAX = 5;
const BYTES_PER_BLOCK_MAX = 24;
/** Of 100 GB, 1 % written at random; other sizes in proportion. */
const SPARSE_BYTES_PER_BLOCK_MAX = 60e6 / 25_000_000;
/** What is the process's own noise. */
const EMPTY_BYTES_MAX = 4e6;

/** In the order in which they are taken, each in a process of its own; the title where it is another. */
const STEPS: readonly { readonly step: string; readonly title?: string; readonly isOpening?: true }[] = [
  { step: 'make', title: 'write the table' },
  { step: 'open', isOpening: true },
  { step: 'open cold', title: 'open, nothing cached' },
  { step: 'writes', title: 'random writes' },
  { step: 'checkpoint beside writes', title: 'checkpoint beside such writes' },
  { step: 'checkpoint' },
  { step: 'tell', title: 'tell it to a newcomer' },
  { step: 'empty', title: 'a table never written' },
  { step: 'sparse', title: '1 % written at random' },
  { step: 'grow', title: 'let the journal grow' },
  { step: 'open', title: 'open, journal at its longest', isOpening: true },
];

/** What a step took. */
export interface TableStepFigures {
  readonly tookMs: number;
  /** Of that on the main thread's CPU: what is left on a machine that others keep busy. */
  readonly cpuMs?: number;
  /** The longest turn of the event loop, and the one that took most of the CPU. */
  readonly longestMs?: number;
  readonly longestCpuMs?: number;
  /** Memory at the peak beyond what there was before the step. */
  readonly bytesPerBlock?: number;
  readonly changesPerSecond?: number;
  /** Memory that stays taken, in bytes. */
  readonly takenBytes?: number;
}

/** The command's options. */
export interface TableBenchOptions {
  readonly gib: number;
  readonly json?: string | true;
}

type Result = TableStepFigures & (typeof STEPS)[number];

const run = promisify(execFile);

async function take(one: (typeof STEPS)[number], directory: string, blocks: number): Promise<Result> {
  const args = ['--expose-gc', ...process.execArgv, PROGRAM, one.step, directory, String(blocks)];
  const { stdout } = await run(process.execPath, args);
  return { ...one, ...(JSON.parse(stdout) as TableStepFigures) };
}

const shown = (value: number | undefined, unit = ''): string =>
  value === undefined ? '' : `${value.toFixed(1)}${unit}`;

function table(results: readonly Result[]): string {
  const titles = ['time', 'CPU', 'longest turn', 'its CPU', 'bytes/block', 'writes/s', 'memory'];
  return formatTable(
    [{ title: 'step' }, ...titles.map((title) => ({ title, figures: true }))],
    results.map(
      ({ step, title, tookMs, cpuMs, longestMs, longestCpuMs, bytesPerBlock, changesPerSecond, takenBytes }) => [
        title ?? step,
        formatMs(tookMs),
        cpuMs === undefined ? '' : formatMs(cpuMs),
        shown(longestMs, ' ms'),
        shown(longestCpuMs, ' ms'),
        shown(bytesPerBlock),
        changesPerSecond === undefined || changesPerSecond === 0 ? '' : changesPerSecond.toFixed(0),
        takenBytes === undefined ? '' : `${(takenBytes / 1e6).toFixed(1)} MB`,
      ],
    ),
  );
}

function worst(results: readonly Result[], figure: (result: Result) => number | undefined): number {
  return Math.max(...results.map((result) => figure(result) ?? 0));
}

/** Runs the benchmark, prints it, and answers whether its goals were reached. */
export async function benchTable(options: TableBenchOptions, line: ProgressLine): Promise<boolean> {
  const blocks = (options.gib * GIB) / BLOCK_BYTES;
  const directory = await mkdtemp(join(onDisk(), 'bench-table-'));
  const removeAll = (): Promise<void> => rm(directory, { recursive: true, force: true });
  const onSignal = (): void => void removeAll().finally(() => process.exit(1));
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  const results: Result[] = [];
  try {
    for (const one of STEPS) results.push(await line.during(one.title ?? one.step, () => take(one, directory, blocks)));
  } finally {
    await removeAll();
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
  const openMs = worst(results, ({ isOpening, tookMs }) => (isOpening === true ? tookMs : 0));
  // Beside writes a barrier's own step counts too, which takes as long without a checkpoint.
  const longestMs = worst(results, ({ step, longestMs }) => (step === 'checkpoint' ? longestMs : 0));
  const taken = (wanted: string): number =>
    worst(results, ({ step, takenBytes }) => (step === wanted ? takenBytes : 0));
  const bytesPerBlock = worst(results, (result) => result.bytesPerBlock);
  const goals = [
    { goal: `opens in ${OPEN_MS_MAX} ms`, seen: formatMs(openMs), reached: openMs <= OPEN_MS_MAX },
    {
      goal: `a checkpoint holds the event loop up for ${LONGEST_MS_MAX} ms at most`,
      seen: shown(longestMs, ' ms'),
      reached: longestMs <= LONGEST_MS_MAX,
    },
    {
      goal: `1 % written at random takes ${((SPARSE_BYTES_PER_BLOCK_MAX * blocks) / 1e6).toFixed(0)} MB at most`,
      seen: `${(taken('sparse') / 1e6).toFixed(1)} MB`,
      reached: taken('sparse') <= SPARSE_BYTES_PER_BLOCK_MAX * blocks,
    },
    {
      goal: 'nothing for what was never written',
      seen: `${(taken('empty') / 1e6).toFixed(1)} MB`,
      reached: taken('empty') <= EMPTY_BYTES_MAX,
    },
    {
      goal: `${BYTES_PER_BLOCK_MAX} bytes per block at most`,
      seen: shown(bytesPerBlock),
      reached: bytesPerBlock <= BYTES_PER_BLOCK_MAX,
    },
  ];
  process.stdout.write(`\n${blocks} blocks (${options.gib} GiB), all written\n\n${table(results)}\n\n`);
  for (const { goal, seen, reached } of goals) {
    process.stdout.write(`${reached ? 'reached    ' : 'NOT reached'} ${goal}: ${seen}\n`);
  }
  const text = `${JSON.stringify({ blocks, results, goals }, null, 2)}\n`;
  if (options.json === true) process.stdout.write(text);
  else if (options.json !== undefined) writeFileSync(options.json, text);
  return goals.every(({ reached }) => reached);
}
