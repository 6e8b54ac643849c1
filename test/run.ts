// Runs every test: sets up what they need, each test file in a process of its own with a time limit, and a last line
// `N passed, N failed`. Nothing is retried.
import { spawn } from 'node:child_process';
import { globSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { styleText } from 'node:util';
import { runChecks } from '../cli/check.ts';
import { reportError } from '../common/error-report.ts';
import { OperationError } from '../common/errors.ts';
import { formatMs, ProgressLine } from '../common/progress.ts';
import { labPackages } from '../lab/guests.ts';
import { checkHost } from '../lab/host-check.ts';
import { ensurePackages } from '../lab/host-packages.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** A kind of test: where it lies, how many files run at once on two cores, how long one may take. */
interface Kind {
  readonly folder: string;
  readonly parallel: number;
  /** Which files must not run at once, since they use the same addresses: those of one lane; as many lanes as `parallel`. */
  readonly laneOf?: (file: string) => string;
  readonly limitMs: number;
  /** Debian packages that this kind needs. */
  readonly packages?: readonly string[];
  /** Makes namespaces and switches, as the lab does. */
  readonly asLab?: true;
}

/** Clients and judges of the protocols that the interop tests speak with. */
const JUDGES = [
  'libnbd-bin',
  'python3-libnbd',
  'nbdkit',
  'fio',
  'curl',
  'openssl',
  'cpio',
  'etcd-server',
  'python3-os-ken',
  'wireguard-go',
  'wireguard-tools',
];
/** What guests ask their node with, behind a real switch. */
const GUEST_CLIENTS = ['udhcpc', 'isc-dhcp-client', 'bind9-dnsutils', 'ndisc6', 'iputils-arping'];
const LAB_PACKAGES = labPackages('debian');

/** Tests that have namespaces of their own or draw their ports; the others' daemons listen at fixed ports of the loopback. */
const APART = /\/(guest|openflow|overlay|ovsdb|qemu|sdnd|security|switch|wan|wireguard)[^/]*$/;
/** Those that mostly wait and meet nobody: they too have namespaces of their own, draw their ports, or have none. */
const WAITING = /\/(rpc|sdnd-repair|catalogue-etcd|blockd-fuse-silence)[^/]*$/;

function laneOf(file: string): string {
  if (WAITING.test(file)) return 'waiting';
  return APART.test(file) ? 'apart' : 'loopback';
}

/** Too long for every run: only when a word of theirs is given. */
const BY_NAME: readonly string[] = ['test/cluster/proactive.test.ts', 'test/planted/simulation-mutants.test.ts'];

const KINDS: readonly Kind[] = [
  { folder: 'unit', parallel: 2, limitMs: 120_000, packages: ['cpio', 'util-linux-extra'] },
  { folder: 'sim', parallel: 2, limitMs: 240_000 },
  { folder: 'crash', parallel: 2, limitMs: 180_000 },
  { folder: 'planted', parallel: 1, limitMs: 600_000 },
  { folder: 'real-crash', parallel: 2, limitMs: 360_000, asLab: true, packages: ['strace', 'e2fsprogs'] },
  {
    folder: 'interop',
    parallel: 3,
    laneOf,
    limitMs: 240_000,
    asLab: true,
    packages: [...LAB_PACKAGES, ...JUDGES, ...GUEST_CLIENTS],
  },
  { folder: 'cluster', parallel: 1, limitMs: 600_000, asLab: true, packages: LAB_PACKAGES },
  {
    folder: 'browser',
    parallel: 1,
    limitMs: 240_000,
    asLab: true,
    packages: [...LAB_PACKAGES, 'chromium-headless-shell', 'fonts-dejavu-core'],
  },
];

interface Verdict {
  readonly passed: number;
  readonly failed: number;
  readonly output: string;
}

/** What uvu printed last; a file that printed no total, or ended badly, has failed once more than it says. */
function verdictOf(output: string, code: number | null): Verdict {
  const count = (word: string): number => Number(new RegExp(`${word}:\\s+(\\d+)`).exec(output)?.[1] ?? 0);
  const total = count('Total');
  const passed = count('Passed');
  const failed = total - passed - count('Skipped');
  const silent = total === 0 || (code !== 0 && failed === 0);
  return { passed, failed: failed + (silent ? 1 : 0), output };
}

function runFile(file: string, limitMs: number): Promise<Verdict> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...process.execArgv, file], {
      cwd: ROOT,
      env: { ...process.env, FORCE_COLOR: '0' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    const keep = (chunk: Buffer): void => {
      output += chunk.toString();
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const timer = setTimeout(() => {
      output += `\nended after ${formatMs(limitMs)}, the limit of its kind\n`;
      child.kill('SIGKILL');
    }, limitMs);
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve(verdictOf(output, code));
    });
  });
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

function filesOf(kind: Kind, wanted: readonly string[]): string[] {
  const isWanted = (file: string): boolean =>
    wanted.length === 0 ? !BY_NAME.includes(file) : wanted.some((word) => file.includes(word));
  return globSync(`test/${kind.folder}/**/*.test.ts`, { cwd: ROOT })
    .map((file) => relative(ROOT, `${ROOT}${file}`))
    .filter(isWanted)
    .sort();
}

async function runKind(kind: Kind, wanted: readonly string[], tally: Tally): Promise<void> {
  const files = filesOf(kind, wanted);
  const { laneOf, parallel } = kind;
  const lanes =
    laneOf === undefined ? Array.from({ length: parallel }, () => files) : Map.groupBy(files, laneOf).values();
  await Promise.all(Array.from(lanes, (lane) => runLane(kind, lane, tally)));
}

/** One file after the other, until none is left. */
async function runLane(kind: Kind, files: string[], tally: Tally): Promise<void> {
  for (let file = files.shift(); file !== undefined; file = files.shift()) {
    const startedMs = performance.now();
    const verdict = await runFile(file, kind.limitMs);
    tally.add(file, verdict, performance.now() - startedMs);
  }
}

async function runAll(wanted: readonly string[]): Promise<Tally> {
  const tally = new Tally();
  const kinds = KINDS.filter((kind) => filesOf(kind, wanted).length > 0);
  if (kinds.some(({ asLab }) => asLab === true)) checkHost();
  const packages = kinds.flatMap((kind) => kind.packages ?? []);
  await ensurePackages(packages, new ProgressLine());
  if (wanted.length === 0) {
    const failed = await runChecks(ROOT);
    tally.passed += failed.length === 0 ? 1 : 0;
    tally.failed += failed.length;
  }
  for (const kind of kinds) await runKind(kind, wanted, tally);
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
