// Processes by pid file: found only if they are what the file says, and never another one killed.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { findQemu, isAlive, killAndWait, lastWords, startDetached } from '../../../hypervisor/qemu/qemu-process.ts';

/** It ends by itself if a test forgets it. */
const SLEEPER = 'console.log("up"); console.error("and about"); setTimeout(() => {}, 20_000)';

let folder: string;
let pidFile: string;
let logFile: string;

test.before.each(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sc-process-'));
  pidFile = join(folder, 'a.pid');
  logFile = join(folder, 'a.log');
});

test.after.each(() => rm(folder, { recursive: true, force: true }));

/** A process that has the pid file among its arguments, as a QEMU has. */
async function sleeper() {
  const script = `require("fs").writeFileSync(process.argv[1], process.pid + "\\n"); ${SLEEPER}`;
  const started = startDetached({ program: process.execPath, programArguments: ['-e', script, pidFile], logFile });
  while ((await lastWords(logFile)).indexOf('about') < 0) await new Promise((resolve) => setTimeout(resolve, 5));
  return started;
}

test('a started process is found by its pid file and killed for good', async () => {
  const started = await sleeper();
  const identity = await findQemu(pidFile);
  assert.is(identity?.pid, Number(await readFile(pidFile, 'utf8')));
  if (identity === undefined) return;
  assert.ok(await isAlive(identity));
  await killAndWait(identity);
  assert.not(await isAlive(identity));
  started.kill();
  assert.is(await started.ended, 'was ended by SIGKILL');
  assert.is(await findQemu(pidFile), undefined);
  await killAndWait(identity);
});

test('it has a session of its own, and its words are in the log', async () => {
  const started = await sleeper();
  const pid = Number(await readFile(pidFile, 'utf8'));
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const [, , , session] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  assert.is(Number(session), pid);
  assert.match(await lastWords(logFile), /up\nand about$/);
  started.kill();
  await started.ended;
});

test('a pid that another program has is not a machine, nor is it killed', async () => {
  await writeFile(pidFile, `${process.pid}\n`);
  assert.is(await findQemu(pidFile), undefined);
  const stranger = { pid: process.pid, startTicks: '1' };
  assert.not(await isAlive(stranger));
  await killAndWait(stranger);
});

test('no file, rubbish, and the first process are nobody', async () => {
  assert.is(await findQemu(pidFile), undefined);
  for (const text of ['', 'x', '-5', '1', '0']) {
    await writeFile(pidFile, text);
    assert.is(await findQemu(pidFile), undefined);
  }
});

test('a program that is not there says so', async () => {
  const started = startDetached({ program: join(folder, 'nothing'), programArguments: [], logFile });
  assert.match(await started.ended, /could not be started/);
});

test.run();
