// `supercloud blockd --alone` as its user has it: qemu-io writes, the daemon is killed or stopped, the next one goes on.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LevelStore } from '../../blockd/catalogue/level-store.ts';
import { ProgressLine } from '../../common/terminal/progress.ts';
import { ensurePackages } from '../../lab/host-packages.ts';
import { until } from '../until.ts';

const MAIN = fileURLToPath(new URL('../../blockd/alone-main.ts', import.meta.url));
const TOOL_MS = 60_000;
const run = promisify(execFile);

let data: string;
let child: ChildProcess | undefined;
/** What the one that was started last has said on standard error. */
let complaint = '';

test.before(async () => {
  await ensurePackages(['qemu-utils'], new ProgressLine());
  data = await mkdtemp(join(tmpdir(), 'alone-'));
});

test.after(async () => {
  await stop('SIGKILL');
  await rm(data, { recursive: true, force: true });
});

const words = (images: readonly string[], at = data): string[] => [
  ...[MAIN, '--alone', '--data', at],
  ...images.flatMap((image) => ['--image', image]),
];

/** Answers once it serves. */
async function start(...images: string[]): Promise<void> {
  const started = spawn(process.execPath, words(images), { stdio: ['ignore', 'pipe', 'pipe'] });
  child = started;
  let said = '';
  complaint = '';
  started.stderr.on('data', (chunk: Buffer) => {
    complaint += chunk.toString();
  });
  await new Promise<void>((resolve, reject) => {
    started.once('exit', (code) => reject(new Error(`blockd --alone exited with ${code}: ${complaint}`)));
    started.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes('serving')) resolve();
    });
  });
}

/** Waits until it has complained so: which of its two outputs is heard first is chance. */
function complains(words: RegExp): Promise<void> {
  return until(`it complains of ${words}`, async () => words.test(complaint));
}

/** Ends it and answers its exit code. */
async function stop(signal: NodeJS.Signals): Promise<unknown> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return undefined;
  const exited = once(child, 'exit');
  child.kill(signal);
  return (await exited)[0];
}

async function io(image: string, ...commands: string[]): Promise<void> {
  const uri = `nbd+unix:///${image}?socket=${join(data, `${image}.sock`)}`;
  const { stdout } = await run('qemu-io', ['-f', 'raw', ...commands.flatMap((one) => ['-c', one]), uri], {
    timeout: TOOL_MS,
  });
  assert.not.match(stdout, /error|failed/i);
}

/** What a start that is refused says. */
function refusal(...images: string[]): Promise<string> {
  return refusalAt(data, ...images);
}

async function refusalAt(at: string, ...images: string[]): Promise<string> {
  try {
    await run(process.execPath, words(images, at), { timeout: TOOL_MS });
  } catch (error) {
    return error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error);
  }
  throw new Error('it was not refused');
}

async function epochOf(image: string): Promise<number> {
  const catalogue = await LevelStore.open(join(data, 'heads'));
  const { head } = catalogue.get(image);
  await catalogue.close();
  return head.epoch;
}

test('what was flushed is there after a kill, under a higher epoch', async () => {
  await start('web:64M', 'log:1M');
  await io('web', 'write -P 7 0 1M', 'write -P 8 8000001 5000', 'flush');
  await io('log', 'write -P 9 4096 4096', 'flush');
  await stop('SIGKILL');
  assert.is(await epochOf('web'), 1);
  await start();
  await io('web', 'read -P 7 0 1M', 'read -P 8 8000001 5000', 'read -P 0 1M 1M', 'write -P 6 0 4096', 'flush');
  await io('log', 'read -P 9 4096 4096', 'read -P 0 0 4096');
});

test('a second process is refused, and the first goes on', async () => {
  assert.match(await refusal('web:64M'), /another blockd serves the images .* \(DATA_IN_USE\)/);
  await io('web', 'read -P 6 0 4096');
});

test('a stop is in order: exit 0, no socket, and it goes on after it', async () => {
  assert.is(await stop('SIGINT'), 0);
  const socket = await access(join(data, 'web.sock')).then(
    () => true,
    () => false,
  );
  assert.not(socket);
  await start('web:64M');
  await io('web', 'read -P 6 0 4096', 'read -P 7 4096 4096');
  assert.is(await stop('SIGTERM'), 0);
  assert.is(await epochOf('web'), 3);
});

test('another size, a bad name and no size are refused in one sentence', async () => {
  assert.match(await refusal('web:65M'), /image web has 67108864 bytes, not 68157440 \(SIZE_DIFFERS\)/);
  assert.match(await refusal('Web:64M'), /lower-case letters.*\(USAGE\)/);
  assert.match(await refusal('web'), /no NAME:SIZE \(USAGE\)/);
  assert.match(await refusal('odd:1000'), /a size is a multiple of 4096 \(BAD_SIZE\)/);
});

test('an image that is larger than it was asked for goes on as it is', async () => {
  await start('web:32M');
  await complains(/image web has become larger than --image says, and stays so: 67108864 bytes/);
  await io('web', 'read -P 6 0 4096');
  assert.is(await stop('SIGTERM'), 0);
});

test('sockets that a killed start left are gone with the next', async () => {
  await writeFile(join(data, 'web.import.sock'), '');
  await start();
  await until('it is gone', () =>
    access(join(data, 'web.import.sock')).then(
      () => false,
      () => true,
    ),
  );
  await io('web', 'read -P 6 0 4096');
});

test('clients that say nothing keep nobody from the disk for long', async () => {
  const silent = Array.from({ length: 16 }, () => connect(join(data, 'web.sock')));
  for (const socket of silent) socket.on('error', () => undefined);
  await Promise.all(silent.map((socket) => once(socket, 'connect')));
  await Promise.all(silent.map(async (socket) => socket.closed || once(socket.resume(), 'close')));
  await io('web', 'read -P 6 0 4096');
  assert.is(await stop('SIGTERM'), 0);
});

test('a place where nothing can be made is refused in one sentence', async () => {
  for (const at of ['/proc', '/proc/none/deep', MAIN]) {
    assert.match(await refusalAt(at, 'web:1M'), /layers cannot be made a directory: .*\(NO_DIRECTORY\)\n.*--data/);
  }
});

test('an image with a damaged file is said and stays as it is, and the others are served', async () => {
  const journal = await journalOf('log');
  const good = await readFile(journal);
  const bad = Buffer.from(good);
  bad[20] = (bad[20] ?? 0) ^ 1;
  await writeFile(journal, bad);
  await start();
  await complains(/image log is not served: .*journal .* is damaged from byte 8 on/);
  await io('web', 'read -P 6 0 4096');
  assert.is(await stop('SIGTERM'), 0);
  assert.equal(await readFile(journal), bad);
  assert.match(await refusal('log:1M'), /IMAGE_UNUSABLE/);
  await writeFile(journal, good);
  await start();
  await io('log', 'read -P 9 4096 4096');
  assert.is(await stop('SIGTERM'), 0);
});

test('a catalogue that is gone is made again from the images, also after a kill', async () => {
  await start();
  await io('web', 'write -P 5 8192 4096', 'flush');
  await stop('SIGKILL');
  const before = await epochOf('web');
  await rm(join(data, 'heads'), { recursive: true });
  await start();
  await complains(/the record of image web was gone or old/);
  await io('web', 'read -P 6 0 4096', 'read -P 5 8192 4096');
  await io('log', 'read -P 9 4096 4096');
  assert.is(await stop('SIGTERM'), 0);
  assert.is(await epochOf('web'), before + 1);
});

/** Of the image's only layer. */
async function journalOf(image: string): Promise<string> {
  const catalogue = await LevelStore.open(join(data, 'heads'));
  const { stack } = catalogue.get(image).head;
  await catalogue.close();
  return join(data, 'layers', `${stack.layer}.journal`);
}

test.run();
