// What this store holds, for a catalogue that compares itself with it or is rebuilt from it, and for whoever would let other
// nodes' copies go. Changes nothing, but has what it tells of made durable.
import type { ReportedLayer, StoreReport } from '../../wire/contracts/store-report.ts';
import type { LayerShelf } from '../layers/layer-shelf.ts';
import type { ImageStore } from '../store/image-store.ts';

/** All layers as they stand at the call; of what is said to be here everything is durable with the answer. */
export async function storeReport({ all, unusable, records }: LayerShelf, members: string[]): Promise<StoreReport> {
  const kept = records.kept?.mark ?? null;
  const layers = await Promise.all(all.map(({ store }) => reportLayer(store)));
  return { layers, unusable, members, kept };
}

async function reportLayer(store: ImageStore): Promise<ReportedLayer> {
  const { layer, image, bytes, state, table } = store;
  const { local, elsewhere } = table.census();
  const { role, generation, below, epoch, ends, closing, migration } = state;
  const missing = sumOf(elsewhere.values());
  const report = {
    ...{ layer, image, bytes, role, generation, below, epoch, ends, closing, migration },
    ...{ table: table.mark, localBlocks: local, missingBlocks: missing },
  };
  try {
    await store.flush();
    return report;
  } catch {
    // Nobody may count on what a disk has not taken.
    return { ...report, localBlocks: 0, missingBlocks: local + missing };
  }
}

function sumOf(counts: Iterable<number>): number {
  let sum = 0;
  for (const count of counts) sum += count;
  return sum;
}
