// The commands for a `supercloud blockd --alone` that runs, as its user types them, beside QEMU's programs as its clients.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ProgressLine } from '../../common/terminal/progress.ts';
import { ensurePackages } from '../../lab/host-packages.ts';
import { within } from '../unit/common/members.ts';
import { Daemon } from './fuse-stand.ts';

const BLOCKD = fileURLToPath(new URL('../../blockd/alone-main.ts', import.meta.url));
const CLI = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
const TOOL_MS = 60_000;
const run = promisify(execFile);

let data: string;
let blockd: Daemon;

test.before(async () => {
  await ensurePackages(['qemu-utils'], new ProgressLine());
  data = await mkdtemp(join(tmpdir(), 'control-'));
  blockd = await Daemon.start(BLOCKD, ['--alone', '--data', data, '--image', 'web:16M', '--image', 'log:4M']);
});

test.after(async () => {
  await blockd.stop('SIGKILL');
  await rm(data, { recursive: true, force: true });
});

/** What `supercloud` prints. */
async function say(line: string): Promise<string> {
  const words = [...line.split(' '), '--alone', data];
  return (await run(process.execPath, [CLI, ...words], { timeout: TOOL_MS })).stdout;
}

async function refusal(line: string): Promise<string> {
  try {
    await say(line);
  } catch (error) {
    return error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error);
  }
  throw new Error(`'${line}' was not refused`);
}

async function io(name: string, ...commands: string[]): Promise<void> {
  const uri = `nbd+unix:///${name}?socket=${join(data, `${name}.sock`)}`;
  const words = ['-f', 'raw', ...(name.includes('@') ? ['-r'] : []), ...commands.flatMap((one) => ['-c', one]), uri];
  const { stdout } = await run('qemu-io', words, { timeout: TOOL_MS });
  assert.not.match(stdout, /error|failed/i);
}

const sockets = async (): Promise<string[]> => (await readdir(data)).filter((name) => name.endsWith('.sock')).sort();

test('a snapshot of two images is served read only, stays as it was, and is exported', async () => {
  await io('web', 'write -P 7 0 1M', 'flush');
  assert.match(await say('snapshot create monday --image web,log'), 'snapshot monday is of web, log');
  assert.equal(await sockets(), ['log.sock', 'log@monday.sock', 'web.sock', 'web@monday.sock']);
  await io('web', 'write -P 8 0 64k', 'flush');
  await io('web@monday', 'read -P 7 0 1M');
  const file = join(data, 'monday.qcow2');
  await say(`snapshot export monday --disk web --file ${file} --format qcow2`);
  await run('qemu-io', ['-r', '-f', 'qcow2', '-c', 'read -P 7 0 1M', file], { timeout: TOOL_MS });
  assert.match(await refusal(`snapshot export monday --file ${file}`), /is of web, log \(SAY_DISK\)/);
});

test('an image comes from a file, grows under its clients, and is copied', async () => {
  const file = join(data, 'in.qcow2');
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', file, '8M'], { timeout: TOOL_MS });
  await run('qemu-io', ['-f', 'qcow2', '-c', 'write -P 3 0 4k', file], { timeout: TOOL_MS });
  await say(`image create imported --file ${file}`);
  await io('imported', 'read -P 3 0 4k', 'write -P 4 4k 4k', 'flush');
  assert.match(await say('image resize imported --size 12M'), 'image imported has 12 MiB');
  await io('imported', 'read -P 3 0 4k', 'read -P 4 4k 4k', 'write -P 5 11M 4k', 'flush');
  await say('image clone web2 --from monday --disk web');
  await io('web2', 'read -P 7 0 1M', 'write -P 9 0 4k', 'flush');
  await io('web@monday', 'read -P 7 0 1M');
  assert.match(await say('image list'), /imported +12 MiB .*alone/);
});

test('all of it is there after a kill, and what is deleted is gone', async () => {
  await blockd.stop('SIGKILL');
  blockd = await Daemon.start(BLOCKD, ['--alone', '--data', data]);
  await io('web2', 'read -P 9 0 4k', 'read -P 7 4k 4k');
  await io('web@monday', 'read -P 7 0 1M');
  await io('imported', 'read -P 5 11M 4k');
  await say('image delete web2');
  await say('snapshot delete monday');
  assert.equal(await sockets(), ['imported.sock', 'log.sock', 'web.sock']);
  await io('web', 'read -P 8 0 64k', 'read -P 7 64k 64k');
});

test('it is seen: an image with its layers, metrics for Prometheus, a scrub', async () => {
  assert.match(await say('image show web'), /open at +alone/);
  assert.match(await say('metrics --prometheus'), 'supercloud_image_flushes_total{node="alone",image="web"}');
  assert.match(await say('image scrub web'), /image web at alone: .* as written/);
});

test('what cannot be done is said in a sentence', async () => {
  assert.match(await refusal('image export web --file /tmp/none'), /unknown option '--alone'/);
  assert.match(await refusal('snapshot export monday --file -'), /'-' is no file/);
  assert.match(await refusal('image create Web --size 1M'), /image is no name: .* \(blockd-alone image.create\)/);
  assert.match(await refusal('image show nope'), /there is no image nope \(NO_IMAGE\)/);
  assert.match(await refusal('image resize web --size 1M'), /SHRINK_REFUSED/);
  assert.is(await blockd.stop('SIGTERM'), 0);
  assert.match(await refusal('image list'), /none runs \(NOT_SERVED\)/);
});

test('standard input is read for a blockd that is there, and no further once it is gone', async () => {
  blockd = await Daemon.start(BLOCKD, ['--alone', '--data', data]);
  const child = spawn(process.execPath, [CLI, 'image', 'create', 'later', '--file', '-', '--alone', data]);
  let said = '';
  child.stderr.on('data', (bytes) => {
    said += bytes;
  });
  child.stdin.on('error', () => undefined);
  const closed = once(child, 'close');
  // More than a pipe holds: it is being read.
  await new Promise((resolve) => child.stdin.write(Buffer.alloc(2 ** 20), resolve));
  await blockd.stop('SIGKILL');
  const [code] = await within(closed, TOOL_MS, 'it reads on');
  assert.is(code, 1);
  assert.match(said, /node alone/);
  child.stdin.destroy();
});

/** The file of the layer below web's top. */
async function sealedFile(ending: string): Promise<string> {
  const images = JSON.parse(await say('image list --json')) as {
    image: string;
    stack: { below: { layer: string }[] };
  }[];
  const layer = images.find(({ image }) => image === 'web')?.stack.below[0]?.layer;
  assert.ok(layer);
  return join(data, 'layers', `${layer}${ending}`);
}

/** A start after a bit of that file has turned over. */
async function startWithFlipped(file: string, at: number): Promise<void> {
  await blockd.stop('SIGTERM');
  const bytes = await readFile(file);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  await writeFile(file, bytes);
  blockd = await Daemon.start(BLOCKD, ['--alone', '--data', data]);
}

test('rot under a snapshot is said when it is read and by each scrub, also once it was found', async () => {
  blockd = await Daemon.start(BLOCKD, ['--alone', '--data', data]);
  await say('snapshot create tuesday --image web');
  await startWithFlipped(await sealedFile('.data'), 100);
  for (let scrub = 0; scrub < 2; scrub++) {
    const scrubbed = run(process.execPath, [CLI, 'image', 'scrub', 'web', '--alone', data], { timeout: TOOL_MS });
    const { code, stdout } = (await scrubbed.catch((error: unknown) => error)) as { code?: number; stdout: string };
    assert.is(code, 1);
    assert.match(stdout, /1 blocks rotten: 0 healed from other nodes, 1 LOST/);
  }
  const exported = `snapshot export tuesday --file ${join(data, 'tuesday.raw')}`;
  assert.match(await refusal(exported), /not at this node, which is alone: they have rotted \(BLOCKS_LOST\)\n.*backup/);
});

test('a layer under a snapshot that cannot be used keeps no other image from its clients', async () => {
  await startWithFlipped(await sealedFile('.journal'), 20);
  await io('log', 'write -P 1 0 4k', 'flush', 'read -P 1 0 4k');
  assert.equal((await sockets()).includes('web.sock'), false);
});

test.run();
