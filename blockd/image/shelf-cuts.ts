// Cuts of images that are open here as they are asked for: each in the turns of its images, and never after its end.
import type { CutImage } from '../../wire/contracts/blockd.ts';
import type { LayerShelf } from '../layers/layer-shelf.ts';
import type { Cut } from '../store/store-record.ts';
import type { EndedLedger } from './ended-ledger.ts';
import type { Image } from './image.ts';
import type { ImageCuts } from './image-cuts.ts';
import type { ImageTops } from './image-tops.ts';
import type { ImageTurns } from './image-turns.ts';

export interface ShelfCutsParts {
  readonly cuts: ImageCuts;
  readonly ended: EndedLedger;
  readonly layers: Pick<LayerShelf, 'refuseAnyUnusable'>;
  readonly tops: ImageTops;
  readonly turns: ImageTurns;
}

/** The cuts that one store is asked for. */
export class ShelfCuts {
  readonly #parts: ShelfCutsParts;

  constructor(parts: ShelfCutsParts) {
    this.#parts = parts;
  }

  /** Cuts images that are open here, in the turn of each. @throws OperationError CUT_ENDED and those of the cut */
  cut(cut: Cut): Promise<CutImage[]> {
    const { turns, ended, cuts } = this.#parts;
    const names = cut.images.map(({ image }) => image);
    return turns.takeAll(names, async () => {
      ended.checkCut(cut.id);
      const sealed = await cuts.cut(cut, this.#imagesOf(names));
      for (const { image, bytes } of cut.images) if (bytes !== undefined) this.#parts.tops.get(image).grow();
      return sealed;
    });
  }

  /** Ends a cut for ever, and says what it did before. @throws OperationError CUT_TORN; Error of the disk */
  async cancel(cut: string, names: readonly string[]): Promise<CutImage[]> {
    const { turns, ended, cuts, layers, tops } = this.#parts;
    const known = names.filter((image) => tops.find(image) !== undefined);
    if (known.length < names.length) layers.refuseAnyUnusable();
    if (known.length === 0) {
      await ended.endCut(cut);
      return [];
    }
    const cancelling = turns.takeAll(known, () => cuts.cancel(cut, this.#imagesOf(known)));
    const [sealed] = await Promise.all([cancelling, ended.endCut(cut)]);
    return sealed;
  }

  #imagesOf(names: readonly string[]): Image[] {
    return names.map((image) => this.#parts.tops.get(image).image);
  }
}
