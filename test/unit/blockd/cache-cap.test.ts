// The cap on what is only cached: the coldest goes first, each block only while another store keeps it, and none is lost.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { answerKeep } from '../../../blockd/peer/keep-answer.ts';
import { keepQuestion } from '../../../blockd/peer/keep-question.ts';
import { encodePeerFrame } from '../../../blockd/peer/peer-frame.ts';
import { openLayer } from '../../../blockd/store/image-files.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { DATA } from '../../../blockd/table/version-run.ts';
import { CachedStores, DATA_PATH, filled, held, LAYER, onDisk, put } from './cached-stores.ts';
import { isSettled, settle } from './manual-clock.ts';

const LOOK_MS = 10_000;
/** More than a look itself takes: the next one begins after it. */
const PAUSES_MS = 100;
/** One in each region. */
const SPREAD = [5, 1029, 2053];

async function two(atA: readonly number[], atB: readonly number[], blocks?: number): Promise<CachedStores> {
  const stores = new CachedStores(blocks);
  await stores.add('a', atA);
  await stores.add('b', atB);
  return stores;
}

test('what was not used for longest goes first, until the cap holds; it is read from whoever keeps it', async () => {
  const stores = await two(SPREAD, SPREAD);
  const a = stores.node('a');
  const cap = stores.cap('a', 2);
  cap.start();
  stores.isCached = false;
  await stores.clock.advance(LOOK_MS);
  // The first and the last are read; the region between them stays cold.
  a.store.file.use.turn = 1;
  a.store.file.isSound(5);
  a.store.file.isSound(2053);
  stores.isCached = true;
  await stores.clock.advance(LOOK_MS);
  cap.stop();
  assert.equal(held(a), [5, 2053]);
  assert.is(a.store.holderName(a.store.table.holderOf(1029)), 'b');
  assert.equal(await onDisk(a, 1029), Buffer.alloc(BLOCK_BYTES), 'its room was given back');
  assert.equal(held(stores.node('b')), SPREAD);
  assert.is(a.store.copies.evictedBlocks, 1);
  await a.layer.fetch(1029, 1030, 'demand');
  assert.equal(await onDisk(a, 1029), filled(1029 % 256));
});

test('under the cap nobody is asked', async () => {
  const stores = await two(SPREAD, SPREAD);
  const cap = stores.cap('a', 3);
  cap.start();
  await stores.clock.advance(3 * LOOK_MS);
  cap.stop();
  assert.equal(stores.asked, []);
  assert.equal(held(stores.node('a')), SPREAD);
});

test('a look that is asked for does not wait for the next one', async () => {
  const stores = await two(SPREAD, SPREAD);
  const cap = stores.cap('a', 0);
  cap.lookNow();
  await stores.clock.advance(100);
  assert.equal(held(stores.node('a')), SPREAD, 'it was not started');
  cap.start();
  cap.lookNow();
  await stores.clock.advance(LOOK_MS - 1);
  assert.equal(held(stores.node('a')), []);
  cap.stop();
});

test('without a cap cached blocks go when the disk is nearly full, and only then', async () => {
  const stores = await two(SPREAD, SPREAD);
  const cap = stores.cap('a', undefined);
  cap.start();
  stores.room = { freeBytes: 100, totalBytes: 1000 };
  await stores.clock.advance(LOOK_MS);
  assert.equal(held(stores.node('a')), SPREAD);
  stores.room = { freeBytes: 99, totalBytes: 1000 };
  await stores.clock.advance(LOOK_MS);
  cap.stop();
  assert.equal(held(stores.node('a')), SPREAD.slice(1));
});

/** A way in which the other store's copy is none to rely on. */
const NO_COPY: Readonly<Record<string, (stores: CachedStores) => Promise<void> | void>> = {
  'has another version': (stores) => put(stores.node('b').store, 5, 2),
  'cannot be reached': (stores) => void stores.unreachable.add('b'),
  'writes under an epoch that is over': async (stores) => {
    stores.epoch = 2;
    await stores.node('b').store.commit({ state: { role: 'writer', epoch: 1 } });
  },
  'has not made it durable': (stores) => {
    stores.node('b').store.table.spoilt(5);
    stores.node('b').store.table.arrived(5);
  },
  'has a copy that rotted': async (stores) => {
    const file = await stores.node('b').disk.open(DATA_PATH, 'write');
    await file.write(Buffer.from([77]), 5 * BLOCK_BYTES);
  },
  'cannot read it': (stores) => {
    stores.node('b').store.file.findSpoilt = () => Promise.reject(new Error('EIO'));
  },
  'has failed': async (stores) => {
    const { store, disk } = stores.node('b');
    disk.failsSync = () => true;
    put(store, 7);
    await store.flush()?.catch(() => undefined);
  },
  'lets it go itself': (stores) => {
    // As a store whose name comes before the one that asks.
    void stores.node('b').store.copies.leaving({ first: 0, end: 1024 }, 'A', () => new Promise(() => undefined));
  },
};

for (const [how, spoil] of Object.entries(NO_COPY)) {
  test(`a block stays while the other store ${how}`, async () => {
    const stores = await two([5], [5]);
    await spoil(stores);
    const cap = stores.cap('a', 0);
    cap.start();
    await stores.clock.advance(2 * LOOK_MS);
    cap.stop();
    assert.ok(stores.asked.length > 0);
    assert.equal(held(stores.node('a')), [5]);
  });
}

test('a block goes when the writer of the newest epoch has it', async () => {
  const stores = await two([5], [5]);
  stores.epoch = 2;
  await stores.node('b').store.commit({ state: { role: 'writer', epoch: 2 } });
  const cap = stores.cap('a', 0);
  cap.start();
  await stores.clock.advance(2 * LOOK_MS);
  cap.stop();
  assert.equal(held(stores.node('a')), []);
});

test('what was refused is offered again soon, then ever more rarely, and at once when a store has it after all', async () => {
  const stores = await two([5], []);
  const cap = stores.cap('a', 0);
  cap.start();
  const lookedAt: number[] = [];
  for (let look = 1; look <= 20; look++) {
    const before = stores.asked.length;
    await stores.clock.advance(LOOK_MS + PAUSES_MS);
    if (stores.asked.length > before) lookedAt.push(look);
  }
  assert.equal(lookedAt, [1, 2, 4, 8, 16]);
  cap.stop();
  put(stores.node('b').store, 5);
  await stores.node('b').store.flush();
  const again = stores.cap('a', 0);
  again.start();
  await stores.clock.advance(LOOK_MS);
  again.stop();
  assert.equal(held(stores.node('a')), []);
});

test('where a policy wants two copies a block goes only when two others keep it, in one version', async () => {
  const stores = await two([5, 6, 7], [5, 6, 7]);
  await stores.add('c', [5]);
  put(stores.node('c').store, 7, 2);
  await stores.node('c').store.flush();
  await stores.counted('b', 'c');
  stores.keepers = 2;
  const cap = stores.cap('a', 0);
  cap.start();
  await stores.clock.advance(LOOK_MS + 1_000);
  cap.stop();
  assert.equal(held(stores.node('a')), [6, 7]);
});

test('for what was flushed on copies only those count that keep it until something newer is there', async () => {
  const stores = await two([5], [5]);
  await stores.add('c', [5]);
  await stores.counted('b');
  stores.keepers = 2;
  const cap = stores.cap('a', 0);
  cap.start();
  await stores.clock.advance(LOOK_MS + 1_000);
  assert.equal(held(stores.node('a')), [5], 'c may hear of a newer block and have nothing then');
  await stores.node('c').store.commit({ state: { role: 'writer' } });
  await stores.clock.advance(11 * 60_000);
  cap.stop();
  assert.equal(held(stores.node('a')), [], 'who writes has the newer block too');
});

test('a block that only one of two has stays; of its region only that is offered again', async () => {
  const stores = await two([5, 6, 7], [5, 7]);
  const cap = stores.cap('a', 0);
  cap.start();
  await stores.clock.advance(5 * LOOK_MS);
  assert.equal(held(stores.node('a')), [6]);
  const [first, ...again] = stores.asked.map(({ blocks }) => blocks);
  assert.is(first, 3);
  assert.ok(again.length > 0 && again.every((blocks) => blocks === 1));
  put(stores.node('b').store, 6);
  await stores.node('b').store.flush();
  await stores.clock.advance(11 * 60_000);
  cap.stop();
  assert.equal(held(stores.node('a')), []);
});

test('the next member is asked for what the first does not keep; one that is silent once is left out for the round', async () => {
  const stores = await two([...SPREAD, 6], [5]);
  await stores.add('c', [6, 1029, 2053]);
  stores.unreachable.add('b');
  const cap = stores.cap('a', 0);
  cap.start();
  await stores.clock.advance(LOOK_MS + 1_000);
  cap.stop();
  assert.equal(held(stores.node('a')), [5]);
  assert.equal(
    stores.asked.map(({ node }) => node),
    ['b', 'c', 'c', 'c'],
  );
});

test('an image that is opened while the other is asked keeps everything', async () => {
  const stores = await two([5], [5]);
  const answer = Promise.withResolvers<void>();
  stores.delay = () => answer.promise;
  const cap = stores.cap('a', 0);
  cap.start();
  await stores.clock.advance(LOOK_MS);
  assert.is(stores.asked.length, 1);
  stores.isCached = false;
  answer.resolve();
  await stores.clock.advance(100);
  cap.stop();
  assert.equal(held(stores.node('a')), [5]);
});

test('what was written meanwhile stays, durable or not', async () => {
  const stores = await two([5, 6, 7], [5, 6, 7]);
  const answer = Promise.withResolvers<void>();
  stores.delay = () => answer.promise;
  const cap = stores.cap('a', 0);
  cap.start();
  await stores.clock.advance(LOOK_MS);
  put(stores.node('a').store, 5, 9);
  await stores.node('a').store.flush();
  put(stores.node('a').store, 7, 10);
  answer.resolve();
  await stores.clock.advance(100);
  cap.stop();
  assert.equal(held(stores.node('a')), [5, 7]);
});

test('a journal without room changes nothing: all is here and reads as before', async () => {
  const stores = await two(SPREAD, SPREAD);
  const a = stores.node('a');
  const cap = stores.cap('a', 0);
  a.disk.isFull = true;
  cap.start();
  await stores.clock.advance(LOOK_MS);
  a.disk.isFull = false;
  assert.equal(held(a), SPREAD);
  assert.ok(a.store.file.isSound(5));
  assert.is(a.store.copies.evictedBlocks, 0);
  await stores.clock.advance(2 * LOOK_MS);
  cap.stop();
  assert.equal(held(a), [], 'and goes once there is room');
});

test('after a restart what was let go of is elsewhere, and the rest is here', async () => {
  const stores = await two([5, 6], [5]);
  const cap = stores.cap('a', 0);
  cap.start();
  await stores.clock.advance(LOOK_MS);
  cap.stop();
  const disk = stores.node('a').disk.afterCut({ kind: 'lose-all' });
  const store = await openLayer(disk, '/layers', LAYER);
  assert.is(store?.table.contentOf(5), DATA);
  assert.is(store?.holderName(store.table.holderOf(5)), 'b');
  assert.ok(store?.file.isSound(6));
});

test('a question has its time, and an answer that comes late is heard by nobody', async () => {
  const stores = await two([], [5]);
  const answer = Promise.withResolvers<void>();
  stores.delay = () => answer.promise;
  const runs = [{ first: 5, count: 1, high: 256, low: 1 }];
  const asking = stores.askOf('a')('b', { layer: LAYER, runs, flushed: false, epoch: 1 });
  await stores.clock.advance(14_000);
  assert.not(await isSettled(asking));
  await stores.clock.advance(2_000);
  answer.resolve();
  assert.is(await asking, undefined);
});

test('a stream that ends or says something else is no answer', async () => {
  const { clock } = new CachedStores();
  const run = { first: 0, count: 1, high: 256, low: 1 };
  for (const said of [
    Buffer.alloc(64, 255),
    encodePeerFrame({ type: 'refused', reason: 'no' }),
    encodePeerFrame({ type: 'kept', id: 2, runs: [run] }),
    undefined,
  ]) {
    const ask = keepQuestion({
      clock,
      dial: async (_node, _layer, events) => ({
        write: () => {
          if (said === undefined) events.closed();
          else events.received(said);
          return true;
        },
        close: () => undefined,
      }),
    });
    assert.is(await ask('b', { layer: LAYER, runs: [run], flushed: false, epoch: 1 }), undefined);
  }
});

test('what lies beyond the layer, or wider than one read, is not promised', async () => {
  const stores = await two([0, 5], []);
  const { store } = stores.node('a');
  const answers: number[] = [];
  const one = { count: 1, high: 256, low: 1 };
  for (const runs of [
    [{ ...one, first: 3 * 1024 }],
    [
      { ...one, first: 0 },
      { ...one, first: 1024 },
    ],
    [{ ...one, first: 5 }],
  ])
    await answerKeep(store, runs, 'b', (kept) => void answers.push(kept.length));
  await settle();
  assert.equal(answers, [0, 0, 1]);
});

test.run();
