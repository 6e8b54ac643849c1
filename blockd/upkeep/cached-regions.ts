// What of a store's layers is only cached, in regions of 4 MiB, and which of them go first: the region that was of no use
// to anyone for longest (not read by a client, not fetched, not given or promised to another store); of those alike, as
// after a start, loose layers before sealed ones before replicas. It changes nothing.
import { type Clock, pause } from '../../common/clock.ts';
import type { ImageRole } from '../../wire/contracts/blockd.ts';
import type { LayerBlocks } from '../layers/layer-blocks.ts';
import { blocksOfExtent } from '../store/active-extents.ts';
import { BLOCK_BYTES } from '../table/block-version.ts';

/** Counted in one step: a ms at most, where all of them are full. */
const STEP_REGIONS = 32;
const ORDER: readonly ImageRole[] = ['loose', 'sealed', 'replica'];

/** Blocks of one layer that may leave together. */
export interface CachedRegion {
  readonly layer: LayerBlocks;
  readonly first: number;
  readonly end: number;
  /** What of it is here. */
  readonly bytes: number;
  /** The turn of its last use. */
  readonly last: number;
}

/** What the layers take on the disk at most, without looking at their blocks: those that are zeros count too. */
export function bytesAtMost(layers: readonly LayerBlocks[]): number {
  return layers.reduce((sum, { store }) => sum + store.table.census().local, 0) * BLOCK_BYTES;
}

/** All regions that have data here, those first that go first. Gives way to the store's requests again and again. */
export async function cachedRegions(layers: readonly LayerBlocks[], clock: Clock): Promise<CachedRegion[]> {
  const regions: CachedRegion[] = [];
  let counted = 0;
  for (const layer of layers) {
    const { table, file, blocks } = layer.store;
    for (let region = 0; region < file.use.regions; region++) {
      const [first, end] = blocksOfExtent(region, blocks);
      const bytes = table.countHeld(first, end) * BLOCK_BYTES;
      if (bytes > 0) regions.push({ layer, first, end, bytes, last: file.use.lastOf(region) });
      if (++counted % STEP_REGIONS === 0) await pause(clock);
    }
  }
  return regions.sort((one, other) => one.last - other.last || orderOf(one) - orderOf(other));
}

function orderOf({ layer }: CachedRegion): number {
  return ORDER.indexOf(layer.store.state.role);
}
