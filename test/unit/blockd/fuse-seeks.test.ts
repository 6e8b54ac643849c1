// Where an image has data and where it has holes, as programs ask with lseek(2), against sessions of our own server.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FakeKernel, fields, type KernelAnswer } from './fuse-kernel.ts';
import { SIZE } from './nbd-client.ts';

const [LSEEK, WRITE] = [46, 16];
const [EIO, ENXIO, EBADF, EINVAL] = [5, 6, 9, 22];
const [SEEK_DATA, SEEK_HOLE] = [3, 4];
const BLOCK = 4096;

/** An image whose blocks of these numbers are holes, open. */
class Stand {
  readonly kernel = new FakeKernel('web');
  node = 0;
  handle = 0n;

  static async make(...holes: readonly number[]): Promise<Stand> {
    const stand = new Stand();
    for (const hole of holes) stand.kernel.server('web').device.zeros.add(hole);
    stand.node = await stand.kernel.lookup('web');
    stand.handle = await stand.kernel.open(stand.node);
    return stand;
  }

  send(whence: number, offset: number): bigint {
    return this.kernel.send(LSEEK, this.node, fields(this.handle, BigInt(offset), whence, 0));
  }

  ask(whence: number, offset: number): Promise<KernelAnswer> {
    return this.kernel.ask(LSEEK, this.node, this.handle, BigInt(offset), whence, 0);
  }

  /** The offset that is answered, or an error. */
  async seek(whence: number, offset: number): Promise<number | string> {
    const { error, body } = await this.ask(whence, offset);
    return error === 0 ? Number(body.readBigUInt64LE(0)) : `error ${error}`;
  }
}

test('data and holes are found from any offset on, and the end is a hole', async () => {
  const stand = await Stand.make(0, 1, 3);
  assert.equal(
    [await stand.seek(SEEK_DATA, 0), await stand.seek(SEEK_DATA, 100), await stand.seek(SEEK_DATA, 2 * BLOCK + 7)],
    [2 * BLOCK, 2 * BLOCK, 2 * BLOCK + 7],
  );
  assert.equal(
    [await stand.seek(SEEK_HOLE, 0), await stand.seek(SEEK_HOLE, 9), await stand.seek(SEEK_HOLE, 2 * BLOCK)],
    [0, 9, 3 * BLOCK],
  );
  assert.equal([await stand.seek(SEEK_HOLE, 4 * BLOCK), await stand.seek(SEEK_HOLE, SIZE - 1)], [SIZE, SIZE]);
  assert.is(stand.kernel.session.underWay, 0);
});

test('beyond the end, and behind the last data, there is nothing', async () => {
  const last = SIZE / BLOCK - 1;
  const stand = await Stand.make(last);
  assert.is((await stand.ask(SEEK_DATA, last * BLOCK)).error, ENXIO);
  assert.is(await stand.seek(SEEK_HOLE, last * BLOCK + 3), last * BLOCK + 3);
  for (const whence of [SEEK_DATA, SEEK_HOLE]) {
    for (const offset of [SIZE, 2 ** 50]) assert.is((await stand.ask(whence, offset)).error, ENXIO);
  }
});

test('what is no seek of these is refused, and so is a handle that is none', async () => {
  const stand = await Stand.make();
  for (const whence of [0, 1, 2, 5]) assert.is((await stand.ask(whence, 0)).error, EINVAL);
  stand.handle += 1n;
  assert.is((await stand.ask(SEEK_DATA, 0)).error, EBADF);
});

test('a large hole takes as many questions as it must', async () => {
  const stand = new Stand();
  const server = stand.kernel.server('web');
  server.bytes = 3 * 2 ** 30;
  stand.node = await stand.kernel.lookup('web');
  stand.handle = await stand.kernel.open(stand.node);
  server.device.statusOf = (_kind, offset) => (offset < 2.5 * 2 ** 30 ? 3 : 0);
  server.device.endOfStatus = (_kind, offset, end) => (offset < 2.5 * 2 ** 30 ? Math.min(end, 2.5 * 2 ** 30) : end);
  assert.is(await stand.seek(SEEK_DATA, 0), 2.5 * 2 ** 30);
});

test('data are written and read beside it as before', async () => {
  const stand = await Stand.make(1);
  assert.is(await stand.seek(SEEK_HOLE, 0), BLOCK);
  const write = fields(stand.handle, 0n, 4, 0, 0n, 2, 0, Buffer.from('data'));
  assert.is((await stand.kernel.ask(WRITE, stand.node, write)).error, 0);
  assert.is(await stand.seek(SEEK_DATA, BLOCK), 2 * BLOCK);
  assert.is(stand.kernel.server('web').dials, 2);
});

test('a server that does not tell has data everywhere', async () => {
  const stand = await Stand.make(0, 1);
  stand.kernel.server('web').isPlain = true;
  assert.equal([await stand.seek(SEEK_DATA, 5), await stand.seek(SEEK_HOLE, 5)], [5, SIZE]);
});

test('while the server is away it waits, then it fails; a status that cannot be had is an error', async () => {
  const stand = await Stand.make(0);
  stand.kernel.server('web').die();
  const seek = stand.send(SEEK_DATA, 0);
  await stand.kernel.later(1_000);
  assert.is(stand.kernel.answerTo(seek)?.error, EIO);
  stand.kernel.server('web').isThere = true;
  await stand.kernel.later(1_000);
  assert.is(await stand.seek(SEEK_DATA, 0), BLOCK);
  stand.kernel.server('web').device.statusOf = () => {
    throw Object.assign(new Error('EIO'), { code: 'EIO' });
  };
  assert.is((await stand.ask(SEEK_DATA, 0)).error, EIO);
});

test.run();
