// How many blocks an image's file takes (st_blocks), against sessions of our own server.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FakeKernel } from './fuse-kernel.ts';
import { SIZE } from './nbd-client.ts';

const GETATTR = 3;
const BLOCK = 4096;
const SECTORS = BLOCK / 512;

/** The sectors that stat(2) counts, and the size. */
async function statOf(kernel: FakeKernel, node: number): Promise<[sectors: number, bytes: number]> {
  const { body } = await kernel.ask(GETATTR, node, 0, 0, 0n);
  return [Number(body.readBigUInt64LE(16 + 16)), Number(body.readBigUInt64LE(16 + 8))];
}

test('holes take no room; what is written later is counted a second later', async () => {
  const kernel = new FakeKernel('web');
  const { zeros } = kernel.server('web').device;
  for (let block = 0; block < SIZE / BLOCK; block++) if (block !== 7) zeros.add(block);
  const node = await kernel.lookup('web');
  assert.equal(await statOf(kernel, node), [SECTORS, SIZE]);
  zeros.delete(9);
  assert.equal(await statOf(kernel, node), [SECTORS, SIZE], 'as it was a moment ago');
  kernel.nowSeconds += 1;
  await statOf(kernel, node);
  assert.equal(await statOf(kernel, node), [2 * SECTORS, SIZE]);
});

test('a server that tells nothing of holes has an image without any', async () => {
  const kernel = new FakeKernel('web');
  kernel.server('web').isPlain = true;
  const node = await kernel.lookup('web');
  assert.equal(await statOf(kernel, node), [SIZE / 512, SIZE]);
});

test('while the server is away the last sum is told, and nobody waits', async () => {
  const kernel = new FakeKernel('web');
  kernel.server('web').device.zeros.add(0);
  const node = await kernel.lookup('web');
  const known = [SIZE / 512 - SECTORS, SIZE];
  assert.equal(await statOf(kernel, node), known);
  kernel.server('web').isThere = false;
  kernel.server('web').die();
  kernel.nowSeconds += 60;
  assert.equal(await statOf(kernel, node), known);
});

test.run();
