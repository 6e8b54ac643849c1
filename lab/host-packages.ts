// Debian packages that a command needs on this machine: names what is missing, installs only that, and keeps every
// service that a package brings from starting.
import { spawn } from 'node:child_process';
import { access, rm, writeFile } from 'node:fs/promises';
import { OperationError } from '../common/errors.ts';
import type { ProgressLine } from '../common/progress.ts';

/** Debian's switch against starting services while packages are configured (invoke-rc.d(8)): 101 forbids. */
const POLICY_FILE = '/usr/sbin/policy-rc.d';
const POLICY =
  '#!/bin/sh\n# Put here while Supercloud installs packages; none of their services is to start.\nexit 101\n';
/** A mirror that stalls is a failure, not a wait without end. */
const APT_OPTIONS = ['-o', 'Acquire::Retries=2', '-o', 'Acquire::http::Timeout=30', '-o', 'DPkg::Lock::Timeout=120'];
// biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own placeholders
const DPKG_FORMAT = '${Package} ${db:Status-Abbrev}\\n';
const KEPT_OUTPUT_CHARS = 4_000;

interface Ran {
  readonly code: number;
  readonly output: string;
}

function run(command: string, args: readonly string[], onLine: (line: string) => void): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' };
    const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const keep = (chunk: Buffer): void => {
      output = (output + chunk.toString()).slice(-KEPT_OUTPUT_CHARS);
      onLine(output.trimEnd().split('\n').at(-1) ?? '');
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.once('error', reject);
    child.once('close', (code) => resolve({ code: code ?? 1, output }));
  });
}

/** Which of the packages are not installed, by dpkg's own word. */
async function missingPackages(packages: readonly string[]): Promise<string[]> {
  const { output } = await run('dpkg-query', ['-W', '-f', DPKG_FORMAT, ...packages], () => undefined);
  const installed = new Set(output.split('\n').flatMap((line) => (/^(\S+) ii/.exec(line) ?? []).slice(1)));
  return packages.filter((name) => !installed.has(name));
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

async function withoutServices<T>(work: () => Promise<T>): Promise<T> {
  if (await exists(POLICY_FILE)) return work();
  await writeFile(POLICY_FILE, POLICY, { mode: 0o755 });
  try {
    return await work();
  } finally {
    await rm(POLICY_FILE);
  }
}

async function apt(args: readonly string[], what: string, line: ProgressLine): Promise<void> {
  const { code, output } = await run('apt-get', [...APT_OPTIONS, ...args], (detail) => line.update({ detail }));
  if (code === 0) return;
  const lines = output.split('\n').filter((text) => /^(E|Err|W):/.test(text));
  throw new OperationError(
    'PACKAGE_MISSING',
    `${what} failed: ${lines.slice(-3).join(' ') || `apt-get exit ${code}`}`,
    {
      remedy: 'check that this machine reaches a Debian mirror (apt-get update), then try again',
    },
  );
}

/** Installs what is missing of the packages, named first; does nothing when all are there. */
export async function ensurePackages(packages: readonly string[], line: ProgressLine): Promise<void> {
  const missing = await missingPackages([...new Set(packages)]);
  if (missing.length === 0) return;
  line.begin(`set up Debian packages: ${missing.join(' ')}`);
  try {
    await apt(['update'], 'apt-get update', line);
    const install = ['install', '-y', '--no-install-recommends', ...missing];
    await withoutServices(() => apt(install, `installing ${missing.join(' ')}`, line));
  } catch (error) {
    line.fail();
    throw error;
  }
  line.end();
}
