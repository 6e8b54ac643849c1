// A real catalogue whose directory is lost, damaged, or put back as it was once, beside real stores and their clients: it
// grants nothing it should not, and is made again from what the stores say (promises S3 and S4, SOUNDNESS A17 and D1).
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ProgressLine } from '../../common/terminal/progress.ts';
import { ensurePackages } from '../../lab/host-packages.ts';
import type { Closing } from '../../wire/contracts/blockd.ts';
import type { Head } from '../../wire/contracts/catalogue.ts';
import type { RebuildReport } from '../../wire/contracts/rebuild.ts';
import { refusal } from '../refusal.ts';
import type { BlockdNode } from './blockd-node.ts';
import { CatalogueStand } from './catalogue-stand.ts';

const BYTES = 16 * 2 ** 20;
const MARGIN = 4096;
const CUT = 'c000000000000001';
const LAYERS = {
  web: 'l00000000000000a1',
  next: 'l00000000000000a2',
  db: 'l00000000000000b1',
  clone: 'l00000000000000c1',
};

let stand: CatalogueStand;
let a: BlockdNode;
let b: BlockdNode;
let c: BlockdNode;

test.before(async () => {
  await ensurePackages(['qemu-utils'], new ProgressLine());
  stand = await CatalogueStand.start(64);
  [a, b, c] = [stand.node('a'), stand.node('b'), stand.node('c')];
});

test.after(() => stand.close());

function grant(image: string, node: BlockdNode): Promise<Head> {
  return stand.cluster.controller.catalogue.call('epoch.open', { image, node: node.name });
}

async function open(image: string, node: BlockdNode): Promise<Head> {
  const head = await grant(image, node);
  const { bytes, stack, epoch, last, holder } = head;
  const from = stand.cluster.endpoint(holder);
  await node.controller.call('image.open', { image, bytes, stack, epoch, last, from });
  return head;
}

async function close({ image, epoch, stack }: Head, node: BlockdNode): Promise<Closing> {
  const closing = await node.controller.call('image.close', { image, layer: stack.layer, epoch });
  await stand.client.call('epoch.close', { image, node: node.name, closing });
  return closing;
}

async function make(image: string, layer: string, node: BlockdNode): Promise<void> {
  await node.controller.call('image.create', { image, layer, bytes: BYTES });
  const closing = { image, epoch: 0, lastSequence: 0, entries: 0, digest: '0'.repeat(32), generation: 1 };
  await stand.client.call('image.add', { image, layer, bytes: BYTES, holder: node.name, closing });
}

function states({ images }: RebuildReport): string[] {
  return images.map(({ image, verdict, node }) => `${image} ${verdict} ${node}`);
}

let web: Head;

test('images, a snapshot and a clone are made, and every store keeps the records of them', async () => {
  await make('web', LAYERS.web, a);
  await make('db', LAYERS.db, b);
  web = await open('web', a);
  await a.io('write -P 0x11 0 1M', 'flush');
  const cuts = [{ image: 'web', generation: 1, layer: LAYERS.next }];
  await stand.client.call('snapshot.begin', { cut: CUT, snapshot: 'monday', cuts });
  const { sealed } = await a.controller.call('image.cut', { cut: CUT, cuts });
  await stand.client.call('snapshot.finish', { cut: CUT, snapshot: 'monday', sealed, atMs: 1 });
  await stand.client.call('image.clone', { image: 'clone', layer: LAYERS.clone, snapshot: 'monday', disk: 'web' });
  await a.io('write -P 0x22 0 64k', 'flush');
  const db = await open('db', b);
  await b.ioOn('db', 'write -P 0x33 0 1M');
  await close(db, b);
  await stand.watch.look();
  const { mark } = await stand.client.call('records.list', {});
  for (const node of stand.nodes) assert.equal((await node.controller.call('store.report', {})).kept, mark);
});

test('a lost catalogue grants nothing, says why, and shows what the stores know', async () => {
  await stand.stopCatalogue();
  await rm(stand.heads, { recursive: true });
  await b.stop('SIGKILL');
  await stand.startCatalogue();
  await stand.watch.look();
  assert.match(
    (await stand.client.call('catalogue.state', {})).state.behind,
    /keeps the records as they were at commit/,
  );
  const early = { image: 'web', layer: LAYERS.db, bytes: BYTES, holder: 'a', closing: { ...web.last, image: 'web' } };
  assert.is((await refusal(stand.client.call('image.add', early))).code, 'CATALOGUE_BEHIND');
  const plan = await stand.rebuild.rebuild('plan');
  assert.equal(states(plan), ['clone uncertain a', 'db uncertain b', 'web open a']);
  assert.equal([plan.snapshots, plan.away, plan.isDone], [['monday'], ['b'], false]);
  assert.equal((await stand.client.call('image.list', {})).heads, []);
});

test('what is certain is made; who writes goes on; the rest waits until its store is back', async () => {
  const done = await stand.rebuild.rebuild('execute');
  assert.is(done.isDone, true);
  await a.io('write -P 0x23 64k 64k', 'flush');
  assert.is((await refusal(grant('db', a))).code, 'IMAGE_UNCERTAIN');
  assert.is((await refusal(grant('web', c))).code, 'IMAGE_OPEN');
  await stand.startNode(b);
  await stand.watch.look();
  await stand.rebuild.reconcile();
  assert.equal((await stand.client.call('catalogue.state', {})).doubtful, []);
  const db = await open('db', a);
  await a.ioOn('db', 'read -P 0x33 0 1M');
  assert.is(db.epoch, 1 + MARGIN + 1);
  await close(db, a);
});

test('the image that stayed open is closed, and opened elsewhere with all that was written', async () => {
  const head = await stand.client.call('image.head', { image: 'web' });
  assert.equal([head.writer, head.epoch, head.stack.layer], ['a', web.epoch, LAYERS.next]);
  await close(head, a);
  const moved = await open('web', b);
  assert.is(moved.epoch, web.epoch + MARGIN + 1);
  await b.io('read -P 0x22 0 64k', 'read -P 0x23 64k 64k', 'read -P 0x11 128k 896k');
  await open('clone', c);
  await c.ioOn('clone', 'read -P 0x11 0 1M');
});

test('a catalogue that was put back as it was once is noticed at its start, and rebuilt over what it has', async () => {
  await stand.stopCatalogue('SIGTERM');
  const restore = await stand.backup();
  await stand.startCatalogue();
  const first = await open('db', a);
  await a.ioOn('db', 'write -P 0x44 0 64k');
  await close(first, a);
  const second = await open('db', c);
  await c.ioOn('db', 'read -P 0x44 0 64k', 'write -P 0x55 64k 64k');
  await close(second, c);
  await stand.watch.look();
  await stand.stopCatalogue();
  await restore();
  await stand.startCatalogue();
  const refused = await refusal(grant('db', b));
  assert.is(refused.code, 'CATALOGUE_BEHIND');
  assert.match(refused.remedy, 'supercloud catalogue rebuild');
  await stand.rebuild.rebuild('execute');
  const third = await open('db', b);
  assert.ok(third.epoch > second.epoch + MARGIN, `${third.epoch} after ${second.epoch}`);
  await b.ioOn('db', 'read -P 0x44 0 64k', 'read -P 0x55 64k 64k', 'read -P 0x33 128k 896k');
  await close(third, b);
});

test('a damaged directory is refused with where it is and what to do; moved away, the catalogue comes back', async () => {
  await stand.stopCatalogue();
  await rm(join(stand.heads, 'CURRENT'));
  const said = await stand.startCatalogue().then(
    () => 'it was started',
    (error: unknown) => String(error),
  );
  assert.match(said, stand.heads);
  assert.match(said, 'CURRENT is missing');
  await rm(stand.heads, { recursive: true });
  await stand.startCatalogue();
  await stand.watch.look();
  const done = await stand.rebuild.rebuild('execute');
  assert.equal(states(done), ['clone open c', 'db closed b', 'web open b']);
  assert.equal(
    (await stand.client.call('snapshot.list', {})).snapshots.map(({ snapshot }) => snapshot),
    ['monday'],
  );
});

test.run();
