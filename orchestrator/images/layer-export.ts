// Has a node write layers that nobody changes as one disk to a file.
import type { ExportedFile, ExportFormat } from '../../wire/contracts/blockd.ts';
import type { SealedLayer } from '../../wire/contracts/layers.ts';
import type { Cluster } from '../cluster.ts';
import type { LayerSweep } from './layer-sweep.ts';

/** Where an image is to be written: by a node that has all its blocks. */
export interface ImageTarget {
  readonly node?: string | undefined;
  readonly path: string;
  readonly format: ExportFormat;
}

/** Who hears how far it is, and says when to stop. */
export interface Watch {
  readonly onProgress: (progress: { doneBytes: number; totalBytes: number }) => void;
  readonly signal?: AbortSignal;
}

/** A disk that does not change, and the node that had its newest layer. */
export interface StillDisk {
  readonly image: string;
  readonly bytes: number;
  readonly holder: string;
  readonly layers: SealedLayer[];
}

/** Who sees to the layers of the nodes. */
export interface ExportParts {
  readonly cluster: Cluster;
  readonly sweep: Pick<LayerSweep, 'mergedAt'>;
}

/**
 * The catalogue may have merged layers a moment ago that the node has not merged yet: it does so first.
 * @throws OperationError CLOUD_UNKNOWN, NODE_DOWN and those of the node
 */
export async function exportLayers(
  { cluster, sweep }: ExportParts,
  { image, bytes, holder, layers }: StillDisk,
  target: ImageTarget,
  watch: Watch,
): Promise<{ node: string; file: ExportedFile }> {
  const { node } = cluster.upNodeOf(target.node ?? holder);
  const { path, format } = target;
  await sweep.mergedAt(
    node,
    layers.map(({ layer }) => layer),
  );
  const order = { image, bytes, layers, path, format };
  return { node, file: await cluster.clients(node).blockd.call('image.export', order, watch) };
}
