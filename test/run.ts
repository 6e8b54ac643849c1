// Runs every test: sets up what they need, each test file in a process of its own with a time limit, and a last line
// `N passed, N failed`. Nothing is retried.
import { globSync } from 'node:fs';
import { relative } from 'node:path';
import { styleText } from 'node:util';
import { runChecks } from '../cli/check.ts';
import { OperationError } from '../common/errors.ts';
import { reportError } from '../common/terminal/error-report.ts';
import { formatMs, ProgressLine } from '../common/terminal/progress.ts';
import { endSaid, STOP_SIGNALS } from '../common/terminal/terminal.ts';
import { prepareWithProgress } from '../lab/guests.ts';
import { checkHost } from '../lab/host-check.ts';
import { ensurePackages } from '../lab/host-packages.ts';
import { type FileRun, type FileSurroundings, ROOT, runFile, type Verdict } from './file-run.ts';
import { BY_NAME, KINDS, type Kind, LANES } from './kinds.ts';
import { exitCodeOf } from './own-room.ts';
import { Scratch } from './scratch.ts';

/** A file that waits for its turn. */
interface Waiting extends FileRun {
  readonly file: string;
  readonly isHeavy: boolean;
  readonly withGuest: boolean;
}

class Tally {
  passed = 0;
  failed = 0;
  readonly #failures: string[] = [];

  add(title: string, verdict: Verdict, tookMs: number): void {
    this.passed += verdict.passed;
    this.failed += verdict.failed;
    const mark = verdict.failed === 0 ? styleText('green', 'ok    ') : styleText('red', 'failed');
    const line = `${mark} ${title} (${verdict.passed} tests, ${formatMs(tookMs)})\n`;
    process.stdout.write(line);
    if (verdict.failed === 0) return;
    const failure = `${verdict.output.trimEnd()}\n`;
    process.stdout.write(failure);
    this.#failures.push(`${line}${failure}`);
  }

  /** What failed, once more: of a long run often only the end is kept. */
  summary(): string {
    const again = this.#failures.length === 0 ? '' : `\nWhat failed:\n${this.#failures.join('')}`;
    return `${again}${this.passed} passed, ${this.failed} failed\n`;
  }
}

/** By name. */
function filesOf({ folder }: Kind, wanted: readonly string[]): string[] {
  const isWanted = (file: string): boolean =>
    wanted.length === 0 ? !BY_NAME.includes(file) : wanted.some((word) => file.includes(word));
  return globSync(`test/${folder}/**/*.test.ts`, { cwd: ROOT })
    .map((file) => relative(ROOT, `${ROOT}${file}`))
    .filter(isWanted)
    .sort();
}

function waitingOf(kind: Kind, wanted: readonly string[]): Waiting[] {
  const { limitMs, asLab, ownLoopback, isHeavy = false, withGuest } = kind;
  return filesOf(kind, wanted).map((file) => ({
    file,
    limitMs,
    isHeavy,
    withGuest: withGuest?.test(file) === true,
    hasRoom: asLab === true,
    hasOwnLoopback: ownLoopback?.test(file) === true,
  }));
}

/** The files that wait, for the lanes that take them. */
class Queue {
  readonly #waiting: Waiting[];
  #hasHeavy = false;

  constructor(waiting: readonly Waiting[]) {
    this.#waiting = [...waiting];
  }

  /** The next one; undefined when none is left for another lane. */
  take(): Waiting | undefined {
    const at = this.#waiting.findIndex(({ isHeavy }) => !isHeavy || !this.#hasHeavy);
    const [next] = at < 0 ? [] : this.#waiting.splice(at, 1);
    if (next?.isHeavy) this.#hasHeavy = true;
    return next;
  }

  ended({ isHeavy }: Waiting): void {
    if (isHeavy) this.#hasHeavy = false;
  }
}

/** What all lanes share. */
interface Surroundings extends FileSurroundings {
  readonly guest: Promise<unknown> | undefined;
}

/** One file after the other, until none is left. */
async function runLane(queue: Queue, tally: Tally, { guest, scratch, signal }: Surroundings): Promise<void> {
  for (let next = queue.take(); next !== undefined; next = queue.take()) {
    if (next.withGuest) await guest;
    const startedMs = performance.now();
    const verdict = await runFile(next.file, next, { scratch, signal });
    tally.add(next.file, verdict, performance.now() - startedMs);
    queue.ended(next);
  }
}

/** Rejects when it is aborted. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

/** All of them; `signal` ends those that run. */
async function runAll(wanted: readonly string[], signal: AbortSignal): Promise<Tally> {
  const tally = new Tally();
  const kinds = KINDS.filter((kind) => filesOf(kind, wanted).length > 0);
  if (kinds.some(({ asLab }) => asLab === true)) checkHost();
  const packages = kinds.flatMap((kind) => kind.packages ?? []);
  await ensurePackages(packages, new ProgressLine());
  const runsGuest = kinds.some((kind) => filesOf(kind, wanted).some((file) => kind.withGuest?.test(file) === true));
  // Made while the first tests run; without it those that need it fail, and the others go on.
  const guest = runsGuest ? prepareWithProgress('tiny', new ProgressLine()).catch(reportError) : undefined;
  if (wanted.length === 0) {
    const failed = await Promise.race([runChecks(ROOT), aborted(signal)]);
    tally.passed += failed.length === 0 ? 1 : 0;
    tally.failed += failed.length;
  }
  const queue = new Queue(kinds.flatMap((kind) => waitingOf(kind, wanted)));
  const scratch = new Scratch();
  try {
    const lanes = Array.from({ length: LANES }, () => runLane(queue, tally, { guest, scratch, signal }));
    await Promise.race([Promise.all(lanes), aborted(signal)]);
  } finally {
    scratch.remove();
  }
  return tally;
}

const HELP = `Usage: supercloud test [word ...]

Sets up and runs all tests that are for every run, or those files whose path contains one of the words.

Examples:
  supercloud test
  supercloud test unit/openflow interop/nbd
`;

/** A word that no file's path can contain would pass for a run in which nothing failed. */
function refuseOptions(words: readonly string[]): void {
  const option = words.find((word) => word.startsWith('-'));
  if (option === undefined) return;
  throw new OperationError('USAGE', `unknown option '${option}'`, { remedy: 'supercloud test --help has examples.' });
}

const args = process.argv.slice(2);
if (args.includes('--help') || args.includes('-h')) {
  process.stdout.write(HELP);
} else {
  const interrupt = new AbortController();
  for (const name of STOP_SIGNALS) process.once(name, () => interrupt.abort(exitCodeOf(name)));
  try {
    refuseOptions(args);
    const tally = await runAll(args, interrupt.signal);
    process.stdout.write(tally.summary());
    process.exitCode = tally.failed === 0 && tally.passed > 0 ? 0 : 1;
  } catch (error) {
    const { aborted, reason } = interrupt.signal;
    if (aborted) process.stdout.write('interrupted: what ran was ended and removed\n');
    else reportError(error);
    process.stdout.write('0 passed, 1 failed\n');
    // Of an interrupted run the making of a guest may be left.
    if (aborted) endSaid(reason);
    else process.exitCode = 1;
  }
}
