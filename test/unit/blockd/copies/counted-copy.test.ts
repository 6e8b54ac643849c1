// A store that answers count on, and that hears of the image otherwise than by its copy's stream: what was flushed is there,
// as it was or newer, until what replaces it is (SOUNDNESS A13).
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { wasWhole } from '../../../../blockd/copies/whole-copy.ts';
import type { ImageHost } from '../../../../blockd/image/image-host.ts';
import { encodePeerFrame } from '../../../../blockd/peer/peer-frame.ts';
import { DEFAULT_SETTINGS } from '../../../../blockd/propagation/default-settings.ts';
import { BLOCK_BYTES } from '../../../../blockd/table/block-version.ts';
import type { CallContext } from '../../../../common/rpc/server.ts';
import type { Closing } from '../../../../wire/contracts/blockd.ts';
import { isSettled } from '../manual-clock.ts';
import {
  ALONE,
  BYTES,
  blockOf,
  CopyStores,
  contentAfter,
  flushed,
  LAYER,
  LOST,
  type Node,
  SYNC,
  written,
} from './copy-stores.ts';

const TOP = 'l0000000000000002';
const NEWEST = 'l0000000000000003';
const { signal } = new AbortController();
const CONTEXT: CallContext<never> = { peer: { node: 'k', role: 'controller' }, progress: () => undefined, signal };
const IMAGE = { image: 'web', bytes: BYTES, stack: ALONE, propagation: { ...DEFAULT_SETTINGS, policy: SYNC } };

/** The image, written at a and copied to b. */
async function copied(nodes: readonly Node[] = ['a', 'b']): Promise<CopyStores> {
  const stores = await CopyStores.make(nodes);
  await stores.openAtA(SYNC);
  await written(stores, 0, 7);
  await flushed(stores);
  return stores;
}

/** From now on nothing comes on the streams on which the node offers copies. */
function offersNothing(stores: CopyStores, node: Node): void {
  stores.tamper = (bytes, from) => (from === node ? Buffer.alloc(0) : bytes);
  stores.cutStreams();
}

async function standBy(stores: CopyStores, at: Node, node: Node, epoch: number): Promise<ImageHost> {
  const from = { node, address: '127.0.0.1' };
  await stores.calls(at)['standby.start']({ ...IMAGE, migration: idOf(epoch), epoch, from }, CONTEXT);
  return stores.shelf(at).get('web');
}

async function closed(stores: CopyStores, node: Node, epoch: number): Promise<Closing> {
  return stores.calls(node)['image.close']({ image: 'web', layer: LAYER, epoch }, CONTEXT);
}

async function opened(stores: CopyStores, at: Node, node: Node, last: Closing): Promise<void> {
  const opening = { ...IMAGE, epoch: last.epoch + 1, last, from: { node, address: '127.0.0.1' } };
  const open = Promise.resolve(stores.calls(at)['image.open'](opening, CONTEXT));
  await stores.clock.advance(1_000);
  await open;
}

function idOf(epoch: number): string {
  return epoch.toString(16).padStart(16, '0');
}

/** What is left of the first block if the node's power fails now. */
async function firstAt(stores: CopyStores, node: Node): Promise<number | undefined> {
  return (await contentAfter(stores.disk(node), LOST))[0];
}

test('a stand-by whose copy has no stream hears each name with its content, and the move goes on', async () => {
  const stores = await copied();
  offersNothing(stores, 'a');
  const host = await standBy(stores, 'b', 'a', 2);
  await host.ready(signal);
  await written(stores, 0, 9);
  for (let step = 0; step < 30; step++) {
    assert.not.equal(await firstAt(stores, 'b'), -1);
    await stores.clock.advance(100);
  }
  assert.is(await firstAt(stores, 'b'), 9);
  const closing = await stores.image('a').freeze(idOf(2));
  await stores.clock.advance(1_000);
  assert.is(await host.verify(closing, signal), '');
  await host.activate(idOf(2));
  assert.is(stores.shelf('b').layers.find(LAYER)?.store.table.hasMissing, false);
});

test('a copy that is opened where its writer closed has the contents by then', async () => {
  const stores = await copied();
  offersNothing(stores, 'a');
  await written(stores, 0, 9);
  const last = await closed(stores, 'a', 1);
  await opened(stores, 'b', 'a', last);
  assert.is(await firstAt(stores, 'b'), 9);
});

test('a copy that counts from beyond what its writer closed with is opened all the same', async () => {
  const stores = await copied();
  offersNothing(stores, 'a');
  await written(stores, 0, 9);
  const copy = stores.shelf('b').layers.find(LAYER)?.store;
  // As an offer makes it, whose writer had taken numbers that came to nothing.
  if (copy !== undefined) copy.table.lastSequence += 100;
  const opening = opened(stores, 'b', 'a', await closed(stores, 'a', 1));
  await stores.clock.advance(5_000);
  assert.ok(await isSettled(opening));
  assert.is(await firstAt(stores, 'b'), 9);
});

test('the last writer, whose copy was not made whole again, is counted on for what it closed with', async () => {
  const stores = await copied();
  const last = await closed(stores, 'a', 1);
  offersNothing(stores, 'b');
  await opened(stores, 'b', 'a', last);
  await stores.image('b').write(BLOCK_BYTES, blockOf(8), false);
  await stores.image('b').store.flush();
  await stores.clock.advance(1_000);
  let frames = 0;
  stores.tamper = (bytes, from) => (from === 'b' && frames++ > 0 ? Buffer.alloc(0) : bytes);
  stores.cutStreams();
  await stores.clock.advance(3_000);
  assert.ok(stores.shelf('a').kept.keeps(LAYER), 'it was offered the image, and told nothing of it');
  offersNothing(stores, 'b');
  await standBy(stores, 'a', 'b', 3);
  await stores.clock.advance(3_000);
  await stores.image('b').write(0, blockOf(9), false);
  for (let step = 0; step < 30; step++) {
    assert.not.equal(await firstAt(stores, 'a'), -1);
    await stores.clock.advance(100);
  }
});

test('a layer that was sealed elsewhere comes to its last writer with its contents, though no record here speaks of it', async () => {
  const stores = await copied();
  const mark = { incarnation: 1, serial: 1 };
  await stores.shelf('a').layers.records.keep({ mark, pins: [], copies: [{ layer: LAYER, copies: 2 }], records: [] });
  await stores.shelf('a').cuts.cut({ id: idOf(12), images: [{ image: 'web', layer: TOP }] });
  await written(stores, 0, 8);
  const flush = flushed(stores);
  await stores.clock.advance(3_000);
  await flush;
  const { generation, below } = stores.image('a').store.state;
  const stack = { layer: TOP, generation, below: [...below] };
  const last = await stores.calls('a')['image.close']({ image: 'web', layer: TOP, epoch: 1 }, CONTEXT);
  offersNothing(stores, 'b');
  await stores.open('b', stack, 2, last, SYNC);
  await stores.image('b').write(0, blockOf(9), false);
  await stores.shelf('b').cuts.cut({ id: idOf(13), images: [{ image: 'web', layer: NEWEST }] });
  const [sealed] = stores.image('b').store.state.below;
  assert.is(sealed?.layer, TOP);
  if (sealed === undefined) return;
  const brought = stores.shelf('a').layers.bring(sealed, 'b', signal);
  for (let step = 0; step < 30; step++) {
    assert.not.equal((await contentAfter(stores.disk('a'), LOST, TOP, LAYER))[0], -1);
    await stores.clock.advance(100);
  }
  await brought;
  assert.is((await contentAfter(stores.disk('a'), LOST, TOP, LAYER))[0], 9);
});

test('the last writer is counted on for what it closed with, though an offer came to nothing since', async () => {
  const stores = await copied();
  await closed(stores, 'a', 1);
  const store = stores.shelf('a').layers.find(LAYER)?.store;
  if (store === undefined) throw new Error('it was made here');
  store.table.lastSequence += 100;
  assert.ok(wasWhole(store));
});

test('a writer of before has no say in a copy that a newer one made', async () => {
  const stores = await copied();
  const { kept } = stores.shelf('b');
  const offered = async (epoch: number): Promise<boolean> => {
    let isClosed = false;
    const close = (): void => {
      isClosed = true;
    };
    const stream = { write: () => true, close };
    const stack = { layer: LAYER, generation: 1, below: [] };
    const offer = { image: 'web', bytes: BYTES, epoch, lastSequence: 0, stack };
    kept.accept(stream, 'a').received(encodePeerFrame({ type: 'copy', offer }));
    await stores.clock.advance(10);
    return !isClosed;
  };
  assert.equal([await offered(3), await offered(2), await offered(3), await offered(4)], [true, false, true, true]);
});

test('what its writer has not got itself a copy asks of whoever has it, and keeps what it has until then', async () => {
  const stores = await copied(['a', 'b', 'c']);
  await opened(stores, 'b', 'a', await closed(stores, 'a', 1));
  offersNothing(stores, 'b');
  await stores.image('b').write(0, blockOf(9), false);
  await opened(stores, 'c', 'b', await closed(stores, 'b', 2));
  stores.away.add('b');
  stores.cutStreams();
  await stores.image('c').write(BLOCK_BYTES, blockOf(8), false);
  const flush = Promise.resolve(stores.image('c').flush());
  await stores.clock.advance(20_000);
  assert.ok(stores.shelf('a').kept.keeps(LAYER));
  assert.is(await firstAt(stores, 'a'), 7);
  stores.away.delete('b');
  await stores.clock.advance(20_000);
  assert.is(await firstAt(stores, 'a'), 9);
  assert.ok(await isSettled(flush));
});

test.run();
