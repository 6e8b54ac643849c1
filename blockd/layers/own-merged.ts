// A layer that came here as a merge has made it elsewhere, while what was merged into it still lies here by itself: this store
// may be the only one that has some of its blocks, and nobody asks himself for them.
import type { MergedLayer } from '../../wire/contracts/layers.ts';
import type { ImageStore } from '../store/image-store.ts';
import type { LayerBlocks } from './layer-blocks.ts';
import type { LayerShelf } from './layer-shelf.ts';
import { moveBlocks } from './merge-steps.ts';

/** What is a part of a sealed layer, also where that changed nothing of its table: the part had no entries. */
export async function noteMerged(store: ImageStore, parts: readonly MergedLayer[]): Promise<void> {
  const { role, merged = [] } = store.state;
  const known = merged.map(({ layer }) => layer);
  const added = parts.filter(({ layer }) => !known.includes(layer));
  if (added.length > 0) await store.commit({ state: { role, merged: [...added, ...merged] } });
}

/**
 * Moves the contents that the layer's table names and that lie here in layers it was merged from; durably there with the
 * answer. Repeating it is safe. @throws OperationError ENOSPC, STORE_FAILED
 */
export async function gatherMerged(
  layers: Pick<LayerShelf, 'find' | 'reading'>,
  { store }: LayerBlocks,
  pause: () => Promise<void>,
): Promise<void> {
  for (const { layer } of store.state.merged ?? []) {
    const upper = layers.find(layer);
    if (upper === undefined) continue;
    await layers.reading([layer, store.layer], () => moveBlocks(store, upper.store, pause));
  }
}
