// A blockd that is alone on a full disk: what makes room goes through all the same, also after a start on the full disk.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { codeOf } from '../../common/errors.ts';
import { ProgressLine } from '../../common/terminal/progress.ts';
import { ensurePackages } from '../../lab/host-packages.ts';
import { until } from '../until.ts';
import { Daemon } from './fuse-stand.ts';

const BLOCKD = fileURLToPath(new URL('../../blockd/alone-main.ts', import.meta.url));
const CLI = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
const DISK_BYTES = 128 * 2 ** 20;
const PAGE_BYTES = 4096;
const ROOM_BYTES = 8 * 2 ** 20;
const OTHERS = 8;
const TOOL_MS = 60_000;
const run = promisify(execFile);

let root: string;
let data: string;
let blockd: Daemon;

test.before(async () => {
  await ensurePackages(['qemu-utils'], new ProgressLine());
  root = await mkdtemp(join(tmpdir(), 'full-alone-'));
  await run('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'supercloud-test', root]);
  data = join(root, 'data');
  await mkdir(data);
  const others = Array.from({ length: OTHERS }, (_, number) => `other${number}:1M`);
  const images = ['web:16M', 'log:32M', 'old:4M', ...others].flatMap((image) => ['--image', image]);
  blockd = await Daemon.start(BLOCKD, ['--alone', '--data', data, ...images]);
});

test.after(async () => {
  await blockd.stop('SIGKILL');
  await run('umount', [root]);
  await rm(root, { recursive: true });
});

const filler = (): string => join(root, 'filler');
const room = (): string => join(data, 'kept-room');

/** Takes all the room that is left but for some blocks. */
async function fill(leftBlocks = 0): Promise<void> {
  await writeFile(filler(), Buffer.alloc(DISK_BYTES)).then(
    () => assert.unreachable('it had room for everything'),
    (error: unknown) => assert.is(codeOf(error), 'ENOSPC'),
  );
  await truncate(filler(), (await stat(filler())).size - leftBlocks * PAGE_BYTES);
}

async function say(line: string): Promise<string> {
  return (await run(process.execPath, [CLI, ...line.split(' '), '--alone', data], { timeout: TOOL_MS })).stdout;
}

async function io(name: string, ...commands: string[]): Promise<void> {
  const uri = `nbd+unix:///${name}?socket=${join(data, `${name}.sock`)}`;
  const words = ['-f', 'raw', ...commands.flatMap((one) => ['-c', one]), uri];
  const { stdout } = await run('qemu-io', words, { timeout: TOOL_MS });
  assert.not.match(stdout, /error|failed/i);
}

test('an image and a snapshot are deleted from a full disk', async () => {
  await io('web', 'write -P 7 0 1M', 'flush');
  await io('log', 'write -P 8 0 20M', 'flush');
  await say('snapshot create monday --image web');
  await fill();
  await say('image delete log');
  await fill();
  await say('snapshot delete monday');
  await io('web', 'read -P 7 0 1M');
  await rm(filler());
  await io('web', 'write -P 9 8M 4k', 'flush');
  assert.not((await readdir(data)).includes('log.sock'));
});

test('it starts on a full disk, and an image is deleted then', async () => {
  await blockd.stop('SIGTERM');
  blockd = await Daemon.start(BLOCKD, ['--alone', '--data', data]);
  for (const blocks of [0, 2, 3, 4, 6]) {
    await fill(blocks);
    await blockd.stop('SIGKILL');
    blockd = await Daemon.start(BLOCKD, ['--alone', '--data', data]);
  }
  await say('image delete old');
  await io('web', 'read -P 7 0 1M', 'read -P 9 8M 4k');
});

test('the room is kept again once there is some', async () => {
  await truncate(room(), 0);
  await rm(filler());
  await until('it is kept', async () => (await stat(room())).size === ROOM_BYTES);
});

test('where not even that is left, what was deleted goes once there is some', async () => {
  // Nothing can be kept where there is a directory.
  await rm(room());
  await mkdir(room());
  await fill();
  const said = await say('image delete web').catch((error: unknown) =>
    error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error),
  );
  assert.match(said, /is deleted; .*alone|ENOSPC/);
  await rm(filler());
  if (/ENOSPC/.test(said)) await say('image delete web');
  const layers = async (): Promise<number> =>
    (await readdir(join(data, 'layers'))).filter((name) => name.endsWith('.data')).length;
  await until('its layers are gone', async () => (await layers()) === OTHERS);
});

test.run();
