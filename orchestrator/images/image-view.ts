// An image as the operator looks at it: the catalogue's head beside what each store says. Reads and changes nothing; who
// cannot be asked is named, not guessed at.
import type { Head } from '../../wire/contracts/catalogue.ts';
import type { ImageLayer, ImageState } from '../../wire/contracts/cluster-state.ts';
import type { HeatMap } from '../../wire/contracts/heat.ts';
import type { Cluster } from '../cluster.ts';

/** Head, layers and every reachable store's view; where it is read and written in so many cells, if asked for. */
export async function viewImage(cluster: Cluster, head: Head, heatCells?: number): Promise<ImageState> {
  const { image, stack, writer } = head;
  const shown: ImageState = {
    ...{ head, stores: [], layers: [], heat: null, recovery: null, readers: [], unreachable: [] },
  };
  const holders = new Map<string, ImageLayer['holders']>();
  const heat = heatCells === undefined || writer === null ? null : heatAt(cluster, image, writer, heatCells);
  await Promise.all(
    cluster.endpoints().map(async ({ node }) => {
      try {
        const { blockd } = cluster.clients(node);
        const [{ images }, { layers }] = await Promise.all([
          blockd.call('image.list', {}),
          blockd.call('layer.list', {}),
        ]);
        const store = images.find((candidate) => candidate.image === image && candidate.layer === stack.layer);
        if (store !== undefined) shown.stores.push({ node, store });
        for (const layer of layers) holders.set(layer.layer, [...(holders.get(layer.layer) ?? []), { node, layer }]);
      } catch {
        shown.unreachable.push(node);
      }
    }),
  );
  shown.heat = await heat;
  shown.readers = await Promise.all((head.readers ?? []).map((node) => clientsAt(cluster, image, node)));
  shown.stores.sort((a, b) => a.node.localeCompare(b.node));
  const top = shown.stores.find(({ node }) => node === writer)?.store;
  const lastSequence = top?.lastSequence ?? head.last.lastSequence;
  for (const one of [{ layer: stack.layer, bytes: head.bytes, lastSequence }, ...stack.below]) {
    const at = (holders.get(one.layer) ?? []).sort((a, b) => a.node.localeCompare(b.node));
    const { layer, bytes } = one;
    shown.layers.push({ layer, bytes, isTop: layer === stack.layer, lastSequence: one.lastSequence, holders: at });
  }
  return shown;
}

async function clientsAt(cluster: Cluster, image: string, node: string): Promise<ImageState['readers'][number]> {
  try {
    const { readers } = await cluster.clients(node).blockd.call('reader.list', {});
    return { node, clients: readers.find((one) => one.image === image)?.clients ?? 0 };
  } catch {
    return { node, clients: null };
  }
}

async function heatAt(cluster: Cluster, image: string, node: string, cells: number): Promise<HeatMap | null> {
  try {
    return (await cluster.clients(node).blockd.call('image.heat', { image, cells })).heat;
  } catch {
    return null;
  }
}
