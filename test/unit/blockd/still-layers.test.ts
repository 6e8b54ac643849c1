// A snapshot that is read while it is deleted, and its layer takes in a later one at this node as others have made it: nothing of
// the later one is given as the snapshot's.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { StillImage } from '../../../blockd/image/still-image.ts';
import { StillReads } from '../../../blockd/image/still-reads.ts';
import type { LayerBlocks } from '../../../blockd/layers/layer-blocks.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { codeOf } from '../../../common/errors.ts';
import type { SealedLayer } from '../../../wire/contracts/layers.ts';
import { brought, passing } from './merge-stands.ts';
import { BLOCKS, MergingWorld } from './merging-world.ts';
import { BYTES } from './stores-between.ts';

/** So many turns after its begin a layer's table is told. */
const TOLD_TURNS = 400;

/** A snapshot that is whole at c, and a later layer, which c has not. */
async function snapshotAtC(): Promise<{ world: MergingWorld; sealed: SealedLayer; layer: LayerBlocks }> {
  const world = await MergingWorld.make();
  await world.write(1, 11);
  await world.cut(true);
  const [sealed] = world.stack.below;
  if (sealed === undefined) throw new Error('nothing was cut');
  await brought(world, sealed);
  const layer = world.stores.at('c').layers.find(sealed.layer);
  if (layer === undefined) throw new Error('it is not here');
  await passing(world, layer.fetch(0, BLOCKS, 'demand'));
  await world.write(1, 0);
  await world.cut(false);
  return { world, sealed, layer };
}

test('a file that is written of it fails', async () => {
  const { world, sealed } = await snapshotAtC();
  const { layers } = world.stores.at('c');
  const still = new StillImage({ image: 'web', bytes: BYTES, layers: [sealed] }, layers);
  const read = Buffer.alloc(BLOCK_BYTES);
  await layers.reading([sealed.layer], async () => {
    world.forget(0);
    assert.ok(await world.merge());
    await world.sweep('a');
    await world.sweep('c');
    assert.throws(
      () => still.read(BLOCK_BYTES, read),
      (error: unknown) => codeOf(error) === 'TABLE_DIFFERS',
    );
  });
});

/** All that an export gives and says while c brings what others have made of the layer, as it is named. */
async function seenOfExport(named: (newest: SealedLayer) => SealedLayer): Promise<unknown[]> {
  const { world, layer } = await snapshotAtC();
  const reads = new StillReads({ top: layer, below: [], clock: world.stores.clock });
  world.forget(0);
  assert.ok(await world.merge());
  await world.sweep('a');
  const [newest] = world.stack.below;
  if (newest === undefined) throw new Error('nothing was merged');
  const coming = world.stores.at('c').layers.bring(named(newest), 'a', new AbortController().signal);
  const seen = new Set<unknown>();
  const read = Buffer.alloc(BLOCK_BYTES);
  for (let turn = 0; turn < TOLD_TURNS; turn++) {
    if (turn % 20 === 19) await world.stores.clock.advance(0);
    else await Promise.resolve();
    seen.add(reads.tryRead(BLOCK_BYTES, read, true) ? read[0] : reads.gate.mode);
  }
  await passing(world, coming);
  return [...seen];
}

test('an export of it ends with the first change, whether it is known what the layer took in', async () => {
  assert.equal(await seenOfExport((newest) => newest), [11, 'ended']);
  assert.equal(await seenOfExport((newest) => ({ ...newest, merged: [] })), [11, 'ended']);
});

test.run();
