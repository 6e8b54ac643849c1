// Cuts images: what was on top of each never changes again, and a new, empty layer lies over it. All images of a cut in one
// moment, in which writes wait and none fails; all or none, also over a crash (SOUNDNESS A15): a top is made only when
// every image durably stands still, so that of a mixture nothing had been switched.

import { isFull } from '../../common/disk/disk-room.ts';
import { messageOf, OperationError } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { CutImage } from '../../wire/contracts/blockd.ts';
import { BELOW_MAX, type SealedLayer } from '../../wire/contracts/layers.ts';
import type { LayerBlocks } from '../layers/layer-blocks.ts';
import type { LayerShelf } from '../layers/layer-shelf.ts';
import { checkImageBytes, type NewLayer } from '../store/image-files.ts';
import type { ImageStore } from '../store/image-store.ts';
import type { Cut } from '../store/store-record.ts';
import type { RoomWait } from '../upkeep/room-wait.ts';
import type { Image } from './image.ts';

export interface ImageCutsParts {
  readonly layers: Pick<LayerShelf, 'all' | 'create' | 'drop'>;
  readonly roomWait: Pick<RoomWait, 'add'>;
  readonly log: Log;
}

/** The cuts of one store. */
export class ImageCuts {
  readonly #parts: ImageCutsParts;

  constructor(parts: ImageCutsParts) {
    this.#parts = parts;
  }

  /**
   * Cuts the images, which are those of the cut, in their turn; the same again for a cut that was done.
   * @throws OperationError NOT_WRITER, CUT_ENDED, STACK_FULL, CUT_TORN, ENOSPC and those of the disk, and then none was cut
   */
  async cut(cut: Cut, images: readonly Image[]): Promise<CutImage[]> {
    const left = images.filter((image) => !wasCut(image, cut));
    for (const image of left) checkCuttable(image, cut);
    if (left.length === images.length) this.#refuseLate(cut, images);
    // Some were done when the disk had no room for the others, which have stood still since.
    if (left.length < images.length && !left.every((image) => standsStill(image, cut))) throw torn(cut);
    if (left.length > 0) await this.#cut(cut, left, left.length === images.length);
    return cutImages(images);
  }

  /**
   * An order that comes once more after the next cut was made, whose layer is one of those below by now, or was merged into one.
   * @throws OperationError CUT_ENDED
   */
  #refuseLate({ id, images: wanted }: Cut, images: readonly Image[]): void {
    for (const { store } of images) {
      const { layer, generation } = wanted.find(({ image }) => image === store.image) ?? {};
      const isHere = this.#parts.layers.all.some((one) => one.store.layer === layer);
      if (!isHere && (generation ?? store.state.generation) === store.state.generation) continue;
      throw new OperationError('CUT_ENDED', `cut ${id} of image ${store.image} comes after a later one`, {
        remedy: 'Begin a new one.',
      });
    }
  }

  /** No cut any more: what it did if it is done; otherwise whoever stands still for it goes on. */
  async cancel(cut: string, images: readonly Image[]): Promise<CutImage[]> {
    if (images.every((image) => wasCut(image, { id: cut }))) return cutImages(images);
    if (images.some((image) => wasCut(image, { id: cut }))) throw torn({ id: cut });
    // Also one that goes on already, and could not say so for want of room: a restart would complete the cut.
    const standing = images.filter(({ store: { state } }) => state.role === 'cutting' && state.cut?.id === cut);
    await Promise.all(standing.map((image) => image.goOn()));
    return [];
  }

  /**
   * After a restart, before anyone is served: a cut for which all stood still is completed, any other is taken back.
   * One that the disk refuses stands still until it is asked for again. `late`: of these layers alone, which were opened
   * later than the others; for theirs that stood still without them the cut was taken back.
   */
  async recover(late?: readonly LayerBlocks[]): Promise<void> {
    const stores = this.#parts.layers.all.map(({ store }) => store);
    const covered = coveredLayers(stores);
    const asked = late?.map(({ store }) => store) ?? stores;
    const standing = asked.filter(({ state }) => state.role === 'cutting');
    // All verdicts first: what is done to one store must not change what another is taken for.
    const verdicts = standing.map((store) => ({
      store,
      cut: store.state.cut,
      isToComplete: isToComplete(store, stores),
    }));
    for (const { store, cut, isToComplete } of verdicts) {
      const { image, layer } = store;
      this.#parts.log.info({ image, cut: cut?.id, isToComplete }, 'a cut was under way');
      await this.#recoverOne(store, cut, isToComplete, covered.has(layer)).catch((error: unknown) =>
        this.#parts.log.error({ err: error, image, cut: cut?.id }, 'an image stands still for a cut'),
      );
    }
  }

  async #recoverOne(store: ImageStore, cut: Cut | null, isToComplete: boolean, isCovered: boolean): Promise<void> {
    if (isCovered) return seal(store);
    if (cut === null || !isToComplete) return store.commit({ state: { role: 'writer', cut: null, closing: null } });
    await this.#parts.layers.create(newTop(store, cut));
    return seal(store);
  }

  async #cut(cut: Cut, images: readonly Image[], mayTakeBack: boolean): Promise<void> {
    const tops: LayerBlocks[] = [];
    try {
      // Every gate is shut in this very step.
      const stops = images.map((image) => (standsStill(image, cut) ? undefined : image.standStill(cut)));
      const stopped = await Promise.allSettled(stops);
      for (const stop of stopped) if (stop.status === 'rejected') throw stop.reason;
      for (const { store } of images) tops.push(await this.#parts.layers.create(newTop(store, cut)));
    } catch (error) {
      if (mayTakeBack) await this.#takeBack(cut, images);
      throw error;
    }
    for (const [index, image] of images.entries()) {
      const { store } = image;
      const top = tops[index];
      if (top !== undefined) image.coverWith(top);
      await this.#sealSoon(store);
    }
  }

  /** The new top names it: a layer it is in any case, also after a restart. Nobody takes it for one before it says so. */
  async #sealSoon(store: ImageStore): Promise<void> {
    const { log, roomWait } = this.#parts;
    try {
      await seal(store);
    } catch (error) {
      log.warn({ image: store.image, reason: messageOf(error) }, 'a layer is not marked as sealed yet');
      // By then it may have been brought or merged as a layer: that said more than this mark does.
      const again = async (): Promise<void> => (store.state.role === 'cutting' ? seal(store) : undefined);
      if (isFull(error)) roomWait.add(`the mark of layer ${store.layer} as sealed`, again);
    }
  }

  /** The new tops go first: one that stayed would be taken for the image's after a restart. */
  async #takeBack(cut: Cut, images: readonly Image[]): Promise<void> {
    for (const { layer } of cut.images) await this.#parts.layers.drop(layer);
    const stood = await Promise.allSettled(images.map((image) => image.goOn()));
    for (const one of stood) {
      if (one.status === 'rejected')
        this.#parts.log.warn({ cut: cut.id, reason: messageOf(one.reason) }, 'a cut failed');
    }
  }
}

/** The layers that lie below some top, whatever role they are left in. */
export function coveredLayers(stores: readonly ImageStore[]): ReadonlySet<string> {
  return new Set(stores.flatMap(({ state }) => state.below.map(({ layer }) => layer)));
}

/** What proves the layer's table, once nothing changes it any more. */
export function sealedOf({ layer, bytes, table }: ImageStore): SealedLayer {
  return { layer, bytes, ...table.mark };
}

/** Whether every image of the store's cut stood still, which is so if one of them has its new top already. */
function isToComplete({ state }: ImageStore, stores: readonly ImageStore[]): boolean {
  const { cut } = state;
  if (cut === null) return false;
  const inCut = stores.filter((store) => store.state.cut?.id === cut.id);
  if (inCut.some((store) => store.state.role !== 'cutting')) return true;
  return cut.images.every(({ image }) => inCut.some((store) => store.state.image === image));
}

async function seal(store: ImageStore): Promise<void> {
  await store.commit({ clean: true, state: { role: 'sealed', cut: null } });
}

/** The layer above one that stands still: of the same epoch, its numbers beyond all that were ever used below. */
function newTop(store: ImageStore, cut: Cut): NewLayer {
  const { image, state, table, reservedBelow } = store;
  const wanted = cut.images.find((one) => one.image === image);
  if (wanted === undefined) throw new Error(`cut ${cut.id} is not of image ${image}`);
  const { generation, below } = state;
  const { layer, bytes = store.bytes } = wanted;
  return {
    ...{ image, layer, bytes, isOrigin: false, reservedBelow, lastSequence: table.lastSequence },
    state: {
      ...{ ...state, role: 'writer', closing: null, cut },
      ...{ generation: generation + 1, below: [sealedOf(store), ...below] },
    },
  };
}

function wasCut({ store }: Image, cut: Pick<Cut, 'id'>): boolean {
  return store.state.cut?.id === cut.id && store.state.role !== 'cutting';
}

function standsStill({ store, gate }: Image, cut: Pick<Cut, 'id'>): boolean {
  return store.state.role === 'cutting' && store.state.cut?.id === cut.id && gate.mode === 'frozen';
}

function checkCuttable({ store }: Image, { images }: Cut): void {
  const { image, state, bytes } = store;
  const wanted = images.find((one) => one.image === image)?.bytes ?? bytes;
  checkImageBytes(image, wanted);
  if (wanted < bytes) {
    throw new OperationError('SHRINK_REFUSED', `image ${image} has ${bytes} bytes here; ${wanted} are fewer`, {
      remedy: 'An image only grows.',
    });
  }
  if (state.role !== 'writer' && state.role !== 'cutting') {
    throw new OperationError('NOT_WRITER', `cannot cut image ${image}: it is a ${state.role} here`, {
      remedy: 'Ask the catalogue which node writes it.',
    });
  }
  if (state.below.length < BELOW_MAX) return;
  throw stackFull(image);
}

/** Of an image that has as many layers as it may. */
function stackFull(image: string): OperationError {
  return new OperationError('STACK_FULL', `image ${image} has ${BELOW_MAX} layers below its top`, {
    remedy: 'Delete snapshots that nobody needs (supercloud snapshot list): their layers become one within seconds.',
  });
}

function cutImages(images: readonly Image[]): CutImage[] {
  return images.map(({ store }) => {
    const [sealed] = store.state.below;
    if (sealed === undefined) throw new Error(`image ${store.image} was cut and has nothing below`);
    return { image: store.image, sealed };
  });
}

function torn({ id }: Pick<Cut, 'id'>): OperationError {
  return new OperationError('CUT_TORN', `cut ${id} was made for some of its images and not for others`, {
    remedy: 'Look at the disk of that node, then restart blockd there.',
  });
}
