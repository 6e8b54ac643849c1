// A store that brings a layer of which it has contents that nobody else has: whoever has an older table of it is not heard.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { codeOf } from '../../../common/errors.ts';
import { passing } from './merge-stands.ts';
import { MergingWorld } from './merging-world.ts';

/** So many turns after its begin a layer's table is told. */
const TOLD_TURNS = 40;

/** Block 0 was written at c, which alone has it; the image moved on to b, which has its name. a has the table of before. */
async function onlyAtC(): Promise<MergingWorld> {
  const world = await MergingWorld.make();
  await world.move('c');
  await world.write(0, 77);
  await world.move('b');
  await world.write(1, 11);
  await world.cut(false);
  return world;
}

async function readAtB(world: MergingWorld): Promise<unknown> {
  const { image } = world.stores.at('b').get('web');
  const read = image.readLater(0, BLOCK_BYTES).then(
    (data) => data[0],
    (error: unknown) => codeOf(error),
  );
  await passing(world, read);
  return read;
}

test('while others merge it, who has the only content keeps it', async () => {
  const world = await onlyAtC();
  await world.write(2, 22);
  await world.cut(false);
  assert.ok(await world.merge());
  // It has nothing of the upper layer, and brings the lower one as it is to be: b has not made that yet.
  await world.sweep('c');
  await world.sweep('b');
  await world.sweep('c');
  assert.is(await readAtB(world), 77);
});

test('when the stream of its table breaks, who has the only content keeps it', async () => {
  const lost: number[] = [];
  for (let turns = 0; turns < TOLD_TURNS; turns++) {
    const world = await onlyAtC();
    const [layer] = world.stack.below;
    if (layer === undefined) throw new Error('nothing was cut');
    const end = new AbortController();
    const coming = world.stores.at('c').layers.bring(layer, 'b', end.signal);
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    world.stores.away.add('b');
    world.stores.breakStreams();
    await world.stores.clock.advance(3_000);
    world.stores.away.delete('b');
    await world.stores.clock.advance(5_000);
    end.abort();
    await Promise.allSettled([coming]);
    if ((await readAtB(world)) !== 77) lost.push(turns);
  }
  assert.equal(lost, []);
});

test.run();
