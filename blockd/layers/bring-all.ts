// Several layers brought for one purpose: where one cannot come, nobody waits for the others any more.
import type { SealedLayer } from '../../wire/contracts/layers.ts';
import type { LayerBlocks } from './layer-blocks.ts';
import type { LayerShelf } from './layer-shelf.ts';

/** As `LayerShelf.bring` of each. @throws what the first that fails does */
export async function bringAll(
  shelf: Pick<LayerShelf, 'bring'>,
  layers: readonly SealedLayer[],
  source: string,
  signal: AbortSignal,
): Promise<LayerBlocks[]> {
  const failed = new AbortController();
  const end = AbortSignal.any([signal, failed.signal]);
  try {
    return await Promise.all(layers.map((sealed) => shelf.bring(sealed, source, end)));
  } catch (error) {
    failed.abort();
    throw error;
  }
}
