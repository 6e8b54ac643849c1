// A real blockd whose directory is put back as it was once, as a provider's disk snapshot is, beside a real catalogue: the
// image that was written there is in doubt, and nothing is granted of it until a person takes what is there. What every
// machine goes through is no doubt: a kill, a restart, a closing (promises S3 and S4, SOUNDNESS D2).
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ProgressLine } from '../../common/terminal/progress.ts';
import { ensurePackages } from '../../lab/host-packages.ts';
import { DiskClosing } from '../../orchestrator/images/disk-closing.ts';
import type { Head } from '../../wire/contracts/catalogue.ts';
import { refusal } from '../refusal.ts';
import type { BlockdNode } from './blockd-node.ts';
import { CatalogueStand } from './catalogue-stand.ts';

const BYTES = 16 * 2 ** 20;
const LAYERS = { web: 'l00000000000000a1', log: 'l00000000000000a2', db: 'l00000000000000a3' };

let stand: CatalogueStand;
let a: BlockdNode;
let b: BlockdNode;

test.before(async () => {
  await ensurePackages(['qemu-utils'], new ProgressLine());
  stand = await CatalogueStand.start(74);
  [a, b] = [stand.node('a'), stand.node('b')];
});

test.after(() => stand.close());

async function make(image: string, layer: string, node: BlockdNode): Promise<void> {
  await node.controller.call('image.create', { image, layer, bytes: BYTES });
  const closing = { image, epoch: 0, lastSequence: 0, entries: 0, digest: '0'.repeat(32), generation: 1 };
  await stand.client.call('image.add', { image, layer, bytes: BYTES, holder: node.name, closing });
}

async function open(image: string, node: BlockdNode): Promise<Head> {
  const head = await stand.cluster.controller.catalogue.call('epoch.open', { image, node: node.name });
  const { bytes, stack, epoch, last, holder } = head;
  const from = stand.cluster.endpoint(holder);
  await node.controller.call('image.open', { image, bytes, stack, epoch, last, from });
  return head;
}

const close = (image: string, node: BlockdNode): Promise<void> => new DiskClosing(stand).close(image, node.name);

async function doubtful(): Promise<string[]> {
  await stand.stores.look();
  return (await stand.client.call('catalogue.state', {})).doubtful;
}

/** The node's store as it is now, to be put back later; its machine is killed for it, as the power is. */
async function snapshotOf(node: BlockdNode): Promise<() => Promise<void>> {
  const [state, copy] = [join(node.directory, 'state'), join(node.directory, 'copy')];
  await node.stop('SIGKILL');
  await cp(state, copy, { recursive: true });
  await stand.startNode(node);
  return async () => {
    await node.stop('SIGKILL');
    await rm(state, { recursive: true });
    await cp(copy, state, { recursive: true });
    await stand.startNode(node);
  };
}

let putBack: () => Promise<void>;

test('a store that is killed and started goes on as it was, whatever is written there, also after a closing', async () => {
  await make('web', LAYERS.web, a);
  await make('log', LAYERS.log, a);
  await make('db', LAYERS.db, b);
  await open('web', a);
  await open('log', a);
  await open('db', b);
  await a.io('write -P 0x11 0 1M', 'flush');
  await a.ioOn('log', 'write -P 0x21 0 1M', 'flush');
  assert.equal(await doubtful(), []);
  await close('log', a);
  putBack = await snapshotOf(a);
  assert.equal(await doubtful(), []);
  await a.io('read -P 0x11 0 1M', 'write -P 0x12 0 1M', 'flush');
  await b.ioOn('db', 'write -P 0x31 0 1M', 'flush');
  assert.equal(await doubtful(), []);
  await a.stop('SIGKILL');
  await stand.startNode(a);
  assert.equal(await doubtful(), []);
  assert.is((await open('web', a)).epoch, 1);
});

test('put back as it was once, it is noticed before anything is granted there, and what it wrote is in doubt', async () => {
  await putBack();
  const { code, message, remedy } = await refusal(open('web', a));
  assert.is(code, 'IMAGE_UNCERTAIN');
  assert.match(message, /image web may not be its newest state: the store of node a is an older copy/);
  assert.match(remedy, 'supercloud catalogue rebuild');
  assert.equal(await doubtful(), ['web'], 'log is as it was closed, db is elsewhere');
  assert.is(
    (await a.controller.call('image.show', { image: 'web' })).role,
    'replica',
    'its old state is shown to nobody',
  );
  await stand.watch.look();
  await stand.rebuild.reconcile();
  await stand.stopCatalogue();
  await stand.startCatalogue();
  assert.equal(await doubtful(), ['web'], 'every store is there, and none can end it');
  assert.is((await refusal(open('web', b))).code, 'IMAGE_UNCERTAIN');
});

test('a transfer to such a store is refused before it begins, and one from it', async () => {
  const begin = async (image: string, from: string, to: string) => {
    await stand.stores.check([from, to]);
    return stand.client.call('transfer.begin', { migration: '00000000000000aa', images: [image], from, to });
  };
  assert.is((await refusal(begin('db', 'b', 'a'))).code, 'STORE_UNCERTAIN');
  assert.is((await refusal(begin('web', 'a', 'b'))).code, 'IMAGE_UNCERTAIN');
});

test('what it has as it was closed is opened, and its store may be written again', async () => {
  await open('log', b);
  await b.ioOn('log', 'read -P 0x21 0 1M');
  await close('log', b);
  await open('log', a);
  await a.ioOn('log', 'write -P 0x22 0 1M', 'flush');
  assert.equal(await doubtful(), ['web']);
});

test('a person takes what is there, and it goes on under another epoch', async () => {
  const plan = await stand.rebuild.rebuild('plan');
  const found = plan.images.find(({ image }) => image === 'web');
  assert.is(found?.verdict, 'uncertain');
  assert.match(found?.wouldLose ?? '', 'whatever was flushed at a after the state that is there now');
  await stand.rebuild.rebuild('execute', ['web']);
  assert.equal(await doubtful(), []);
  const { epoch, writer } = await open('web', b);
  assert.equal([epoch, writer], [2, 'b']);
  await b.io('read -P 0x11 0 1M');
});

test('a store that is emptied is another one: what was written there is in doubt', async () => {
  await a.stop('SIGKILL');
  await rm(join(a.directory, 'state'), { recursive: true });
  await stand.startNode(a);
  assert.equal(await doubtful(), ['log']);
  const { message } = await refusal(open('log', a));
  assert.match(message, 'the store of node a is another one than it was');
});

test.run();
