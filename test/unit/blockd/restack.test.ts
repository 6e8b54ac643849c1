// An image's layers become fewer while the last of them is on its way: at no moment does it read as if there were none.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Image } from '../../../blockd/image/image.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { StackCompletion } from '../../../blockd/transfer/stack-completion.ts';
import { quiet } from '../common/members.ts';
import { settle } from './manual-clock.ts';
import { MergingWorld } from './merging-world.ts';

/** So many turns after the last layer has come it is in the stack, and what is committed meanwhile is durable. */
const TURNS = 40;

test('a writer whose last layer comes while its stack is committed anew is whole, whatever is first', async () => {
  for (let turns = 0; turns < TURNS; turns++) {
    const world = await MergingWorld.make();
    for (const fill of [11, 22, 33]) {
      await world.write(fill % 10, fill);
      await world.cut(false);
    }
    const shelf = world.stores.at('a');
    const top = shelf.layers.find(world.stack.layer);
    if (top === undefined) throw new Error('there is no top');
    // As after a start for which one of its layers had no room on the disk.
    const image = new Image({ top, clock: world.stores.clock });
    const [uppermost, middle] = image.store.state.below;
    const last = Promise.withResolvers<void>();
    const bring: typeof shelf.layers.bring = async (sealed, source, signal) => {
      if (sealed.layer === uppermost?.layer) await last.promise;
      return shelf.layers.bring(sealed, source, signal);
    };
    const completion = new StackCompletion({ image, layers: { bring }, clock: world.stores.clock, log: quiet });
    completion.begin('');
    await settle();
    last.resolve();
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    await image.restack(image.store.state.below.filter((one) => one !== middle));
    completion.renew();
    await completion.ready(new AbortController().signal);
    const read = Buffer.alloc(BLOCK_BYTES);
    assert.ok(image.tryRead(BLOCK_BYTES, read, true), `after ${turns} turns`);
    assert.is(read[0], 11, `after ${turns} turns`);
  }
});

test.run();
