// What an answer to a flush means goes with the image: the next writer waits for as many copies from its first answer on,
// however it came to be the writer (SOUNDNESS A13).
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { ImageHost } from '../../../../blockd/image/image-host.ts';
import { FRAME_TYPE } from '../../../../blockd/peer/peer-frame.ts';
import { DEFAULT_SETTINGS } from '../../../../blockd/propagation/default-settings.ts';
import type { CallContext } from '../../../../common/rpc/server.ts';
import type { Closing } from '../../../../wire/contracts/blockd.ts';
import type { PropagationPolicy } from '../../../../wire/contracts/propagation.ts';
import { CrashDisk } from '../../../crash/crash-disk.ts';
import { isSettled } from '../manual-clock.ts';
import { ALONE, BYTES, blockOf, CopyStores, flushed, LAYER, LOST, type Node, SYNC, written } from './copy-stores.ts';

const MIGRATION = '00000000000000aa';
const { signal } = new AbortController();
const CONTEXT: CallContext<never> = { peer: { node: 'k', role: 'controller' }, progress: () => undefined, signal };

/** a and b, and it may be c, with an image that is written at a and whose flushes wait for two. */
async function copied(nodes: readonly Node[], policy: PropagationPolicy = SYNC): Promise<CopyStores> {
  const stores = await CopyStores.make(nodes);
  await stores.openAtA(policy);
  await written(stores, 0, 7);
  await flushed(stores);
  return stores;
}

async function standBy(stores: CopyStores, at: Node, policy: PropagationPolicy = SYNC): Promise<ImageHost> {
  const from = { node: 'a', address: '127.0.0.1' };
  const propagation = { ...DEFAULT_SETTINGS, policy };
  const order = { migration: MIGRATION, image: 'web', bytes: BYTES, stack: ALONE, epoch: 2, from, propagation };
  await stores.calls(at)['standby.start'](order, CONTEXT);
  return stores.shelf(at).get('web');
}

async function verified(stores: CopyStores, host: ImageHost): Promise<void> {
  await host.ready(signal);
  await stores.clock.advance(10_000);
  const closing = await stores.image('a').freeze(MIGRATION);
  await stores.clock.advance(1_000);
  assert.is(await host.verify(closing, signal), '');
}

/** Nobody else can be reached: nothing that the writer at the node answers now is anywhere else. */
async function answersAlone(stores: CopyStores, at: Node): Promise<boolean> {
  for (const other of ['a', 'b', 'c'] as const) if (other !== at) stores.away.add(other);
  stores.cutStreams();
  await stores.image(at).write(0, blockOf(9), false);
  const flush = Promise.resolve(stores.image(at).flush());
  await stores.clock.advance(1_000);
  return isSettled(flush);
}

function closedAtA(stores: CopyStores): Promise<Closing> {
  return stores.shelf('a').endEpoch('web', LAYER, 1);
}

test('an image that is opened at its own copy', async () => {
  const stores = await copied(['a', 'b']);
  const last = await closedAtA(stores);
  stores.away.add('a');
  await stores.open('b', ALONE, 2, last, SYNC);
  assert.not(await answersAlone(stores, 'b'));
});

test('an image that is closed and opened where it was, after a restart', async () => {
  const stores = await copied(['a', 'b']);
  const last = await closedAtA(stores);
  await stores.start('a', stores.disk('a').afterCut(LOST));
  stores.away.add('b');
  await stores.open('a', ALONE, 2, last, SYNC);
  assert.not(await answersAlone(stores, 'a'));
});

test('a move within one cloud', async () => {
  const policy = { ...SYNC, scope: 'cloud' } as const;
  const stores = await CopyStores.make();
  const members = ['a', 'b', 'c'].map((node) => ({ node, address: '127.0.0.1', cloud: 'one' }));
  for (const node of ['a', 'b', 'c'] as const) await stores.calls(node)['members.set']({ members }, CONTEXT);
  await stores.openAtA(policy);
  await written(stores, 0, 7);
  await flushed(stores);
  const host = await standBy(stores, 'b', policy);
  await verified(stores, host);
  await host.activate(MIGRATION);
  assert.not(await answersAlone(stores, 'b'));
});

for (const others of [[], ['d']]) {
  test(`a move to another cloud with ${others.length} other nodes: the copies form anew there`, async () => {
    const policy = { ...SYNC, scope: 'cloud' } as const;
    const stores = await CopyStores.make();
    for (const other of others) await stores.start(other as Node, new CrashDisk());
    const nodes = ['a', 'b', 'c', ...others];
    const members = nodes.map((node) => ({ node, address: '127.0.0.1', cloud: node < 'c' ? 'one' : 'two' }));
    for (const node of nodes) await stores.calls(node as Node)['members.set']({ members }, CONTEXT);
    await stores.openAtA(policy);
    await written(stores, 0, 7);
    await flushed(stores);
    // It is being filled for long.
    stores.tamper = (bytes, from) => (from === 'd' && bytes[4] === FRAME_TYPE.durable ? new Uint8Array(0) : bytes);
    await verified(stores, await standBy(stores, 'c', policy));
    await stores.shelf('c').get('web').activate(MIGRATION);
    await stores.image('c').write(0, blockOf(9), false);
    const flush = Promise.resolve(stores.image('c').flush());
    await stores.clock.advance(10_000);
    assert.ok(await isSettled(flush));
    assert.is(stores.shelf('c').get('web').copies.show().copies?.forming, true);
  });
}

test('a move that was announced before the copies were whole', async () => {
  const stores = await CopyStores.make();
  stores.hold('b', 'a');
  await stores.openAtA(SYNC);
  const started = standBy(stores, 'c');
  await stores.clock.advance(3_000);
  const host = await started;
  await stores.release('b', 'a');
  await stores.clock.advance(3_000);
  await verified(stores, host);
  await host.activate(MIGRATION);
  assert.not(await answersAlone(stores, 'c'));
});

test('a destination that is restarted between its proof and its first write', async () => {
  const stores = await copied(['a', 'c']);
  await verified(stores, await standBy(stores, 'c'));
  await stores.start('c', stores.disk('c').afterCut(LOST));
  await stores.shelf('c').get('web').activate(MIGRATION);
  assert.not(await answersAlone(stores, 'c'));
});

test('an image whose copies lay in another scope begins anew', async () => {
  const stores = await copied(['a', 'b']);
  await stores.open('b', ALONE, 2, await closedAtA(stores), { ...SYNC, scope: 'cloud' });
  assert.ok(await answersAlone(stores, 'b'));
});

test('copies that a full disk could not note are noted later, and only then count as formed', async () => {
  const stores = await CopyStores.make(['a', 'b']);
  stores.hold('b', 'a');
  await stores.openAtA(SYNC);
  const { commit } = stores.image('a').store;
  let full = 0;
  stores.image('a').store.commit = (change) => {
    if (change.state?.copies === undefined) return commit.call(stores.image('a').store, change);
    full++;
    return Promise.reject(new Error('ENOSPC'));
  };
  const isForming = (): boolean | undefined => stores.shelf('a').get('web').copies.show().copies?.forming;
  await stores.release('b', 'a');
  await stores.clock.advance(1_000);
  assert.is(isForming(), true);
  assert.ok(full > 0);
  stores.image('a').store.commit = commit;
  await written(stores, 0, 7);
  await flushed(stores);
  await stores.clock.advance(1_000);
  assert.is(isForming(), false);
  assert.not(await answersAlone(stores, 'a'));
});

test.run();
