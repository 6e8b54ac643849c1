// What a store fetches of an image that is closed is durable soon, though nobody flushes it: other stores let go of theirs
// because it is here.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ALONE, BLOCKS, BYTES, CopyStores, contentAfter, flushed, LAYER, LOST, written } from './copies/copy-stores.ts';

const { signal } = new AbortController();

test('what a reader of a closed image has fetched stays when the power fails', async () => {
  const stores = await CopyStores.make(['a', 'b']);
  await stores.openAtA({ mode: 'on-demand' });
  await written(stores, 0, 7);
  await flushed(stores);
  const last = await stores.shelf('a').endEpoch('web', LAYER, 1);
  const host = await stores.shelf('b').ensure({ image: 'web', bytes: BYTES, stack: ALONE, epoch: 2 });
  const resting = host.rest({ epoch: 2, last, from: { node: 'a', address: '127.0.0.1' } }, signal);
  await stores.clock.advance(1_000);
  await resting;
  const fetched = stores.shelf('b').layers.find(LAYER)?.fetch(0, BLOCKS, 'demand');
  await stores.clock.advance(2_000);
  await fetched;
  assert.is((await contentAfter(stores.disk('b'), LOST))[0], 7);
});

test.run();
