// Layers that nobody changes, read as one disk: a snapshot, or an image that is closed. It needs every layer's table as it
// is proven and every block that is seen, and gets nothing from elsewhere.
import { OperationError } from '../../common/errors.ts';
import type { SealedLayer } from '../../wire/contracts/layers.ts';
import type { LayerBlocks } from '../layers/layer-blocks.ts';
import type { LayerShelf } from '../layers/layer-shelf.ts';
import { BLOCK_BYTES } from '../table/block-version.ts';
import { BlockStack } from './block-stack.ts';
import { StillLayers } from './still-layers.ts';

/** What is to be read: layers, the newest first. */
export interface StillOrder {
  readonly image: string;
  readonly bytes: number;
  readonly layers: readonly SealedLayer[];
}

/** One disk that does not change. */
export class StillImage {
  readonly image: string;
  readonly bytes: number;
  /** Undefined when no layer says anything: all zeros. */
  readonly #stack: BlockStack | undefined;
  readonly #layers: StillLayers;

  /** @throws OperationError IMAGE_OPEN, TABLE_DIFFERS, LAYER_ELSEWHERE, BLOCKS_ELSEWHERE */
  constructor({ image, bytes, layers }: StillOrder, shelf: Pick<LayerShelf, 'find'>) {
    this.image = image;
    this.bytes = bytes;
    const [top, ...below] = layers.filter(({ entries }) => entries > 0).map((one) => provenLayer(image, one, shelf));
    this.#stack = top === undefined ? undefined : new BlockStack(top, below);
    this.#layers = new StillLayers(this.#stack?.layers ?? []);
    this.#checkWhole();
  }

  /**
   * @throws OperationError TABLE_DIFFERS when a layer is another one since, BLOCKS_SPOILT when data has turned out not to be what
   * its version names
   */
  read(offset: number, into: Uint8Array): void {
    if (!this.#layers.isStill) {
      throw new OperationError('TABLE_DIFFERS', `image ${this.image} has changed here since its reading began`, {
        remedy: 'Its snapshot may have been deleted meanwhile: see supercloud snapshot list, and read it again.',
      });
    }
    if (this.#stack === undefined) into.fill(0);
    else if (!this.#stack.read(into, offset, true)) {
      const where = `the ${into.length} bytes at offset ${offset} of image ${this.image}`;
      throw new OperationError('BLOCKS_SPOILT', `${where} are not all here as they were written`, {
        remedy: 'Let a VM open the image here and pull it (supercloud image pull): another store may have them.',
      });
    }
  }

  #checkWhole(): void {
    if (this.#stack?.someMissing(0, this.bytes / BLOCK_BYTES) !== true) return;
    const missing = [...this.#stack.census().elsewhere.values()].reduce((sum, count) => sum + count, 0);
    throw new OperationError(
      'BLOCKS_ELSEWHERE',
      `${missing} of the blocks of image ${this.image} are not at this node`,
      {
        remedy: 'Bring a snapshot here with supercloud image seed; let a VM open an image here and pull it.',
      },
    );
  }
}

function provenLayer(image: string, { layer, digest }: SealedLayer, shelf: Pick<LayerShelf, 'find'>): LayerBlocks {
  const found = shelf.find(layer);
  if (found === undefined) {
    throw new OperationError('LAYER_ELSEWHERE', `layer ${layer} of image ${image} is not at this node`, {
      remedy: 'Choose the node that closed the image, or bring a snapshot here with supercloud image seed.',
    });
  }
  const { role } = found.store.state;
  if (role !== 'replica' && role !== 'sealed' && role !== 'loose') {
    throw new OperationError('IMAGE_OPEN', `image ${image} is a ${role} here`, { remedy: 'Close it first.' });
  }
  if (found.store.table.mark.digest === digest) return found;
  throw new OperationError('TABLE_DIFFERS', `layer ${layer} of image ${image} is not here as it was closed`, {
    remedy: 'Ask the node that closed it last.',
  });
}
