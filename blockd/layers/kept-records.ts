// The catalogue's records as they were told last, kept at this store so that a catalogue that was lost can be made again
// and one that is older than what was told is noticed (SOUNDNESS A17, D1). Never gives newer ones up for older ones.
import { isNewerMark } from '../../common/catalogue-mark.ts';
import type { Disk } from '../../common/disk/disk.ts';
import { OperationError } from '../../common/errors.ts';
import { type CatalogueMark, KeptRecords, type LayerPin } from '../../wire/contracts/store-report.ts';
import { StateFile } from '../image/state-file.ts';
import type { ImageStore } from '../store/image-store.ts';

/** One store's copy. */
export class RecordBook {
  readonly #file: StateFile<typeof KeptRecords>;
  readonly #node: string;
  readonly #listeners = new Set<() => void>();
  #pins = new Map<string, LayerPin>();
  #copies = new Map<string, number>();
  #points: ReadonlySet<string> = new Set();
  #kept: KeptRecords | null = null;
  #turn: Promise<unknown> = Promise.resolve();

  /** `node`: this one's name. */
  constructor(disk: Disk, path: string, node: string) {
    this.#file = new StateFile(disk, path, KeptRecords);
    this.#node = node;
  }

  /** Reads what an earlier process wrote. */
  async load(): Promise<void> {
    this.#take((await this.#file.read()) ?? null);
  }

  /** The place that the layer is pinned to, if this node is not of it: its blocks may not be here. */
  pinnedElsewhere(layer: string): string | undefined {
    const pin = this.#pins.get(layer);
    return pin === undefined || pin.nodes.includes(this.#node) ? undefined : pin.place;
  }

  /** The nodes that may have the layers, where one of them is pinned; undefined where none is. */
  nodesFor(layers: readonly string[]): readonly string[] | undefined {
    const pins = layers.flatMap((layer) => this.#pins.get(layer) ?? []);
    const [first, ...others] = pins;
    return first?.nodes.filter((node) => others.every(({ nodes }) => nodes.includes(node)));
  }

  /** Whether the layer is pinned, to whatever place: no copy of it goes by itself. */
  isPinned(layer: string): boolean {
    return this.#pins.has(layer);
  }

  /** Whether it is of a recovery point that is here, or on its way here: its blocks do not go by themselves. */
  isPoint(layer: string): boolean {
    return this.#points.has(layer);
  }

  /** @throws OperationError POINT_UNKNOWN of layers of which nothing says yet that they are to stay here */
  refuseUnlessPoint(layers: readonly string[]): void {
    const layer = layers.find((one) => !this.#points.has(one));
    if (layer === undefined) return;
    throw new OperationError(
      'POINT_UNKNOWN',
      `node ${this.#node} does not know yet that layer ${layer} is to stay there`,
      {
        remedy: 'It is told within seconds, and the recovery point is tried again by itself.',
      },
    );
  }

  /** How many stores are to have the layer, by its image's policy. */
  copiesOf(layer: string): number {
    return this.#copies.get(layer) ?? 1;
  }

  /**
   * The same of what is here: of a copy of a layer that was just cut, kept or closed here, no record may speak yet, only of
   * those below it. `isCopied`: answers to the image's writes meant copies, or may have, as far as this store knows.
   */
  copiesOfStore({ layer, state }: Pick<ImageStore, 'layer' | 'state'>, isCopied: boolean): number {
    const isCopy = state.copiedUpTo !== undefined || (isCopied && state.closing !== null);
    const below = isCopy ? state.below : [];
    return Math.max(...[layer, ...below.map((sealed) => sealed.layer)].map((one) => this.copiesOf(one)));
  }

  /** The newest epoch of an image that was granted, as far as the records say. */
  epochOf(image: string): number {
    return this.#kept?.heads?.find((head) => head.image === image)?.epoch ?? 0;
  }

  /** Why nobody writes the top here any more, in a sentence, if that is so for certain. */
  isOver({ image, layer, state }: Pick<ImageStore, 'image' | 'layer' | 'state'>): string | undefined {
    const { heads = [], leaving = [] } = this.#kept ?? {};
    const head = heads.find((one) => one.image === image);
    if (head !== undefined) {
      const { epoch, writer, holder, isDoubtful } = head;
      // Of a store that was put back as it was once a person decides.
      if (isDoubtful || (writer ?? holder) === this.#node) return undefined;
      if (epoch > state.epoch) return `the newest is epoch ${epoch}`;
    }
    // Of another image of the name the epochs say nothing.
    const isGone = leaving.some((one) => one.layer === layer && one.nodes.includes(this.#node));
    return isGone ? 'its image is gone' : undefined;
  }

  /** What is pinned here stays here. @throws OperationError LAYER_IN_USE */
  refusePinned(layer: string): void {
    const pin = this.#pins.get(layer);
    if (pin === undefined || !pin.nodes.includes(this.#node)) return;
    throw new OperationError('LAYER_IN_USE', `layer ${layer} is pinned to ${pin.place}`, { remedy: 'Unpin it first.' });
  }

  /** Calls back when other records are kept, until the answer is called. */
  watch(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get kept(): KeptRecords | null {
    return this.#kept;
  }

  /** Keeps them unless what is here is newer; answers what is kept, which is durable. @throws Error of the disk */
  keep(records: KeptRecords): Promise<CatalogueMark> {
    const kept = this.#turn.then(async () => {
      if (this.#kept !== null && !isNewerMark(records.mark, this.#kept.mark)) return this.#kept.mark;
      await this.#file.write(records);
      this.#take(records);
      return records.mark;
    });
    this.#turn = kept.catch(() => undefined);
    return kept;
  }

  #take(kept: KeptRecords | null): void {
    this.#kept = kept;
    this.#pins = new Map(kept?.pins.map((pin) => [pin.layer, pin]));
    this.#copies = new Map(kept?.copies?.map(({ layer, copies }) => [layer, copies]));
    const points = kept?.points?.filter(({ node }) => node === this.#node);
    this.#points = new Set(points?.map(({ layer }) => layer));
    for (const listener of this.#listeners) listener();
  }
}
