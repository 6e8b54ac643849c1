// Debian packages that a command needs on this machine: names what is missing and has only that installed. The
// installation itself is install-packages.sh, which the launcher uses too, before there is a Node.
import { spawn } from 'node:child_process';
import { closeSync, existsSync, fstatSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { OperationError } from '../common/errors.ts';
import type { ProgressLine } from '../common/terminal/progress.ts';
import { STOP_SIGNALS } from '../common/terminal/terminal.ts';
import { runCommand } from './namespace.ts';

const SCRIPT = fileURLToPath(new URL('install-packages.sh', import.meta.url));
/** Its exit status when it was asked to end before anything was installed. */
const STOPPED = 130;
// biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own placeholders
const DPKG_FORMAT = '${Package} ${db:Status-Abbrev}\\n';
/** Of what apt says, the last lines are enough. */
const TAIL_BYTES = 4_000;
/** A full disk is one of the things that apt may have to say. */
const MEMORY_FOLDER = '/dev/shm';
const LOOK_INTERVAL_MS = 250;

/** The packages among those asked for that dpkg's answer does not call installed (held ones are). */
export function notInstalled(packages: readonly string[], dpkgAnswer: string): string[] {
  const installed = new Set(dpkgAnswer.split('\n').flatMap((line) => (/^(\S+) .i/.exec(line) ?? []).slice(1)));
  return packages.filter((name) => !installed.has(name));
}

async function dpkgAnswer(packages: readonly string[]): Promise<string> {
  // It ends with 1 when it knows nothing of one of them, and answers for the others all the same.
  const words = ['-c', 'dpkg-query -W -f "$@" 2>/dev/null || true', 'sh', DPKG_FORMAT, ...packages];
  return await runCommand('sh', words);
}

/** A file without a name, in memory if it can be: what a child writes is read back, and nothing has to be removed. */
class Log {
  readonly fd: number;

  constructor() {
    const folder = mkdtempSync(`${existsSync(MEMORY_FOLDER) ? MEMORY_FOLDER : tmpdir()}/supercloud-`);
    this.fd = openSync(`${folder}/log`, 'wx+', 0o600);
    rmSync(folder, { recursive: true });
  }

  /** The last lines that hold anything. */
  lines(): string[] {
    const start = Math.max(0, fstatSync(this.fd).size - TAIL_BYTES);
    const bytes = Buffer.alloc(TAIL_BYTES);
    const length = readSync(this.fd, bytes, 0, TAIL_BYTES, start);
    const lines = bytes.toString('utf8', 0, length).split(/[\r\n]+/);
    return lines.filter((line) => line.trim() !== '');
  }

  close(): void {
    closeSync(this.fd);
  }
}

/** Runs the script in a session of its own: Ctrl-C on the terminal would tear dpkg apart, so it is passed on as a wish. */
function runScript(packages: readonly string[], log: Log, line: ProgressLine): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(SCRIPT, [...packages], { detached: true, stdio: ['ignore', log.fd, log.fd] });
    const stop = (): void => {
      child.kill('SIGTERM');
    };
    const look = setInterval(() => line.update({ detail: log.lines().at(-1) ?? '' }), LOOK_INTERVAL_MS);
    for (const signal of STOP_SIGNALS) process.on(signal, stop);
    const ended = (): void => {
      clearInterval(look);
      for (const signal of STOP_SIGNALS) process.off(signal, stop);
    };
    child.once('error', (error) => {
      ended();
      reject(error);
    });
    child.once('close', (code) => {
      ended();
      resolve(code ?? 1);
    });
  });
}

async function install(packages: readonly string[], line: ProgressLine): Promise<void> {
  const log = new Log();
  try {
    const code = await runScript(packages, log, line);
    if (code === 0) return;
    if (code === STOPPED)
      throw new OperationError('STOPPED', 'the set-up was stopped', { remedy: 'run the command again to go on' });
    const [sentence = `exit ${code}`, remedy = ''] = log.lines().slice(-2);
    throw new OperationError('PACKAGE_MISSING', sentence, { remedy });
  } finally {
    log.close();
  }
}

/**
 * Installs what is missing of the packages, named first; does nothing when all are there. Ctrl-C ends it, during the
 * installation itself once dpkg is through.
 * @throws OperationError NOT_ROOT, PACKAGE_MISSING (with apt's reason) or STOPPED
 */
export async function ensurePackages(packages: readonly string[], line: ProgressLine): Promise<void> {
  const wanted = [...new Set(packages)];
  const missing = notInstalled(wanted, await dpkgAnswer(wanted));
  if (missing.length === 0) return;
  const names = missing.join(' ');
  if (process.getuid?.() !== 0) {
    const remedy = `run this as root, or install them: apt-get install --no-install-recommends ${names}`;
    throw new OperationError('NOT_ROOT', `Debian packages are missing: ${names}`, { remedy });
  }
  process.stderr.write(`Setting up: Debian packages, none of their services started: ${names}\n`);
  await line.during(`${missing.length} Debian packages`, () => install(missing, line));
}
