// What this store holds, for a catalogue that compares itself with it or is rebuilt from it. Reads and changes nothing.
import type { ReportedLayer, StoreReport } from '../../wire/contracts/store-report.ts';
import type { LayerShelf } from '../layers/layer-shelf.ts';
import type { ImageStore } from '../store/image-store.ts';

/** All layers as they durably stand; a table that is being written is told as it is in memory. */
export function storeReport({ all, unusable, records }: LayerShelf, members: string[]): StoreReport {
  return {
    layers: all.map(({ store }) => reportLayer(store)),
    unusable,
    members,
    kept: records.kept?.mark ?? null,
  };
}

function reportLayer({ layer, image, bytes, state, table }: ImageStore): ReportedLayer {
  const { local, elsewhere } = table.census();
  const { role, generation, below, epoch, ends, closing, migration } = state;
  return {
    ...{ layer, image, bytes, role, generation, below, epoch, ends, closing, migration },
    ...{ table: table.mark, localBlocks: local, missingBlocks: sumOf(elsewhere.values()) },
  };
}

function sumOf(counts: Iterable<number>): number {
  let sum = 0;
  for (const count of counts) sum += count;
  return sum;
}
