// A daemon whose standard output and error lie on a broken disk ends when it is told to, with the code that it should have.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ProgressLine } from '../../common/terminal/progress.ts';
import { ensurePackages } from '../../lab/host-packages.ts';

const PROGRAM = fileURLToPath(new URL('../unit/common/daemon-program.ts', import.meta.url));
/** Far beyond what an end takes; one that hangs does so for ever. */
const LONG_MS = 60_000;

let directory: string;

test.before(async () => {
  await ensurePackages(['strace'], new ProgressLine());
  directory = await mkdtemp(join(tmpdir(), 'end-'));
});

test.after(() => rm(directory, { recursive: true }));

/** The daemon, each of whose fsync(2) fails. */
async function start(behaviour: string): Promise<ChildProcess> {
  const config = join(directory, 'config.json');
  await writeFile(config, JSON.stringify({ behaviour }));
  const strace = ['-D', '-f', '-qqq', '-e', 'inject=fsync:error=EIO', '-e', 'signal=none', '-o', '/dev/null'];
  return spawn('strace', [...strace, process.execPath, ...process.execArgv, PROGRAM, '--config', config], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}

async function endOf(child: ChildProcess): Promise<unknown> {
  const timer = setTimeout(() => child.kill('SIGKILL'), LONG_MS);
  const [code, signal] = await once(child, 'exit');
  clearTimeout(timer);
  return signal ?? code;
}

test('a stop in order', async () => {
  const child = await start('good');
  const ended = endOf(child);
  if (child.stdout !== null) await once(child.stdout, 'data');
  child.kill('SIGTERM');
  assert.is(await ended, 0);
});

test('a start that fails', async () => {
  assert.is(await endOf(await start('fail to start')), 1);
});

test.run();
