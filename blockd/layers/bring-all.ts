// Several layers brought for one purpose: where one cannot come, nobody waits for the others any more.
import type { SealedLayer } from '../../wire/contracts/layers.ts';
import type { LayerBlocks } from './layer-blocks.ts';
import type { LayerShelf } from './layer-shelf.ts';

/**
 * As `LayerShelf.bring` of each, the newest first; `isCopy`: what a whole copy here shows stays readable until what is brought over
 * it is. @throws what the first that fails does
 */
export async function bringAll(
  shelf: Pick<LayerShelf, 'bring'>,
  layers: readonly SealedLayer[],
  source: string,
  signal: AbortSignal,
  isCopy = false,
): Promise<LayerBlocks[]> {
  const failed = new AbortController();
  const end = AbortSignal.any([signal, failed.signal]);
  try {
    const idsBelow = (index: number): string[] => (isCopy ? layers.slice(index + 1).map(({ layer }) => layer) : []);
    return await Promise.all(layers.map((sealed, index) => shelf.bring(sealed, source, end, idsBelow(index))));
  } catch (error) {
    failed.abort();
    throw error;
  }
}
