// The stores that had everything are asked first, by whoever writes the image next: one that is to be filled is not waited for
// while a whole copy is there.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FRAME_TYPE } from '../../../../blockd/peer/peer-frame.ts';
import { DEFAULT_SETTINGS } from '../../../../blockd/propagation/default-settings.ts';
import type { CallContext } from '../../../../common/rpc/server.ts';
import { CrashDisk } from '../../../crash/crash-disk.ts';
import { isSettled } from '../manual-clock.ts';
import { ALONE, BYTES, blockOf, CopyStores, flushed, LAYER, type Node, SYNC, written } from './copy-stores.ts';

const { signal } = new AbortController();
const CONTEXT: CallContext<never> = { peer: { node: 'k', role: 'controller' }, progress: () => undefined, signal };
const MIGRATION = '00000000000000aa';
const TEN_MINUTES_MS = 600_000;

/** The image at a and its copy at c, since b was away; b is there now, and takes long to be filled. */
async function copiedAtC(slow: string): Promise<CopyStores> {
  const stores = await CopyStores.make();
  stores.away.add('b');
  await stores.openAtA(SYNC);
  await stores.clock.advance(20_000);
  await written(stores, 0, 7);
  await flushed(stores);
  stores.away.delete('b');
  await stores.clock.advance(20_000);
  stores.tamper = (bytes, from) => (from === slow && bytes[4] === FRAME_TYPE.durable ? new Uint8Array(0) : bytes);
  return stores;
}

/** Whether a flush at the node is answered some time. */
async function answers(stores: CopyStores, node: Node): Promise<boolean> {
  await stores.image(node).write(0, blockOf(8), false);
  const flush = Promise.resolve(stores.image(node).flush());
  await stores.clock.advance(TEN_MINUTES_MS);
  return isSettled(flush);
}

test('a writer that was restarted asks the store that was whole', async () => {
  const stores = await copiedAtC('b');
  await stores.start('a', stores.disk('a').afterKill());
  assert.ok(await answers(stores, 'a'));
});

test('so does one that closed the image and opened it again', async () => {
  const stores = await copiedAtC('b');
  const last = await stores.shelf('a').endEpoch('web', LAYER, 1);
  await stores.open('a', ALONE, 2, last, SYNC);
  assert.ok(await answers(stores, 'a'));
});

test('and the next writer after a move, though a new node’s name comes first', async () => {
  const first = '0' as Node;
  const stores = await copiedAtC(first);
  await stores.start(first, new CrashDisk());
  const members = [first, 'a', 'b', 'c'].map((node) => ({ node, address: '127.0.0.1', cloud: `cloud-${node}` }));
  for (const { node } of members) await stores.calls(node as Node)['members.set']({ members }, CONTEXT);
  const from = { node: 'a', address: '127.0.0.1' };
  const propagation = { ...DEFAULT_SETTINGS, policy: SYNC };
  const order = { migration: MIGRATION, image: 'web', bytes: BYTES, stack: ALONE, epoch: 2, from, propagation };
  await stores.calls('b')['standby.start'](order, CONTEXT);
  await stores.clock.advance(3_000);
  const host = stores.shelf('b').get('web');
  const closing = await stores.image('a').freeze(MIGRATION);
  await stores.clock.advance(1_000);
  assert.is(await host.verify(closing, signal), '');
  await host.activate(MIGRATION);
  await stores.calls('a')['writer.release']({ migration: MIGRATION }, CONTEXT);
  assert.ok(await answers(stores, 'b'));
});

test.run();
