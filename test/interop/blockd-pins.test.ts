// An image that is pinned to a place, on real daemons with qemu-io as the client: elsewhere it is a stub, whose requests wait
// until the image has moved to its place or the pin is gone.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { realClock } from '../../common/clock.ts';
import { ProgressLine } from '../../common/terminal/progress.ts';
import { ensurePackages } from '../../lab/host-packages.ts';
import { Admission } from '../../orchestrator/admission.ts';
import { LayerMerging } from '../../orchestrator/images/layer-merging.ts';
import { LayerSweep } from '../../orchestrator/images/layer-sweep.ts';
import { Pins } from '../../orchestrator/images/pins.ts';
import { Snapshots } from '../../orchestrator/images/snapshots.ts';
import type { StoreImage } from '../../wire/contracts/blockd.ts';
import type { Head } from '../../wire/contracts/catalogue.ts';
import { refusal } from '../refusal.ts';
import { quiet } from '../unit/common/members.ts';
import { until } from '../until.ts';
import type { BlockdNode } from './blockd-node.ts';
import { CatalogueStand } from './catalogue-stand.ts';

const BYTES = 16 * 2 ** 20;
const LAYER = 'l00000000000000a1';
const MIGRATION = 'a000000000000001';
const WEB = { kind: 'image', name: 'web' } as const;

let stand: CatalogueStand;
let pins: Pins;
let a: BlockdNode;
let b: BlockdNode;
let c: BlockdNode;

test.before(async () => {
  await ensurePackages(['qemu-utils'], new ProgressLine());
  stand = await CatalogueStand.start(68);
  [a, b, c] = [stand.node('a'), stand.node('b'), stand.node('c')];
  for (const { name } of stand.nodes) await stand.state.put('members', name, stand.cluster.nodeOf(name));
  pins = new Pins({ state: stand.state, cluster: stand.cluster, watch: stand.watch, log: quiet });
});

test.after(() => stand.close());

async function open(node: BlockdNode): Promise<Head> {
  const head = await stand.cluster.controller.catalogue.call('epoch.open', { image: 'web', node: node.name });
  const { bytes, stack, epoch, last, holder } = head;
  const from = stand.cluster.endpoint(holder);
  await node.controller.call('image.open', { image: 'web', bytes, stack, epoch, last, from });
  return head;
}

async function close(node: BlockdNode, { epoch, stack }: Head): Promise<void> {
  const closing = await node.controller.call('image.close', { image: 'web', layer: stack.layer, epoch });
  await stand.client.call('epoch.close', { image: 'web', node: node.name, closing });
}

function show(node: BlockdNode): Promise<StoreImage> {
  return node.controller.call('image.show', { image: 'web' });
}

/** Until the stub's client waits. */
async function untilWaiting(node: BlockdNode): Promise<StoreImage> {
  let store = await show(node);
  await until(`somebody waits at ${node.name}`, async () => {
    store = await show(node);
    return (store.stub?.waiting ?? 0) > 0;
  });
  return store;
}

test('it is pinned only where all of it is, and everyone else lets go of it', async () => {
  await a.controller.call('image.create', { image: 'web', layer: LAYER, bytes: BYTES });
  const closing = { image: 'web', epoch: 0, lastSequence: 0, entries: 0, digest: '0'.repeat(32), generation: 1 };
  await stand.client.call('image.add', { image: 'web', layer: LAYER, bytes: BYTES, holder: 'a', closing });
  const first = await open(a);
  await a.io('write -P 0x11 0 1M');
  await close(a, first);
  const second = await open(b);
  await b.io('read -P 0x11 0 64k');
  await close(b, second);
  const error = await refusal(pins.pin(WEB, 'b'));
  assert.is(error.code, 'PIN_INCOMPLETE');
  assert.match(error.message, /b lacks 983.0 kB of it/);
  assert.equal(await pins.pin(WEB, 'a'), { pin: { place: 'a', nodes: ['a'] }, alsoHeld: [], stillAt: [] });
  assert.equal((await b.controller.call('layer.list', {})).layers, []);
  assert.is((await refusal(a.controller.call('layer.drop', { layer: LAYER }))).code, 'LAYER_IN_USE');
  assert.is((await refusal(stand.client.call('image.remove', { image: 'web', nodes: ['a'] }))).code, 'PINNED');
});

let stub: Head;

test('opened elsewhere it has no blocks, and a read waits and is shown', async () => {
  stub = await open(b);
  const read = b.io('read -P 0x11 0 64k').then(
    () => 'read',
    () => 'failed',
  );
  const { localBlocks, stub: shown } = await untilWaiting(b);
  assert.equal([localBlocks, shown], [0, { place: 'a', waiting: 1 }]);
  const { transfer } = (
    await stand.client.call('transfer.begin', { migration: MIGRATION, images: ['web'], from: 'b', to: 'a' })
  ).heads[0] ?? { transfer: null };
  const { bytes, stack } = stub;
  const epoch = transfer?.epoch ?? 0;
  const standBy = { migration: MIGRATION, image: 'web', bytes, stack, epoch, from: b.endpoint };
  await a.controller.call('standby.start', standBy);
  assert.is(await read, 'failed', 'its client makes it again at the place, or it could not leave');
  await a.controller.call('standby.ready', { migration: MIGRATION });
});

test('moved to its place it goes on there, and does not move away', async () => {
  const { closings } = await b.self.call('writer.freeze', { migration: MIGRATION, images: ['web'] });
  const verdict = await a.self.call('standby.verify', { migration: MIGRATION, closings, timeoutMs: 30_000 });
  assert.equal(verdict, { equal: true, reason: '' });
  await a.self.call('standby.activate', { migration: MIGRATION });
  await b.self.call('writer.release', { migration: MIGRATION });
  const { heads } = await stand.client.call('transfer.finish', { migration: MIGRATION, moved: true, closings });
  await a.io('read -P 0x11 0 1M', 'write -P 0x22 0 64k');
  const away = { migration: 'a000000000000002', images: ['web'], from: 'a', to: 'c' };
  assert.is((await refusal(stand.client.call('transfer.begin', away))).code, 'PINNED');
  const [head] = heads;
  if (head !== undefined) await close(a, head);
});

test('layers that nothing needs by themselves any more are merged at the place, and nowhere else', async () => {
  const { cluster, state } = stand;
  const shared = { cluster, log: quiet, clock: realClock };
  const sweep = new LayerSweep(shared);
  const snapshots = new Snapshots({ ...shared, sweep, admission: new Admission(state) });
  const merging = new LayerMerging({ ...shared, sweep });
  await snapshots.create('monday', ['web']);
  await open(a);
  await a.io('write -P 0x33 64k 64k', 'flush');
  await snapshots.create('tuesday', ['web']);
  await a.io('write -P 0x44 128k 64k', 'flush');
  await snapshots.create('friday', ['web']);
  for (const snapshot of ['monday', 'tuesday']) await snapshots.delete(snapshot);
  await until('one layer is left below the top', async () => {
    await stand.watch.look();
    await merging.look();
    await sweep.sweep();
    const { leaving } = await stand.client.call('layer.leaving', {});
    const { stack } = await stand.client.call('image.head', { image: 'web' });
    return leaving.length === 0 && stack.below.length === 1;
  });
  const head = await stand.client.call('image.head', { image: 'web' });
  assert.is(head.stack.below.length, 1);
  await stand.watch.look();
  const { pins: covered } = await stand.client.call('pin.list', {});
  const named = [head.stack.layer, ...head.stack.below.map(({ layer }) => layer)];
  assert.equal(covered.map(({ layer }) => layer).sort(), named.sort());
  assert.equal((await a.controller.call('layer.list', {})).layers.length, 2);
  await pins.repeat();
  for (const one of [b, c]) assert.equal((await one.controller.call('layer.list', {})).layers, [], one.name);
  await a.io('read -P 0x22 0 64k', 'read -P 0x33 64k 64k', 'read -P 0x44 128k 64k', 'read -P 0x11 192k 832k');
  await close(a, head);
});

test('who waits elsewhere when the pin is taken away goes on, with what was written at the place', async () => {
  const head = await open(c);
  const read = c.io('read -P 0x22 0 64k', 'read -P 0x33 64k 64k', 'read -P 0x44 128k 64k', 'read -P 0x11 192k 832k');
  const { localBlocks } = await untilWaiting(c);
  assert.is(localBlocks, 0);
  await pins.unpin(WEB);
  await read;
  assert.is((await show(c)).stub, undefined);
  await close(c, head);
});

test.run();
