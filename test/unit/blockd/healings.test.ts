// Rotten blocks are looked for some at once, in turns, and as long as somebody who may have them is away.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { patienceWithAll } from '../../../blockd/layers/block-fetcher.ts';
import { HEALED_AT_ONCE, Healings, REST_MS } from '../../../blockd/upkeep/healings.ts';
import type { ScrubbedLayer } from '../../../blockd/upkeep/layer-scrub.ts';
import { OperationError } from '../../../common/errors.ts';
import { createLog } from '../../../common/log.ts';
import { isSettled, ManualClock, settle } from './manual-clock.ts';
import { smallImage } from './small-image.ts';

const MEMBERS = ['a', 'b', 'c'];
const LOOK_MS = patienceWithAll(MEMBERS);

interface Asked {
  readonly block: number;
  give(): void;
  deny(): void;
}

interface Stand {
  readonly clock: ManualClock;
  readonly healings: Healings;
  readonly layer: ScrubbedLayer;
  /** What is looked for at this moment. */
  readonly asked: Asked[];
  isHere: boolean;
}

/** A layer of which the fetches are the test's; a fetch that is given up leaves `asked`. */
async function stand(): Promise<Stand> {
  const clock = new ManualClock();
  const { store } = await smallImage();
  const asked: Asked[] = [];
  const fetch: ScrubbedLayer['fetch'] = (block, _end, _cause, giveUp) =>
    new Promise((resolve, reject) => {
      const leave = (then: () => void): void => {
        asked.splice(asked.indexOf(one), 1);
        then();
      };
      const fail = (code: string): void => leave(() => reject(new OperationError(code, 'not had')));
      const one: Asked = { block, give: () => leave(resolve), deny: () => fail('BLOCKS_LOST') };
      asked.push(one);
      giveUp?.addEventListener('abort', () => fail('FETCH_GIVEN_UP'));
    });
  const made: Stand = {
    ...{ clock, asked, layer: { store, fetch }, isHere: true },
    healings: new Healings({
      isHere: () => made.isHere,
      members: () => MEMBERS,
      clock,
      log: createLog('test', 'silent'),
    }),
  };
  return made;
}

test('so many at once, the next as soon as one has ended', async () => {
  const { healings, layer, asked } = await stand();
  const all = Array.from({ length: HEALED_AT_ONCE + 2 }, (_, block) => healings.add(layer, block));
  await settle();
  assert.is(asked.length, HEALED_AT_ONCE);
  asked[0]?.give();
  await settle();
  assert.is(await all[0], 'healed');
  assert.is(asked.at(-1)?.block, HEALED_AT_ONCE);
  asked[0]?.deny();
  await settle();
  assert.is(await all[1], 'lost');
  assert.is(asked.at(-1)?.block, HEALED_AT_ONCE + 1);
});

test('a layer rests once the holder of one of its blocks is away, others have their turn, and it is looked for again', async () => {
  const { clock, healings, layer, asked } = await stand();
  const blocks = (): number[] => asked.map(({ block }) => block);
  const first = healings.add(layer, 3);
  await settle();
  await clock.advance(LOOK_MS);
  const second = healings.add(layer, 4);
  const other = healings.add({ ...layer, store: (await smallImage()).store }, 5);
  await settle();
  assert.equal(blocks(), [5], 'the layer is needed by nobody now');
  asked[0]?.give();
  assert.is(await other, 'healed');
  assert.not(await isSettled(first));
  await clock.advance(REST_MS);
  assert.equal(blocks(), [3, 4]);
  for (const one of [...asked]) one.give();
  assert.equal(await Promise.all([first, second]), ['healed', 'healed']);
});

test('a layer rests also while more of its blocks wait than are looked for at once, some of them begun later', async () => {
  const { clock, healings, layer, asked } = await stand();
  for (let block = 0; block < HEALED_AT_ONCE; block++) void healings.add(layer, block);
  await settle();
  await clock.advance(LOOK_MS / 2);
  asked[0]?.give();
  void healings.add(layer, HEALED_AT_ONCE);
  void healings.add(layer, HEALED_AT_ONCE + 1);
  await clock.advance(LOOK_MS / 2);
  assert.is(asked.length, 1, 'the one that was begun later');
  await clock.advance(LOOK_MS / 2);
  for (let waited = 0; waited < REST_MS - 1_000; waited += 1_000) {
    assert.equal(asked, []);
    await clock.advance(1_000);
  }
  await clock.advance(1_000);
  assert.is(asked.length, HEALED_AT_ONCE);
  healings.stop();
});

test('one that is found again is looked for once, and who found it hears how that ends', async () => {
  const { healings, layer, asked } = await stand();
  const both = [healings.add(layer, 3), healings.add(layer, 3)];
  await settle();
  assert.is(asked.length, 1);
  asked[0]?.give();
  assert.equal(await Promise.all(both), ['healed', 'healed']);
  void healings.add(layer, 3);
  await settle();
  assert.is(asked.length, 1, 'it rotted once more');
  healings.stop();
});

test('one of a layer that has left the store, and all once it stops, are looked for no more', async () => {
  const made = await stand();
  const { clock, healings, layer, asked } = made;
  const gone = healings.add(layer, 3);
  await settle();
  made.isHere = false;
  await clock.advance(LOOK_MS);
  assert.is(await gone, 'failed');
  made.isHere = true;
  void healings.add(layer, 5);
  await clock.advance(LOOK_MS);
  healings.stop();
  await clock.advance(10 * REST_MS);
  void healings.add(layer, 6);
  await settle();
  assert.equal(asked, []);
});

test.run();
