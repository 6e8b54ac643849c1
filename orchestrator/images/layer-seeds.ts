// Brings read-only layers to places ahead of the machines that will stand on them. Blocks never pass through here.
import { OperationError } from '../../common/errors.ts';
import type { SealedLayer } from '../../wire/contracts/layers.ts';
import type { Cluster } from '../cluster.ts';
import type { Watch } from './layer-export.ts';

/** Half of the lab's 200 Mbit/s: guests keep the other half. */
const SEED_RATE_BYTES_PER_SECOND = 12_500_000;

export interface SeedOrder {
  /** A snapshot's or an image's name. */
  readonly source: string;
  /** Nodes, or their clouds. */
  readonly to: readonly string[];
  readonly rateBytesPerSecond?: number | undefined;
  /** Nodes that do not know yet that it stays there refuse it. */
  readonly isPoint?: boolean;
}

export class LayerSeeds {
  readonly #cluster: Cluster;

  constructor(options: { cluster: Cluster }) {
    this.#cluster = options.cluster;
  }

  /**
   * Answers the nodes that have everything now. Ends with its caller; what has come stays.
   * @throws OperationError NO_SOURCE, NOTHING_TO_SEED, NODE_DOWN and those of the nodes
   */
  async seed(
    { source, to, rateBytesPerSecond = SEED_RATE_BYTES_PER_SECOND, isPoint = false }: SeedOrder,
    watch: Watch,
  ): Promise<string[]> {
    const { layers, holder } = await this.#layersOf(source);
    const nodes = [...new Set(to.map((cloud) => this.#cluster.upNodeOf(cloud).node))];
    const from = this.#cluster.endpoint(holder);
    const told = new Map<string, { doneBytes: number; totalBytes: number }>();
    await Promise.all(
      nodes.map((node) =>
        this.#cluster.clients(node).blockd.call(
          'layer.seed',
          { layers, from, rateBytesPerSecond, isPoint },
          {
            ...watch,
            onProgress: (progress) => {
              told.set(node, progress);
              watch.onProgress(sumOf([...told.values()]));
            },
          },
        ),
      ),
    );
    return nodes;
  }

  async #layersOf(source: string): Promise<{ layers: SealedLayer[]; holder: string }> {
    const { catalogue } = this.#cluster.controller;
    const { snapshots } = await catalogue.call('snapshot.list', {});
    const snapshot = snapshots.find((one) => one.snapshot === source);
    if (snapshot !== undefined) {
      const layers = new Map(
        snapshot.disks.flatMap((disk) => disk.layers.map((layer) => [layer.layer, layer] as const)),
      );
      return { layers: [...layers.values()], holder: snapshot.disks[0]?.holder ?? '' };
    }
    const { heads } = await catalogue.call('image.list', {});
    const head = heads.find((one) => one.image === source);
    if (head === undefined) {
      throw new OperationError('NO_SOURCE', `there is neither a snapshot nor an image ${source}`, {
        remedy: 'look with supercloud snapshot list and supercloud image list',
      });
    }
    if (head.stack.below.length > 0) return { layers: head.stack.below, holder: head.writer ?? head.holder };
    throw new OperationError('NOTHING_TO_SEED', `image ${source} has no layer that is read only`, {
      remedy: 'take a snapshot of it first, and seed that',
    });
  }
}

function sumOf(all: readonly { doneBytes: number; totalBytes: number }[]): { doneBytes: number; totalBytes: number } {
  const sum = { doneBytes: 0, totalBytes: 0 };
  for (const { doneBytes, totalBytes } of all) {
    sum.doneBytes += doneBytes;
    sum.totalBytes += totalBytes;
  }
  return sum;
}
