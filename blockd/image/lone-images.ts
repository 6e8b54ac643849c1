// The images of a store that no cluster knows: its own catalogue grants this node an epoch per start, and nobody else
// can ever write. Never serves an image under an epoch that was used before.

import { isNewerMark } from '../../common/catalogue-mark.ts';
import { codeOf, messageOf, OperationError } from '../../common/errors.ts';
import { newLayerId } from '../../common/layer-id.ts';
import { LONE_NODE } from '../../wire/contracts/alone.ts';
import type { Closing } from '../../wire/contracts/blockd.ts';
import type { SealedLayer } from '../../wire/contracts/layers.ts';
import { abandonEpoch, addImage, closeEpoch, type Entry, openEpoch } from '../catalogue/catalogue.ts';
import {
  imageOf,
  leavingLayer,
  readEntry,
  readLeaving,
  readSnapshot,
  snapshotName,
} from '../catalogue/catalogue-records.ts';
import type { CatalogueStore } from '../catalogue/catalogue-store.ts';
import type { ImageHost } from './image-host.ts';
import type { ImageShelf } from './image-shelf.ts';

/** Where a table would be fetched from; nobody is ever dialled. */
const FROM = { node: LONE_NODE, address: '127.0.0.1' };

/** An image that is asked for. */
export interface WantedImage {
  readonly image: string;
  readonly bytes: number;
}

/** Opens images for writing at this node, under epochs of the catalogue beside them. */
export class LoneImages {
  readonly #shelf: ImageShelf;
  readonly #catalogue: CatalogueStore;

  readonly #newLayer: () => string;

  constructor(shelf: ImageShelf, catalogue: CatalogueStore, newLayer: () => string = newLayerId) {
    this.#shelf = shelf;
    this.#catalogue = catalogue;
    this.#newLayer = newLayer;
  }

  /**
   * Makes what is wanted and not there yet; what is there may be larger. Answers the images whose records were gone or older
   * than they are, and were made again: this store is all that there is, so what it says is so.
   * @throws OperationError BAD_SIZE, SIZE_DIFFERS, IMAGE_UNUSABLE
   */
  async make(wanted: readonly WantedImage[]): Promise<string[]> {
    for (const { image, bytes } of wanted) this.#checkSize(image, bytes);
    await this.#recall();
    await this.#makeClones();
    for (const { image, bytes } of wanted) {
      if (this.#shelf.find(image) !== undefined) continue;
      this.#refuseLost(image);
      await this.#shelf.create(image, this.#newLayer(), bytes);
    }
    const mended: string[] = [];
    const leaving = new Set(this.#catalogue.leaving.map(({ layer }) => layer));
    for (const host of this.#shelf.hosts) {
      // Of one that was deleted and is still to go.
      if (!leaving.has(host.image.store.layer) && (await this.#register(host))) mended.push(host.name);
    }
    return mended;
  }

  /** The store keeps a copy of the records: of a catalogue that is gone, the snapshots, and what is to be merged or to go. */
  async #recall(): Promise<void> {
    const { kept } = this.#shelf.layers.records;
    if (kept === null || !isNewerMark(kept.mark, this.#catalogue.state)) return;
    const snapshots = kept.records.flatMap(({ key, text }) =>
      snapshotName(key) === undefined ? [] : [readSnapshot(key, text)],
    );
    const incarnation = kept.mark.incarnation + 1;
    const names = new Set(snapshots.map(({ snapshot }) => snapshot));
    for (const { snapshot } of this.#catalogue.snapshots.filter((one) => !names.has(one.snapshot)))
      await this.#catalogue.commit(() => ({ change: { snapshotRemoved: snapshot }, answer: undefined }));
    const leaving = kept.records.flatMap(({ key, text }) =>
      leavingLayer(key) === undefined ? [] : [readLeaving(key, text)],
    );
    await this.#catalogue.commit(() => ({ change: { snapshots, leaving, state: { incarnation } }, answer: undefined }));
  }

  /** The layers that the records gave an image with this top: two that are still to become one here are one there. */
  #keptBelow({ name, image }: ImageHost): SealedLayer[] | undefined {
    const records = this.#shelf.layers.records.kept?.records ?? [];
    const kept = records.find(({ key }) => imageOf(key) === name);
    const stack = kept === undefined ? undefined : readEntry(kept.key, kept.text).head.stack;
    return stack?.layer === image.store.layer ? stack.below : undefined;
  }

  /** Images on snapshots that were never opened: a start that died before left their tops to the next one. */
  async #makeClones(): Promise<void> {
    for (const { image, bytes, stack } of this.#catalogue.heads) {
      const { granted } = this.#catalogue.get(image);
      if (granted > 0 || stack.below.length === 0 || this.#shelf.find(image) !== undefined) continue;
      if (!this.#shelf.layers.unusable.includes(stack.layer))
        await this.#shelf.ensure({ image, bytes, stack, epoch: 1 });
    }
  }

  /** Images and layers that are here and cannot be served, each with the reason. They keep no other from its clients. */
  get unserved(): OperationError[] {
    const heads = this.#catalogue.heads.filter(({ image }) => this.#shelf.find(image) === undefined);
    const nameless = this.#nameless.map((layer) => () => this.#shelf.layers.refuseUnusable(layer));
    return [
      ...heads.map(({ image }) => errorOf(`image ${image} is not served`, () => this.#refuseLost(image))),
      ...nameless.map((refuse) => errorOf('an image is not served', refuse)),
    ];
  }

  /** Layers that cannot be used, of images that the catalogue does not know. */
  get #nameless(): string[] {
    const { heads, snapshots } = this.#catalogue;
    const below = [
      ...heads.map(({ stack }) => stack.below),
      ...snapshots.flatMap(({ disks }) => disks.map((disk) => disk.layers)),
    ];
    const named = new Set([...heads.map(({ stack }) => stack.layer), ...below.flat().map(({ layer }) => layer)]);
    return this.#shelf.layers.unusable.filter((layer) => !named.has(layer));
  }

  /** Whether it is here to stay, and no cut of it stands. */
  isSettled(image: string): boolean {
    return this.#catalogue.find(image)?.head.cut === null;
  }

  /** Ends the epoch that the last start left open, however it ended. No client may be there yet. */
  async endLast(image: string): Promise<void> {
    const { head } = this.#catalogue.get(image);
    if (head.writer === null) return;
    // A start that died between the grant and the opening never wrote: its epoch has no end to record.
    const closing = await this.#shelf.get(image).close(head.epoch);
    if (closing === undefined) await this.#commit(image, (entry) => abandonEpoch(entry, LONE_NODE, head.epoch));
    else await this.#commit(image, (entry) => closeEpoch(entry, LONE_NODE, closing));
  }

  /** The same of one that cannot be used, and is to be deleted: nobody will know what it was closed with. */
  async giveUp(image: string): Promise<void> {
    const { writer, epoch } = this.#catalogue.get(image).head;
    if (writer !== null) await this.#commit(image, (entry) => abandonEpoch(entry, LONE_NODE, epoch));
  }

  /** Opens the image under its next epoch; answers its socket. @throws OperationError EPOCH_MAX, Error of the disk */
  async open(image: string, signal: AbortSignal): Promise<string> {
    const { head } = await this.#commit(image, (entry) => openEpoch(entry, LONE_NODE));
    return this.#shelf.get(image).open({ epoch: head.epoch, last: head.last, from: FROM }, signal);
  }

  /**
   * Writes an image down that the catalogue does not know, or not as it is; answers whether a record was lost. A start that died
   * after it made the image left that to the next one.
   */
  async #register(host: ImageHost): Promise<boolean> {
    const { store } = host.image;
    const known = this.#catalogue.find(host.name);
    if (known !== undefined && !isBehind(known, store)) return false;
    const { bytes, layer, state } = store;
    const closing = await this.#closingOf(host);
    const made = addImage(undefined, { image: host.name, layer, bytes, holder: LONE_NODE, closing });
    const head = { ...made.head, stack: { ...made.head.stack, below: this.#keptBelow(host) ?? [...state.below] } };
    const granted = Math.max(known?.granted ?? 0, state.epoch);
    await this.#catalogue.commit(() => ({ change: { entries: [{ head, granted }] }, answer: undefined }));
    return granted > 0;
  }

  /** An image that was made here is never made anew in its place. */
  #refuseLost(image: string): void {
    const entry = this.#catalogue.find(image);
    if (entry === undefined) {
      // It may be of this name.
      for (const layer of this.#nameless) this.#shelf.layers.refuseUnusable(layer);
      return;
    }
    this.#shelf.layers.refuseUnusable(entry.head.stack.layer);
    throw filesGone(image);
  }

  async #closingOf({ name, image: { store } }: ImageHost): Promise<Closing> {
    const { role, epoch } = store.state;
    const closing = role === 'writer' ? await this.#shelf.get(name).close(epoch) : store.state.closing;
    if (closing !== null && closing !== undefined) return closing;
    throw new OperationError(
      'IMAGE_UNUSABLE',
      `image ${name} is here as a ${role}, and nothing says how it last closed`,
      {
        remedy: 'Give it a data directory that blockd --alone made.',
      },
    );
  }

  #checkSize(image: string, bytes: number): void {
    const host = this.#shelf.find(image);
    const own = host?.image.store.bytes ?? bytes;
    // It may have been made larger since its size was written into whatever starts this.
    if (own >= bytes) return;
    throw new OperationError('SIZE_DIFFERS', `image ${image} has ${own} bytes, not ${bytes}`, {
      remedy: `To make it larger: start it without a size for this one, then supercloud image resize ${image} --size BYTES --alone DIR.`,
    });
  }

  #commit(image: string, decide: (entry: Entry) => Entry): Promise<Entry> {
    return this.#catalogue.commit(() => {
      const entry = decide(this.#catalogue.get(image));
      return { change: { entries: [entry] }, answer: entry };
    });
  }
}

/** The catalogue grants before the image is open here, and hears of an end after it: never less than this store has seen. */
function isBehind({ head, granted }: Entry, { layer, state }: ImageHost['image']['store']): boolean {
  if (head.cut === null && head.stack.layer !== layer) return true;
  return state.epoch > granted || (state.role === 'writer' && head.writer === null);
}

/** What the work refuses with, and what that means. */
function errorOf(what: string, work: () => void): OperationError {
  try {
    work();
  } catch (error) {
    return because(what, error);
  }
  return new OperationError('IMAGE_UNUSABLE', what);
}

export function filesGone(image: string): OperationError {
  return new OperationError('IMAGE_UNUSABLE', `image ${image} was made here and its files are gone`, {
    remedy: 'Bring the data directory back as it was, or delete the image.',
  });
}

/** The error with what it means before it. */
export function because(what: string, error: unknown): OperationError {
  const remedy = error instanceof OperationError ? error.remedy : '';
  const code = codeOf(error) ?? 'IMAGE_UNUSABLE';
  return new OperationError(code, `${what}: ${messageOf(error)}`, { remedy, cause: error });
}
