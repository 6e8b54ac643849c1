// The NBD export of a real daemon against the clients that others wrote: qemu-img, qemu-io, nbdinfo, nbdcopy.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createAuthority, issueIdentity } from '../../common/membership/authority.ts';
import { ProgressLine } from '../../common/terminal/progress.ts';
import { ensurePackages } from '../../lab/host-packages.ts';
import { BlockdNode } from './blockd-node.ts';

const MIB = 2 ** 20;
const RAW_BYTES = 1536 * MIB;
const TOOL_MS = 60_000;
/** Four gigabytes, in requests that fit into one turn's receive buffer. */
const READS = 4096;
const READ_BYTES = MIB;
/** What other clients' requests and the garbage of a second may take. */
const GROWTH_BYTES_MAX = 256 * MIB;
const run = promisify(execFile);

const LAYER = 'l00000000000000aa';

let root: string;
let node: BlockdNode;
let uri: string;
let raw: string;

test.before(async () => {
  await ensurePackages(['qemu-utils', 'libnbd-bin'], new ProgressLine());
  root = await mkdtemp(join(tmpdir(), 'nbd-'));
  const authority = await createAuthority();
  const controller = await issueIdentity(authority, { node: 'k', role: 'controller' });
  node = await BlockdNode.make(authority, controller, root, 'a', '127.0.0.3');
  uri = `nbd+unix:///web?socket=${node.socket}`;
  raw = join(root, 'disk.raw');
  await makeSparse(raw);
  await node.start();
});

test.after(async () => {
  await node.stop('SIGTERM');
  node.close();
  await rm(root, { recursive: true, force: true });
});

/** A raw disk with a few islands of data. */
async function makeSparse(path: string): Promise<void> {
  const file = await open(path, 'w');
  await file.truncate(RAW_BYTES);
  for (const offset of [0, 100 * MIB + 512, 900 * MIB, RAW_BYTES - 5000])
    await file.write(randomBytes(5000), 0, 5000, offset);
  await file.close();
}

async function tool(command: string, ...args: string[]): Promise<string> {
  const { stdout } = await run(command, args, { timeout: TOOL_MS });
  return stdout;
}

test('a raw disk comes in, its empty blocks stay unwritten', async () => {
  const told: number[] = [];
  const onProgress = (value: { doneBytes: number }): void => void told.push(value.doneBytes);
  const order = { image: 'web', layer: LAYER, path: raw, format: 'raw' } as const;
  const closing = await node.controller.call('image.import', order, { onProgress });
  assert.is(closing.entries, 4 * 2);
  assert.is(told.at(-1), RAW_BYTES);
  await node.controller.call('image.open', {
    image: 'web',
    bytes: RAW_BYTES,
    stack: { layer: LAYER, generation: 1, below: [] },
    epoch: 1,
    last: closing,
    from: node.endpoint,
  });
});

test('nbdinfo sees the export, its size and what it can', async () => {
  const info = JSON.parse(await tool('nbdinfo', '--json', uri));
  const [shown] = info.exports;
  assert.is(shown['export-size'], RAW_BYTES);
  assert.ok(shown.can_flush && shown.can_fua && shown.can_trim && shown.can_zero && shown.can_cache);
  assert.ok(shown.can_multi_conn && shown.can_df && shown.can_fast_zero);
  assert.not(shown.is_read_only);
  assert.equal(shown.contexts, ['base:allocation', 'supercloud:version']);
  assert.equal([shown.block_size_minimum, shown.block_size_preferred, shown.block_size_maximum], [1, 4096, 32 * MIB]);
});

test('qemu-img reads back what was imported', async () => {
  assert.match(await tool('qemu-img', 'compare', '-f', 'raw', '-F', 'raw', raw, uri), /identical/);
});

test('nbdinfo maps the islands of data and the zeros between them', async () => {
  const map = async (context: string): Promise<number[][]> => {
    const extents = JSON.parse(await tool('nbdinfo', `--map=${context}`, '--json', uri));
    return extents.map((one: { offset: number; length: number; type: number }) => [one.offset, one.length, one.type]);
  };
  const islands = [0, 100 * MIB, 900 * MIB, RAW_BYTES - 2 * 4096];
  const data = await map('base:allocation');
  assert.equal(
    data.filter(([, , type]) => type === 0),
    islands.map((offset) => [offset, 8192, 0]),
  );
  assert.ok(data.every(([, , type]) => type === 0 || type === 3));
  const versions = await map('supercloud:version');
  assert.equal(
    versions.filter(([, , type]) => type !== 2).map(([offset, length]) => [offset, length]),
    islands.map((offset) => [offset, 8192]),
  );
});

test('nbdcopy writes a disk and reads it back', async () => {
  const small = join(root, 'small.raw');
  const back = join(root, 'back.raw');
  await writeFile(small, randomBytes(8 * MIB + 12345));
  await tool('nbdcopy', '--flush', small, uri);
  await tool('nbdcopy', uri, back);
  const [wrote, read] = await Promise.all([readFile(small), open(back)]);
  const part = Buffer.alloc(wrote.length);
  await read.read(part, 0, part.length, 0);
  await read.close();
  assert.ok(part.equals(wrote));
});

test('zeros, discards and unaligned writes through qemu-io', async () => {
  await node.io(
    'write -P 1 0 1M',
    'write -z 4096 8192',
    'write -z -u 100000 50000',
    'discard 512k 64k',
    'write -f -P 2 300001 7',
    'flush',
    'read -P 1 0 4096',
    'read -P 0 4096 8192',
    'read -P 0 100000 50000',
    'read -P 0 512k 64k',
    'read -P 2 300001 7',
    'read -P 1 300008 1000',
  );
});

test('a client that asks for gigabytes and reads none of them costs no memory, and harms no other', async () => {
  const before = await node.residentBytes();
  const client = connect(node.socket);
  await once(client, 'connect');
  client.pause();
  client.write(Buffer.concat([negotiation('web'), ...Array.from({ length: READS }, () => readRequest(0, READ_BYTES))]));
  await node.io('read -P 1 0 4096', 'write -P 3 1M 64k', 'flush', 'read -P 3 1M 64k');
  const grown = (await node.residentBytes()) - before;
  client.destroy();
  assert.ok(
    grown < GROWTH_BYTES_MAX,
    `${Math.round(grown / MIB)} MiB more for ${(READS * READ_BYTES) / MIB} MiB asked for`,
  );
});

/** What a client says to come to its requests: its flags (fixed newstyle, no zeroes) and NBD_OPT_GO. */
function negotiation(name: string): Buffer {
  const bytes = Buffer.alloc(4 + 16 + 6 + name.length);
  bytes.writeUInt32BE(3, 0);
  bytes.write('IHAVEOPT', 4);
  bytes.writeUInt32BE(7, 12);
  bytes.writeUInt32BE(6 + name.length, 16);
  bytes.writeUInt32BE(name.length, 20);
  bytes.write(name, 24);
  return bytes;
}

function readRequest(offset: number, bytes: number): Buffer {
  const request = Buffer.alloc(28);
  request.writeUInt32BE(0x25609513, 0);
  request.writeBigUInt64BE(BigInt(offset), 16);
  request.writeUInt32BE(bytes, 24);
  return request;
}

test('an orderly restart changes nothing', async () => {
  const before = await node.controller.call('image.show', { image: 'web' });
  await node.stop('SIGTERM');
  await node.start();
  const after = await node.controller.call('image.show', { image: 'web' });
  assert.is(after.digest, before.digest);
  await node.io('read -P 2 300001 7');
});

test.run();
