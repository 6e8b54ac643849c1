// Images as files: what the kernel may ask of the mount, and what it is answered, against sessions of our own server.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { REST_MS } from '../../../blockd/nbd-client/nbd-link.ts';
import { FakeKernel, fields, STARTED_SECONDS } from './fuse-kernel.ts';
import { SIZE } from './nbd-client.ts';

const ROOT = 1;
const [LOOKUP, GETATTR, SETATTR, OPEN, READ, WRITE, STATFS, RELEASE, FSYNC, INIT] = [
  1, 3, 4, 14, 15, 16, 17, 18, 20, 26,
];
const [OPENDIR, READDIR, FALLOCATE] = [27, 28, 43];
const [EPERM, ENOENT, EIO, EFBIG, ENOSPC, EROFS, ENOSYS, EPROTO, EOPNOTSUPP] = [1, 2, 5, 27, 28, 30, 38, 71, 95];
const [O_RDONLY, O_WRONLY, O_RDWR, O_DSYNC] = [0, 1, 2, 0o10000];
const KEEP_SIZE = 1;
const PUNCH = 2 | KEEP_SIZE;
const ZERO_RANGE = 16;

const readIn = (handle: bigint, offset: number, size: number): Buffer =>
  fields(handle, BigInt(offset), size, 0, 0n, 0, 0);
const writeIn = (handle: bigint, offset: number, data: Buffer, flags = O_RDWR): Buffer =>
  fields(handle, BigInt(offset), data.length, 0, 0n, flags, 0, data);
const fallocateIn = (handle: bigint, mode: number, offset: number, length: number): Buffer =>
  fields(handle, BigInt(offset), BigInt(length), mode, 0);

async function opened(flags = O_RDWR): Promise<{ kernel: FakeKernel; node: number; handle: bigint }> {
  const kernel = new FakeKernel('web');
  const node = await kernel.lookup('web');
  return { kernel, node, handle: await kernel.open(node, flags) };
}

test('the kernel is told of writes of 1 MiB, and an old one is refused', async () => {
  const kernel = new FakeKernel();
  const { error, body } = await kernel.ask(INIT, 0, 7, 38, 65_536, 0xffff_ffff, Buffer.alloc(48));
  assert.is(error, 0);
  assert.equal([body.readUInt32LE(0), body.readUInt32LE(20), body.readUInt16LE(28)], [7, 2 ** 20, 256]);
  // BIG_WRITES and MAX_PAGES; neither a page cache of written data nor O_TRUNC at open.
  assert.is(body.readUInt32LE(12) & ((1 << 5) | (1 << 22)), (1 << 5) | (1 << 22));
  assert.is(body.readUInt32LE(12) & ((1 << 16) | (1 << 3)), 0);
  const few = await kernel.ask(INIT, 0, 7, 38, 65_536, 1 << 5, Buffer.alloc(48));
  assert.is(few.body.readUInt32LE(12), 1 << 5);
  assert.is((await kernel.ask(INIT, 0, 7, 27, 0, 0)).error, EPROTO);
});

test('a file has the size of its image, mode 0600, and its owner', async () => {
  const kernel = new FakeKernel('web');
  const { error, body } = await kernel.ask(LOOKUP, ROOT, 'web');
  assert.is(error, 0);
  const attributes = body.subarray(40);
  assert.is(attributes.readBigUInt64LE(8), BigInt(SIZE));
  assert.is(attributes.readBigUInt64LE(16), BigInt(SIZE / 512));
  assert.equal(
    [60, 64, 68, 72].map((at) => attributes.readUInt32LE(at)),
    [0o100600, 1, 7, 8],
  );
  assert.is(attributes.readBigUInt64LE(32), BigInt(STARTED_SECONDS));
  const again = await kernel.ask(GETATTR, Number(body.readBigUInt64LE(0)), 0, 0, 0n);
  assert.ok(again.body.subarray(16).equals(attributes));
});

test('an image that is read-only is 0400, and opens for reading alone', async () => {
  const kernel = new FakeKernel('web');
  kernel.server('web').isReadOnly = true;
  const node = await kernel.lookup('web');
  const { body } = await kernel.ask(GETATTR, node, 0, 0, 0n);
  assert.is(body.readUInt32LE(16 + 60), 0o100400);
  for (const flags of [O_WRONLY, O_RDWR]) assert.is((await kernel.ask(OPEN, node, flags, 0)).error, EROFS);
  const handle = await kernel.open(node, O_RDONLY);
  assert.is((await kernel.ask(READ, node, readIn(handle, 0, 10))).body.length, 10);
  assert.is((await kernel.ask(WRITE, node, writeIn(handle, 0, Buffer.alloc(4)))).error, EROFS);
  const size = fields(1 << 3, 0, handle, BigInt(SIZE - 1), Buffer.alloc(64));
  assert.is((await kernel.ask(SETATTR, node, size)).error, EROFS);
});

test('the directory lists what is there when it is opened, in parts too', async () => {
  const kernel = new FakeKernel('web', 'log', 'a'.repeat(40));
  const list = async (handle: bigint, room: number): Promise<string[]> => {
    const names: string[] = [];
    for (let offset = 0n; ; ) {
      const { error, body } = await kernel.ask(READDIR, ROOT, handle, offset, room, 0, 0n, 0, 0);
      assert.is(error, 0);
      if (body.length === 0) return names;
      for (let at = 0; at < body.length; ) {
        const length = body.readUInt32LE(at + 16);
        offset = body.readBigUInt64LE(at + 8);
        names.push(`${body.readUInt32LE(at + 20)} ${body.toString('utf8', at + 24, at + 24 + length)}`);
        at += Math.ceil((24 + length) / 8) * 8;
      }
    }
  };
  const open = async (): Promise<bigint> => (await kernel.ask(OPENDIR, ROOT, 0, 0)).body.readBigUInt64LE(0);
  const all = ['4 .', '4 ..', `8 ${'a'.repeat(40)}`, '8 log', '8 web'];
  const handle = await open();
  assert.equal(await list(handle, 4096), all);
  assert.equal(await list(handle, 64), all);
  kernel.servers.delete('log');
  assert.equal(await list(handle, 64), all);
  assert.equal(
    await list(await open(), 4096),
    all.filter((name) => name !== '8 log'),
  );
  assert.is((await kernel.ask(LOOKUP, ROOT, 'log')).error, ENOENT);
});

test('nothing can be made, removed, renamed or resized; times are heard', async () => {
  const { kernel, node, handle } = await opened();
  for (const opcode of [6, 8, 9, 10, 11, 12, 13, 35, 45, 51]) {
    assert.is((await kernel.ask(opcode, ROOT, 'web')).error, EPERM, `opcode ${opcode}`);
  }
  const setattr = (what: number, size: number): Promise<{ error: number }> =>
    kernel.ask(SETATTR, node, what, 0, handle, BigInt(size), Buffer.alloc(64));
  assert.is((await setattr(1 << 3, 0)).error, EPERM);
  assert.is((await setattr(1 << 3, SIZE + 1)).error, EFBIG);
  assert.is((await setattr(1 << 3, SIZE)).error, 0);
  for (const bit of [0, 1, 2]) assert.is((await setattr(1 << bit, 0)).error, EPERM);
  assert.is((await setattr((1 << 4) | (1 << 5), 0)).error, 0);
});

test('what the kernel can do by itself is left to it', async () => {
  const { kernel, node } = await opened();
  // Extended attributes, FLUSH, INTERRUPT, COPY_FILE_RANGE.
  for (const opcode of [21, 22, 23, 24, 25, 36, 47]) assert.is((await kernel.ask(opcode, node)).error, ENOSYS);
  assert.is(kernel.session.underWay, 0);
  kernel.send(2, node, fields(1n));
  kernel.send(42, 0, fields(0, 0));
  assert.is(kernel.session.underWay, 0);
});

test('data go both ways, and a read ends with the image', async () => {
  const { kernel, node, handle } = await opened();
  const data = Buffer.from('some bytes');
  const written = await kernel.ask(WRITE, node, writeIn(handle, 5_000, data));
  assert.equal([written.error, written.body.readUInt32LE(0)], [0, data.length]);
  assert.is(kernel.kept, 0);
  const read = await kernel.ask(READ, node, readIn(handle, 4_999, 12));
  assert.is(read.body.toString(), '\0some bytes\0');
  assert.is((await kernel.ask(READ, node, readIn(handle, SIZE - 10, 4_096))).body.length, 10);
  assert.is((await kernel.ask(READ, node, readIn(handle, SIZE, 4_096))).body.length, 0);
  assert.is((await kernel.ask(READ, node, readIn(handle, 2 ** 40, 4_096))).body.length, 0);
});

test('a write is cut at the end of the image, and behind it there is no space', async () => {
  const { kernel, node, handle } = await opened();
  const cut = await kernel.ask(WRITE, node, writeIn(handle, SIZE - 4, Buffer.alloc(10, 9)));
  assert.equal([cut.error, cut.body.readUInt32LE(0)], [0, 4]);
  assert.is((await kernel.ask(WRITE, node, writeIn(handle, SIZE, Buffer.alloc(1)))).error, ENOSPC);
  assert.equal(kernel.server('web').device.calls, [`write ${SIZE - 4} 4 false`]);
  assert.is(kernel.kept, 0);
});

test('a write of a file that is open with O_DSYNC is durable, and fsync is a flush', async () => {
  const { kernel, node, handle } = await opened();
  await kernel.ask(WRITE, node, writeIn(handle, 0, Buffer.alloc(4), O_RDWR | O_DSYNC));
  assert.is((await kernel.ask(FSYNC, node, handle, 0, 0)).error, 0);
  assert.equal(kernel.server('web').device.calls, ['write 0 4 true', 'flush']);
});

test('holes are zeros without room, zeroed ranges have room, and room alone cannot be had', async () => {
  const { kernel, node, handle } = await opened();
  const allocate = async (mode: number, offset: number, length: number): Promise<number> =>
    (await kernel.ask(FALLOCATE, node, fallocateIn(handle, mode, offset, length))).error;
  assert.is(await allocate(PUNCH, 4_096, 8_192), 0);
  assert.is(await allocate(PUNCH, SIZE - 4_096, 2 ** 40), 0);
  assert.is(await allocate(ZERO_RANGE | KEEP_SIZE, 0, 4_096), 0);
  assert.is(await allocate(ZERO_RANGE, SIZE - 4_096, 8_192), EFBIG);
  for (const mode of [0, KEEP_SIZE, 8]) assert.is(await allocate(mode, 0, 4_096), EOPNOTSUPP);
  assert.equal(kernel.server('web').device.calls, [
    'zero 4096 8192 false false',
    `zero ${SIZE - 4_096} 4096 false false`,
    'zero 0 4096 false true',
  ]);
});

test('a hole of more than a request can have is made in parts', async () => {
  const kernel = new FakeKernel('web');
  kernel.server('web').bytes = 3 * 2 ** 30;
  const node = await kernel.lookup('web');
  const handle = await kernel.open(node);
  assert.is((await kernel.ask(FALLOCATE, node, fallocateIn(handle, PUNCH, 512, 2.5 * 2 ** 30))).error, 0);
  assert.equal(kernel.server('web').device.calls, [
    `zero 512 ${2 ** 30} false false`,
    `zero ${2 ** 30 + 512} ${2 ** 30} false false`,
    `zero ${2 ** 31 + 512} ${2 ** 29} false false`,
  ]);
});

test('the errors of the server are told as the system’s', async () => {
  const { kernel, node, handle } = await opened();
  const { device } = kernel.server('web');
  for (const [code, error] of [
    ['ENOSPC', ENOSPC],
    ['EIO', EIO],
    ['BLOCKS_LOST', EIO],
  ] as const) {
    device.held = Promise.withResolvers();
    const unique = kernel.send(WRITE, node, writeIn(handle, 0, Buffer.alloc(4)));
    await kernel.pump();
    device.held.reject(Object.assign(new Error(code), { code }));
    device.held = undefined;
    await kernel.pump();
    assert.is(kernel.answerTo(unique)?.error, error, code);
  }
  assert.is(kernel.kept, 0);
});

test('while the server is away requests wait, and what is looked up too; then they fail', async () => {
  const { kernel, node, handle } = await opened();
  kernel.server('web').die();
  const read = kernel.send(READ, node, readIn(handle, 0, 4));
  const write = kernel.send(WRITE, node, writeIn(handle, 0, Buffer.alloc(4)));
  const lookup = kernel.send(LOOKUP, ROOT, fields('web'));
  await kernel.later(900);
  assert.equal(
    [read, write, lookup].map((one) => kernel.answerTo(one)),
    [undefined, undefined, undefined],
  );
  assert.is(kernel.kept, 1);
  await kernel.later(100);
  assert.equal(
    [read, write, lookup].map((one) => kernel.answerTo(one)?.error),
    [EIO, EIO, EIO],
  );
  assert.is(kernel.kept, 0);
  kernel.server('web').isThere = true;
  await kernel.later(1_000);
  assert.is((await kernel.ask(READ, node, readIn(handle, 0, 4))).error, 0);
});

test('while the server stands still requests fail in their time, and are served again when it goes on', async () => {
  const { kernel, node, handle } = await opened();
  const server = kernel.server('web');
  server.isSilent = true;
  const write = kernel.send(WRITE, node, writeIn(handle, 0, Buffer.from('late')));
  const sync = kernel.send(FSYNC, node, fields(handle, 0, 0));
  await kernel.later(999);
  assert.is(kernel.answerTo(write), undefined);
  await kernel.later(1);
  assert.equal([kernel.answerTo(write)?.error, kernel.answerTo(sync)?.error], [EIO, EIO]);
  assert.equal([kernel.session.underWay, kernel.kept, kernel.abandoned], [0, 0, 1]);
  const again = kernel.send(WRITE, node, writeIn(handle, 0, Buffer.from('kept')));
  server.isSilent = false;
  await kernel.pump();
  assert.is(kernel.answerTo(again)?.error, 0);
  assert.is((await kernel.ask(READ, node, readIn(handle, 0, 4))).body.toString(), 'kept');
  assert.is((await kernel.ask(FSYNC, node, handle, 0, 0)).error, 0);
  assert.equal([kernel.kept, kernel.abandoned], [0, 1]);
});

test('an fsync after a server went with unflushed writes fails once for each that has the file open', async () => {
  const { kernel, node, handle } = await opened();
  const other = await kernel.open(node);
  await kernel.ask(WRITE, node, writeIn(handle, 0, Buffer.alloc(4)));
  kernel.server('web').die();
  kernel.server('web').isThere = true;
  kernel.nowMs += 1_000;
  const sync = async (open: bigint): Promise<number> => (await kernel.ask(FSYNC, node, open, 0, 0)).error;
  const late = await kernel.open(node);
  assert.is(await sync(handle), EIO);
  assert.is(await sync(handle), 0);
  assert.is(await sync(other), EIO);
  assert.is(await sync(late), EIO, 'it was open before anybody was told');
  assert.is(await sync(await kernel.open(node)), 0);
});

test('an image that nobody has open and nobody has used for a while has no connection, and is what it is then', async () => {
  const { kernel, node, handle } = await opened();
  const server = kernel.server('web');
  const isUp = (): boolean => kernel.links.get('web')?.restMs !== undefined;
  kernel.session.rest(REST_MS);
  assert.ok(isUp(), 'it is open');
  await kernel.ask(RELEASE, node, handle, 0, 0, 0n);
  kernel.session.rest(REST_MS - 1);
  assert.ok(isUp(), 'it was used');
  kernel.session.rest(REST_MS);
  assert.not(isUp());
  server.bytes = 2 * SIZE;
  kernel.nowMs = REST_MS;
  const { body } = await kernel.ask(LOOKUP, ROOT, 'web');
  assert.is(body.subarray(40).readBigUInt64LE(8), BigInt(2 * SIZE));
  assert.is(server.dials, 2);
});

test('a closed handle is no handle', async () => {
  const { kernel, node, handle } = await opened();
  assert.is((await kernel.ask(RELEASE, node, handle, 0, 0, 0n)).error, 0);
  for (const [opcode, body] of [
    [READ, readIn(handle, 0, 4)],
    [WRITE, writeIn(handle, 0, Buffer.alloc(4))],
    [FSYNC, fields(handle, 0, 0)],
    [FALLOCATE, fallocateIn(handle, PUNCH, 0, 4_096)],
  ] as const) {
    assert.is((await kernel.ask(opcode, node, body)).error, 9);
  }
  assert.is(kernel.session.underWay, 0);
});

test('the file system is as large as its images, and full', async () => {
  const { kernel } = await opened();
  const { body } = await kernel.ask(STATFS, ROOT);
  assert.equal(
    [0, 8, 16, 24].map((at) => Number(body.readBigUInt64LE(at))),
    [SIZE / 4096, 0, 0, 1],
  );
  assert.equal([body.readUInt32LE(40), body.readUInt32LE(48)], [4096, 4096]);
});

test.run();
