// Runs every test: sets up what they need, each test file in a process of its own with a time limit, and a last line
// `N passed, N failed`. Nothing is retried.
import { globSync } from 'node:fs';
import { relative } from 'node:path';
import { styleText } from 'node:util';
import { runChecks } from '../cli/check.ts';
import { reportError } from '../common/error-report.ts';
import { OperationError } from '../common/errors.ts';
import { formatMs, ProgressLine } from '../common/progress.ts';
import { prepareWithProgress } from '../lab/guests.ts';
import { checkHost } from '../lab/host-check.ts';
import { ensurePackages } from '../lab/host-packages.ts';
import { type FileRun, ROOT, runFile, type Verdict } from './file-run.ts';
import { BY_NAME, type Kind, STAGES } from './kinds.ts';

/** A file that waits for its turn. */
interface Waiting extends FileRun {
  readonly file: string;
}

class Tally {
  passed = 0;
  failed = 0;

  add(title: string, verdict: Verdict, tookMs: number): void {
    this.passed += verdict.passed;
    this.failed += verdict.failed;
    const mark = verdict.failed === 0 ? styleText('green', 'ok    ') : styleText('red', 'failed');
    process.stdout.write(`${mark} ${title} (${verdict.passed} tests, ${formatMs(tookMs)})\n`);
    if (verdict.failed > 0) process.stdout.write(`${verdict.output.trimEnd()}\n`);
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
  const { limitMs, ownLoopback } = kind;
  return filesOf(kind, wanted).map((file) => ({
    file,
    limitMs,
    hasOwnLoopback: ownLoopback?.test(file) === true,
  }));
}

/** One file after the other, until none is left. */
async function runLane(waiting: Waiting[], tally: Tally): Promise<void> {
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const startedMs = performance.now();
    const verdict = await runFile(next.file, next);
    tally.add(next.file, verdict, performance.now() - startedMs);
  }
}

async function runAll(wanted: readonly string[]): Promise<Tally> {
  const tally = new Tally();
  const kinds = STAGES.flatMap((stage) => stage.kinds).filter((kind) => filesOf(kind, wanted).length > 0);
  if (kinds.some(({ asLab }) => asLab === true)) checkHost();
  const packages = kinds.flatMap((kind) => kind.packages ?? []);
  await ensurePackages(packages, new ProgressLine());
  const runsGuest = kinds.some((kind) => filesOf(kind, wanted).some((file) => kind.withGuest?.test(file) === true));
  // Made while the first tests run; where it is needed it is said why it could not be.
  const guest = runsGuest ? prepareWithProgress('tiny', new ProgressLine()) : undefined;
  guest?.catch(() => undefined);
  if (wanted.length === 0) {
    const failed = await runChecks(ROOT);
    tally.passed += failed.length === 0 ? 1 : 0;
    tally.failed += failed.length;
  }
  for (const stage of STAGES) {
    if (stage.kinds.some(({ withGuest }) => withGuest !== undefined)) await guest;
    const waiting = stage.kinds.flatMap((kind) => waitingOf(kind, wanted));
    await Promise.all(Array.from({ length: stage.parallel }, () => runLane(waiting, tally)));
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
  try {
    refuseOptions(args);
    const { passed, failed } = await runAll(args);
    process.stdout.write(`${passed} passed, ${failed} failed\n`);
    process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
  } catch (error) {
    reportError(error);
    process.stdout.write('0 passed, 1 failed\n');
    process.exitCode = 1;
  }
}
