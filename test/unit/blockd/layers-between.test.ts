// Layers that are brought between stores: from whoever has them, once for all, and never with what no image ever had.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { addImage, closeEpoch, openEpoch } from '../../../blockd/catalogue/catalogue.ts';
import { resizeImage } from '../../../blockd/catalogue/catalogue-layers.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { codeOf } from '../../../common/errors.ts';
import type { Closing } from '../../../wire/contracts/blockd.ts';
import type { SealedLayer, Stack } from '../../../wire/contracts/layers.ts';
import { layerName } from './layered-image.ts';
import { isSettled, settle } from './manual-clock.ts';
import { ALONE, BYTES, cutAt, openAtA } from './stores-between.ts';

const BLOCKS = BYTES / BLOCK_BYTES;
const { signal } = new AbortController();

function clone(number: number, below: SealedLayer[]): { image: string; stack: Stack; epoch: number; last: Closing } {
  const image = `clone${number}`;
  const lastSequence = below[0]?.lastSequence ?? 0;
  const last = { image, epoch: 0, lastSequence, entries: 0, digest: '0'.repeat(32), generation: 1 };
  return { image, stack: { layer: layerName(100 + number), generation: 1, below }, epoch: 1, last };
}

test('a tail of a fenced writer is in no layer, also when it was cut elsewhere meanwhile (A7)', async () => {
  const stores = await openAtA();
  await stores.write('a', 0, 1);
  const published = stores.at('a').get('web').image.closing();
  await stores.open('b', { stack: ALONE, epoch: 2, last: published, from: 'a' });
  assert.is(await stores.read('b', 0), 1);
  await stores.write('a', 0, 99);
  await stores.write('a', 5, 99);
  await stores.write('b', 1, 2);
  const stack = await cutAt(stores, 'b');
  await stores.write('b', 2, 3);
  const last = await stores.at('b').endEpoch('web', stack.layer, 2);
  await stores.open('a', { stack, epoch: 4, last, from: 'b' });
  const read = [0, 1, 2, 5].map((block) => stores.read('a', block));
  await settle();
  assert.equal(await Promise.all(read), [1, 2, 3, 0]);
  assert.is(stores.at('a').layers.find(ALONE.layer)?.store.state.role, 'sealed');
});

test('a layer comes from another member when the one that is named has not got it', async () => {
  const stores = await openAtA();
  await stores.write('a', 0, 1);
  const { below } = await cutAt(stores, 'a');
  stores.away.add('b');
  await stores.open('c', { ...clone(1, below), from: 'b' });
  assert.is(await stores.read('c', 0, 'clone1'), 1);
});

test('a layer that several images stand on is brought once, and its blocks are fetched once', async () => {
  const stores = await openAtA();
  await stores.write('a', 0, 1);
  const { below } = await cutAt(stores, 'a');
  const opened = [1, 2, 3].map((number) => stores.open('b', { ...clone(number, below), from: 'a' }));
  await Promise.all(opened);
  const streams = (): number => stores.dialled.filter((one) => one === `a ${ALONE.layer}`).length;
  assert.is(streams(), 1);
  const read = await Promise.all([1, 2, 3].map((number) => stores.read('b', 0, `clone${number}`)));
  assert.equal(read, [1, 1, 1]);
  assert.is(stores.at('b').layers.find(ALONE.layer)?.fetchedBlocks.demand, 1);
  assert.is(streams(), 2, 'one more for the block');
});

test('an image that was made larger twice while it was closed opens, elsewhere and where it was', async () => {
  const stores = await openAtA();
  await stores.write('a', 0, 1);
  const closing = await stores.at('a').endEpoch('web', ALONE.layer, 1);
  let entry = addImage(undefined, { image: 'web', layer: ALONE.layer, bytes: BYTES, holder: 'a', closing });
  // The first of the two tops was never at any store.
  for (const number of [2, 3]) entry = resizeImage(entry, layerName(number), number * BYTES);
  for (const [node, from] of [['b', 'a'] as const, ['a', 'b'] as const]) {
    entry = openEpoch(entry, node);
    const { bytes, stack, epoch, last } = entry.head;
    const host = await stores.at(node).ensure({ image: 'web', bytes, stack, epoch });
    const opening = host.open({ epoch, last, from: { node: from, address: '127.0.0.1' } }, signal);
    await stores.clock.advance(10_000);
    assert.ok(await isSettled(opening), `it opens at ${node}`);
    const read = [0, 1, 2 * BLOCKS, 3 * BLOCKS - 1].map((block) => stores.read(node, block));
    assert.equal(await Promise.all(read), [1, 0, 0, 0]);
    entry = closeEpoch(entry, node, await stores.at(node).endEpoch('web', stack.layer, epoch));
  }
});

test('a layer whose table is not the proven one is waited for, not taken', async () => {
  const stores = await openAtA();
  await stores.write('a', 0, 1);
  const { below } = await cutAt(stores, 'a');
  const forged = below.map((layer) => ({ ...layer, digest: 'ab'.repeat(16) }));
  const end = new AbortController();
  const order = clone(1, forged);
  const host = await stores.at('b').ensure({ ...order, image: 'clone1', bytes: BYTES });
  const opening = host.open({ ...order, from: { node: 'a', address: '127.0.0.1' } }, end.signal);
  const outcome = opening.catch((error: unknown) => codeOf(error));
  await stores.clock.advance(20_000);
  end.abort();
  assert.is(await outcome, 'CANCELLED');
  assert.is(stores.at('b').layers.find(ALONE.layer)?.store.state.role, 'loose');
});

test('who waits for what a layer is now does not wait for what it was before a merge', async () => {
  const stores = await openAtA();
  await stores.write('a', 0, 1);
  const [newest] = (await cutAt(stores, 'a')).below;
  if (newest === undefined) throw new Error('nothing was cut');
  const { layers } = stores.at('b');
  const before = { ...newest, lastSequence: newest.lastSequence - 1, digest: 'ab'.repeat(16) };
  const codes: unknown[] = [];
  const late = (sealed: SealedLayer): Promise<unknown> =>
    layers.bring(sealed, 'a', signal).catch((error: unknown) => codes.push(codeOf(error)));
  const older = late(before);
  await settle();
  const coming = layers.bring(newest, 'a', signal);
  const oldest = late(before);
  await stores.clock.advance(2_000);
  assert.ok(await isSettled(coming));
  assert.is((await coming).store.state.role, 'sealed');
  await Promise.all([older, oldest]);
  assert.equal(codes.sort(), ['CANCELLED', 'LAYER_MERGED']);
});

test('an image that is not open and loses a layer from under it takes the next one that comes, not its memory of it', async () => {
  const stores = await openAtA();
  await stores.write('a', 0, 1);
  const stack = await cutAt(stores, 'a');
  const known = { image: 'web', bytes: BYTES, stack, epoch: 1 };
  const follow = async (): Promise<void> => {
    (await stores.at('b').ensure(known)).followAhead('a', 1);
    await stores.clock.advance(10_000);
  };
  await follow();
  assert.ok(stores.at('b').get('web').image.isWhole);
  await stores.at('b').drop(ALONE.layer);
  assert.not(stores.at('b').get('web').image.isWhole);
  await follow();
  const last = await stores.at('a').endEpoch('web', stack.layer, 1);
  await stores.open('b', { stack, epoch: 2, last, from: 'a' });
  assert.is(await stores.read('b', 0), 1);
  assert.is(stores.at('b').layers.find(ALONE.layer)?.fetchedBlocks.demand, 1, 'into the layer that this store has');
});

test('seeding brings every block at its rate, and ends with its caller', async () => {
  const stores = await openAtA();
  for (let block = 0; block < 16; block += 2) await stores.write('a', block, 1);
  const { below } = await cutAt(stores, 'a');
  const told: number[] = [];
  const job = { layers: below, source: 'a', rateBytesPerSecond: BLOCK_BYTES };
  const progress = (doneBytes: number): void => void told.push(doneBytes / BLOCK_BYTES);
  const end = new AbortController();
  const given = stores.at('c').layers.seed({ ...job, signal: end.signal, progress });
  const outcome = given.catch((error: unknown) => codeOf(error));
  await stores.clock.advance(2_500);
  end.abort();
  assert.is(await outcome, 'CANCELLED');
  const came = told.at(-1) ?? 0;
  assert.ok(came > 0 && came < 8, `${came} blocks came`);
  const seeding = stores.at('c').layers.seed({ ...job, signal, progress });
  assert.is(
    await stores
      .at('c')
      .drop(ALONE.layer)
      .catch((error: unknown) => codeOf(error)),
    'LAYER_IN_USE',
  );
  await stores.clock.advance(20_000);
  await seeding;
  assert.is(told.at(-1), 8);
});

test.run();
