// The catalogue of a simulated world: the head of one image, and the layers that leave. It forgets nothing and is always
// there; what it grants and refuses is the product's (`blockd/catalogue`).
import { addImage, type Entry } from '../../blockd/catalogue/catalogue.ts';
import type { CatalogueChange } from '../../blockd/catalogue/catalogue-store.ts';
import type { Closing } from '../../wire/contracts/blockd.ts';
import type { Head, Leaving, Snapshot } from '../../wire/contracts/catalogue.ts';

/** The layer that it begins with. */
export const LAYER = 'l00000000000000aa';
const ID_DIGITS = 16;

/** One image's records. */
export class BlockHead {
  readonly image: string;
  leaving: readonly Leaving[] = [];
  snapshots: readonly Snapshot[] = [];
  /** Counts commits. */
  serial = 1;
  #entry: Entry | undefined;
  #ids = 0;

  constructor(image: string) {
    this.image = image;
  }

  add(bytes: number, holder: string, closing: Closing): void {
    this.#entry = addImage(undefined, { image: this.image, layer: LAYER, bytes, holder, closing });
  }

  get entry(): Entry {
    if (this.#entry === undefined) throw new TypeError('the image is made first');
    return this.#entry;
  }

  get head(): Head {
    return this.entry.head;
  }

  /** The node that has the image, or had it last. */
  get writer(): string {
    return this.head.writer ?? this.head.holder;
  }

  /** Takes what the product made of the entry. @throws Error when it made nothing of it */
  commit(entry: Entry | undefined): void {
    if (entry === undefined) throw new Error('nothing is committed');
    this.#entry = entry;
    this.serial++;
  }

  /** The same of everything that a merge changes. */
  commitAll({ entries = [], leaving = [], snapshots = [] }: CatalogueChange): void {
    const [entry] = entries;
    if (entry !== undefined) this.#entry = entry;
    for (const one of leaving) this.leaving = [...this.leaving.filter(({ layer }) => layer !== one.layer), one];
    for (const one of snapshots)
      this.snapshots = this.snapshots.map((before) => (before.snapshot === one.snapshot ? one : before));
    this.serial++;
  }

  /** A snapshot that was just committed stays. */
  keep(snapshot: Snapshot): void {
    this.snapshots = [...this.snapshots, snapshot];
  }

  find(name: string): Snapshot | undefined {
    return this.snapshots.find(({ snapshot }) => snapshot === name);
  }

  /** The node is to have it as a recovery point. */
  carry(name: string, node: string): void {
    this.snapshots = this.snapshots.map((one) => (one.snapshot === name ? { ...one, carriedTo: node } : one));
    this.serial++;
  }

  forget(name: string): void {
    this.snapshots = this.snapshots.filter(({ snapshot }) => snapshot !== name);
    this.serial++;
  }

  /** The node has let the layer go. */
  gone(layer: string, node: string): void {
    const left = this.leaving.map((one) =>
      one.layer === layer ? { ...one, nodes: one.nodes.filter((other) => other !== node) } : one,
    );
    this.leaving = left.filter(({ nodes }) => nodes.length > 0);
  }

  /** A name that nothing had before: of a migration, or a cut. */
  nextId(): string {
    return (++this.#ids).toString(16).padStart(ID_DIGITS, '0');
  }

  /** The same of a layer. */
  nextLayer(): string {
    return `l${this.nextId().slice(1)}b`;
  }
}
