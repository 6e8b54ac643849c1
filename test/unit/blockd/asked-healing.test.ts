// What has rotted here is looked for when another store asks for it, for as long as it takes to ask every member: then the
// layer's files are free again for a while. Who waits for such a block goes on waiting.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { PATIENCE_MS } from '../../../blockd/layers/block-fetcher.ts';
import { LayerBlocks } from '../../../blockd/layers/layer-blocks.ts';
import { AskedHealing, RESTING_MS } from '../../../blockd/upkeep/asked-healing.ts';
import { isSettled, settle } from './manual-clock.ts';
import { type SmallImage, smallImage } from './small-image.ts';

/** Three members are asked. */
const LOOK_MS = 4 * PATIENCE_MS.background;
const ROTTEN = [3, 9];

interface Stand {
  small: SmallImage;
  layer: LayerBlocks;
  healing: AskedHealing;
}

const test = suite<Stand>('what is looked for when others ask');

test.before.each(async (stand) => {
  const members = (): string[] => ['a', 'b', 'c'];
  stand.small = await smallImage(ROTTEN);
  stand.layer = new LayerBlocks({ ...stand.small, node: 'a', members });
  stand.healing = new AskedHealing({ clock: stand.small.clock, members });
});

async function look({ healing, layer }: Stand, block = 3): Promise<void> {
  healing.look(layer, block, block + 1);
  await settle();
}

const nodesAsked = ({ small }: Stand): string[] => small.source.asked.map(({ node }) => node);

test('every member is asked, though all are silent; then nothing is waited for any more', async (stand) => {
  const { small, layer } = stand;
  await look(stand);
  await small.clock.advance(LOOK_MS - 1);
  assert.equal(nodesAsked(stand), ['b', 'c']);
  assert.is(layer.isBusy, true);
  await small.clock.advance(1);
  assert.equal([layer.isBusy, layer.queuedBlocks], [false, 0]);
  await small.clock.advance(PATIENCE_MS.background);
  assert.equal([nodesAsked(stand), small.source.ended.length], [[], 2], 'nobody is to answer any more');
});

test('after that nothing of the layer is looked for until it has rested, and again then', async (stand) => {
  const { small, layer } = stand;
  await look(stand);
  await small.clock.advance(LOOK_MS);
  for (const block of ROTTEN) await look(stand, block);
  await small.clock.advance(RESTING_MS - 1);
  await look(stand);
  assert.equal([nodesAsked(stand), layer.isBusy], [[], false]);
  await small.clock.advance(1);
  await look(stand);
  small.source.give(9);
  await settle();
  assert.is(layer.fetchedBlocks.background, 1);
  await look(stand, 9);
  assert.equal(nodesAsked(stand), ['b'], 'what was found is no reason to rest');
});

test('however often it is asked for, it is looked for once', async (stand) => {
  for (let time = 0; time < 3; time++) await look(stand);
  assert.equal(nodesAsked(stand), ['b']);
});

for (const cause of ['background', 'demand'] as const) {
  test(`who waits for it on ${cause} asks on when the look is given up`, async (stand) => {
    const { small, layer } = stand;
    await look(stand);
    const waiting = layer.fetch(3, 4, cause);
    await small.clock.advance(LOOK_MS);
    assert.not(await isSettled(waiting));
    assert.ok(nodesAsked(stand).length > 0);
    while (small.source.asked.length > 0) small.source.give(9);
    await waiting;
    assert.is(layer.isBusy, false);
  });
}

test.run();
