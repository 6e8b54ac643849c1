// Which layer is the top of which image at this node, and what becomes of it when another takes its place. Every image here
// is one host, made when its top is found or made. It decides no epoch.
import { OperationError } from '../../common/errors.ts';
import type { SealedLayer, Stack } from '../../wire/contracts/layers.ts';
import type { LayerBlocks } from '../layers/layer-blocks.ts';
import { layerInUse } from '../layers/layer-bringer.ts';
import type { LayerShelf } from '../layers/layer-shelf.ts';
import { sameTable } from '../peer/table-follower.ts';
import { checkImageBytes, type NewLayer } from '../store/image-files.ts';
import type { ImageStore } from '../store/image-store.ts';
import { Image } from './image.ts';
import { type HostParts, ImageHost } from './image-host.ts';
import { isOpen } from './image-roles.ts';

export interface TopParts extends Omit<HostParts, 'image' | 'layers'> {
  readonly layers: LayerShelf;
}

/** The images of one store. */
export class ImageTops {
  readonly #parts: TopParts;
  readonly #hosts = new Map<string, ImageHost>();

  constructor(parts: TopParts) {
    this.#parts = parts;
  }

  get all(): readonly ImageHost[] {
    return [...this.#hosts.values()];
  }

  find(image: string): ImageHost | undefined {
    return this.#hosts.get(image);
  }

  /** Whether somebody writes it here, or is about to. */
  isOpen(image: string): boolean {
    const host = this.#hosts.get(image);
    return host !== undefined && isOpen(host.image.store.state.role);
  }

  /** @throws OperationError NO_IMAGE, IMAGE_UNUSABLE */
  get(image: string): ImageHost {
    const host = this.#hosts.get(image);
    if (host !== undefined) return host;
    this.#parts.layers.refuseAnyUnusable();
    throw new OperationError('NO_IMAGE', `there is no image ${image} at node ${this.#parts.node}`, {
      remedy: 'List the images of this node.',
    });
  }

  /** The layer is its image's top. */
  add(top: LayerBlocks): ImageHost {
    const image = new Image({ top, below: this.#foundBelow(top.store) ?? [], ...this.#parts });
    const host = new ImageHost({ ...this.#parts, image });
    this.#hosts.set(top.store.image, host);
    return host;
  }

  /** The image with this top, which is made, empty, if this store has not got it. @throws OperationError BAD_SIZE */
  async make(image: string, bytes: number, { layer, generation, below }: Stack): Promise<ImageHost> {
    checkImageBytes(image, bytes);
    const { layers } = this.#parts;
    const lastSequence = below[0]?.lastSequence ?? 0;
    const fresh: NewLayer = { image, layer, bytes, isOrigin: false, lastSequence, state: { generation, below } };
    return this.add(await layers.findOrCreate(fresh));
  }

  /** The layers below a top; undefined unless all are here, and say what the stack means. */
  #foundBelow({ layer: top, state: { below } }: ImageStore): LayerBlocks[] | undefined {
    const stack = [top, ...below.map(({ layer }) => layer)];
    const found = below.flatMap((sealed) => {
      const layer = this.#parts.layers.find(sealed.layer);
      return layer !== undefined && saysTheSame(layer.store, sealed, stack) ? [layer] : [];
    });
    return found.length === below.length ? found : undefined;
  }

  /**
   * Another layer is the image's top now. What was it gives way as a writer does, and is brought like any other layer.
   * @throws OperationError LAYER_IN_USE, IMAGE_OPEN, EPOCH_ENDED
   */
  async supersede(host: ImageHost, { below }: Stack, epoch: number): Promise<void> {
    const { store } = host.image;
    const isBelow = below.some(({ layer, merged = [] }) =>
      [layer, ...merged.map((one) => one.layer)].includes(store.layer),
    );
    if (isBelow) await host.giveWay(epoch);
    // An image of the name that is gone from the catalogue: its epochs say nothing of this one's.
    else if (store.state.role === 'standby') await host.cancel();
    else if (isOpen(store.state.role)) throw layerInUse(store.layer, `is a ${store.state.role} of ${host.name} here`);
    await this.#loosen(host);
  }

  /**
   * An image of the name that is gone from the catalogue keeps its layers for whoever names them; one that is open, or is
   * the very one that is to be made, is in the way. @throws OperationError IMAGE_EXISTS, IMAGE_UNUSABLE
   */
  async makeWay(image: string, layer: string): Promise<void> {
    this.#parts.layers.refuseUnusable(layer);
    const known = this.#hosts.get(image);
    if (known === undefined) return;
    if (isOpen(known.image.store.state.role) || known.image.store.layer === layer) {
      throw new OperationError('IMAGE_EXISTS', `there is an image ${image} at node ${this.#parts.node} already`, {
        remedy: 'Choose another name.',
      });
    }
    await this.#loosen(known);
  }

  /** The image whose top the layer is; it has no place here any more. @throws OperationError LAYER_IN_USE */
  async forgetTop(layer: string): Promise<ImageHost | undefined> {
    const isOf = ({ image }: ImageHost): boolean => image.store.layer === layer;
    const reader = this.all.find((host) => {
      const { role, below } = host.image.store.state;
      return isOpen(role) && (isOf(host) || below.some((sealed) => sealed.layer === layer));
    });
    if (reader !== undefined) throw layerInUse(layer, `is part of image ${reader.name}, which is in use here`);
    const host = this.all.find(isOf);
    if (host !== undefined) await this.#forget(host);
    return host;
  }

  /** A layer has left: an image that stands on it without being open begins anew, and asks for it when it needs it. */
  async renewOver(layer: string): Promise<void> {
    const isOver = ({ image }: ImageHost): boolean => image.store.state.below.some((sealed) => sealed.layer === layer);
    for (const host of this.all.filter((one) => isOver(one) && !isOpen(one.image.store.state.role))) {
      const top = this.#parts.layers.find(host.image.store.layer);
      await this.#forget(host);
      if (top !== undefined && this.find(host.name) === undefined) this.add(top);
    }
  }

  async #loosen(host: ImageHost): Promise<void> {
    const { store } = host.image;
    await this.#forget(host);
    if (store.state.role === 'replica') await store.commit({ state: { role: 'loose' } });
  }

  async #forget(host: ImageHost): Promise<void> {
    await host.stop();
    this.#hosts.delete(host.name);
  }
}

/**
 * Whether a layer reads, within the stack, as its proof says: it is in that state, or a merge is making, or has made, it
 * more by what lies over it there. One that is less, from before a merge, or more by what is not in the stack, does not.
 */
function saysTheSame({ state, table }: ImageStore, sealed: SealedLayer, stack: readonly string[]): boolean {
  const { role, merging = null, merged = [] } = state;
  if (role !== 'sealed') return false;
  if (merging !== null) return stack.includes(merging.from.layer);
  if (sameTable(table.mark, sealed)) return true;
  const before = (sealed.merged ?? []).map(({ layer }) => layer);
  const since = merged.filter(({ layer }) => !before.includes(layer));
  return table.lastSequence > sealed.lastSequence && since.every(({ layer }) => stack.includes(layer));
}
