// What an image is at this store, in figures for people and for whoever waits that it depends on no other node. Reads
// and changes nothing.
import type { StoreImage, StoreLayer } from '../../wire/contracts/blockd.ts';
import { sumOfTraffic, type Traffic } from '../peer/traffic.ts';
import type { ImageStore } from '../store/image-store.ts';
import type { Image } from './image.ts';

type TrafficCounters = Pick<
  StoreImage['counters'],
  'blockBytesIn' | 'blockBytesOut' | 'entryBytesIn' | 'entryBytesOut'
>;
/** What an image knows of itself: not when it was scrubbed. */
export type ImageFigures = Omit<StoreImage, 'scrubbedAtMs'>;

/** The image's figures; blocks and bytes are those of all its layers. */
export function showImage(image: Image, trafficOf: (layer: string) => Traffic): ImageFigures {
  const { store, stack } = image;
  const { lastSequence, digest } = store.table.mark;
  const { written, local, elsewhere } = stack.census();
  const { role, epoch, generation } = store.state;
  const stores = stack.layers.map((layer) => layer.store);
  const place = stack.layers.find(({ pinnedTo }) => pinnedTo !== undefined)?.pinnedTo;
  return {
    ...{ image: store.image, bytes: store.bytes, layer: store.layer, generation, role, epoch, lastSequence, digest },
    writtenBlocks: written,
    localBlocks: local,
    dependsOn: Array.from(withUnbrought(elsewhere, image), ([node, blocks]) => ({ node: node || 'unknown', blocks })),
    ...(place === undefined ? {} : { stub: { place, waiting: waitingOf(image) } }),
    counters: {
      ...image.counters,
      fetchedOnDemandBlocks: image.fetchedBlocks.demand,
      fetchedInBackgroundBlocks: image.fetchedBlocks.background,
      pushedHereBlocks: image.fetchedBlocks.pushed,
      spoiltBlocks: stores.reduce((sum, { file }) => sum + file.spoiltBlocks, 0),
      evictedBlocks: stores.reduce((sum, { copies }) => sum + copies.evictedBlocks, 0),
      ...bytesOf(stores.map(({ layer }) => trafficOf(layer))),
    },
  };
}

/** With the blocks of layers that are yet to come here, whoever has them: until then it cannot be read without others. */
function withUnbrought(elsewhere: ReadonlyMap<string, number>, { store, stack }: Image): ReadonlyMap<string, number> {
  const here = new Set(stack.layers.map((layer) => layer.store.layer));
  const unbrought = store.state.below.filter(({ layer }) => !here.has(layer));
  const blocks = unbrought.reduce((sum, { entries }) => sum + entries, 0);
  return blocks === 0 ? elsewhere : new Map([...elsewhere, ['', (elsewhere.get('') ?? 0) + blocks]]);
}

/** Requests that wait for a pin to be taken away, or to be made at its place. */
function waitingOf({ gate, stack }: Image): number {
  const atGate = gate.heldFor === '' ? 0 : gate.waiting;
  return stack.layers.reduce((sum, { heldRequests }) => sum + heldRequests, atGate);
}

/** One layer's figures. */
export function showLayer({ layer, image, state, bytes, table }: ImageStore): StoreLayer {
  const { role } = state;
  const { entries, lastSequence, digest } = table.mark;
  const { local } = table.census();
  return { layer, image, role, bytes, writtenBlocks: entries, localBlocks: local, lastSequence, digest };
}

function bytesOf(all: readonly Traffic[]): TrafficCounters {
  const sum = sumOfTraffic(all);
  const [blocks, entries] = [sum.sum(false), sum.sum(true)];
  return {
    blockBytesIn: blocks.bytesIn,
    blockBytesOut: blocks.bytesOut,
    entryBytesIn: entries.bytesIn,
    entryBytesOut: entries.bytesOut,
  };
}
