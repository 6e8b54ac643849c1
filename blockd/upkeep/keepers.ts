// How many other stores must keep what this one lets go of: as many as its image's policy has copies. Of a copy that was just
// brought, or cut elsewhere, no record may speak yet but of layers below its top; those stand or fall together. Pure.
import type { ImageStore } from '../store/image-store.ts';

type Layer = Pick<ImageStore, 'layer' | 'state'>;

/** `copiesOf`: what the catalogue's records say of one layer, and of those below it. `all`: what is at this store. */
export function keepersOf<L extends Layer>(store: L, all: readonly L[], copiesOf: (store: L) => number): number {
  const over = all.filter(({ state }) => state.below.some(({ layer }) => layer === store.layer));
  return Math.max(...[store, ...over].map(copiesOf));
}
