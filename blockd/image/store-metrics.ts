// What this node's store has counted, per image and in all. Reads and changes nothing.
import type { BlockMetrics, StoreMetrics } from '../../wire/contracts/metrics.ts';
import type { PropagationCounters } from '../../wire/contracts/propagation.ts';
import { FetchTimes, sumOfTimes } from '../layers/fetch-times.ts';
import type { LayerBlocks } from '../layers/layer-blocks.ts';
import type { LayerShelf } from '../layers/layer-shelf.ts';
import { sumOfTraffic } from '../peer/traffic.ts';
import type { ImageReads } from './image-reads.ts';

type Requests = Pick<BlockMetrics, 'hits' | 'misses' | 'writes' | 'flushes' | 'fetchTime' | 'propagation'>;
type Layers = Omit<BlockMetrics, keyof Requests>;

interface CountedImage {
  readonly name: string;
  readonly image: ImageReads;
  readonly propagation: { readonly counters: PropagationCounters };
}

/** Where the counters are. `readings`: what is served here only to be read, by its export's name. */
interface Counted {
  readonly hosts: readonly CountedImage[];
  readonly readings: readonly { readonly name: string; readonly reads: ImageReads }[];
  readonly layers: Pick<LayerShelf, 'all' | 'trafficOf'>;
}

const NOTHING_PUSHED: PropagationCounters = {
  ...{ offeredBlocks: 0, pushedBlocks: 0, failedBlocks: 0, usefulBlocks: 0, wastedBlocks: 0, missedBlocks: 0 },
};

export function storeMetrics({ hosts, readings, layers }: Counted): StoreMetrics {
  const read = readings.map(({ name, reads }) => ({
    ...{ name: imageOf(name), image: reads, propagation: { counters: NOTHING_PUSHED } },
  }));
  const byName = Map.groupBy<string, CountedImage>([...hosts, ...read], ({ name }) => name);
  const images = Array.from(byName, ([image, all]) => {
    const own = new Set(all.flatMap((one) => one.image.stack.layers));
    return { image, metrics: { ...sumOfRequests(all.map(requestsOf)), ...countLayers([...own], layers) } };
  });
  const requests = images.map(({ metrics }) => metrics);
  return { images, all: { ...sumOfRequests(requests), ...countLayers(layers.all, layers) } };
}

/** Of an export's name: `web`, or `web@monday` for a snapshot of it. */
function imageOf(name: string): string {
  return name.split('@', 1)[0] ?? name;
}

function requestsOf({ image, propagation }: CountedImage): Requests {
  const { misses } = image;
  const { reads, writes, flushes } = image.counters;
  // A read counts when it is answered, its miss when the blocks came: a moment earlier.
  const hits = Math.max(0, reads - misses);
  return {
    hits,
    misses,
    writes,
    flushes,
    fetchTime: image.fetchTimes.counts,
    propagation: { ...propagation.counters },
  };
}

function sumOfRequests(all: readonly Requests[]): Requests {
  const sum = (pick: (one: Requests) => number): number => all.reduce((total, one) => total + pick(one), 0);
  const pushed = (name: keyof PropagationCounters): number => sum(({ propagation }) => propagation[name]);
  return {
    hits: sum(({ hits }) => hits),
    misses: sum(({ misses }) => misses),
    writes: sum(({ writes }) => writes),
    flushes: sum(({ flushes }) => flushes),
    fetchTime: all.length === 0 ? new FetchTimes().counts : sumOfTimes(all.map(({ fetchTime }) => fetchTime)),
    propagation: {
      offeredBlocks: pushed('offeredBlocks'),
      pushedBlocks: pushed('pushedBlocks'),
      failedBlocks: pushed('failedBlocks'),
      usefulBlocks: pushed('usefulBlocks'),
      wastedBlocks: pushed('wastedBlocks'),
      missedBlocks: pushed('missedBlocks'),
    },
  };
}

function countLayers(layers: readonly LayerBlocks[], shelf: Counted['layers']): Layers {
  const sum = (pick: (layer: LayerBlocks) => number): number => layers.reduce((total, one) => total + pick(one), 0);
  return {
    queuedBlocks: sum(({ queuedBlocks }) => queuedBlocks),
    fetchedOnDemandBlocks: sum(({ fetchedBlocks }) => fetchedBlocks.demand),
    fetchedInBackgroundBlocks: sum(({ fetchedBlocks }) => fetchedBlocks.background),
    pushedHereBlocks: sum(({ fetchedBlocks }) => fetchedBlocks.pushed),
    spoiltBlocks: sum(({ store }) => store.file.spoiltBlocks),
    traffic: [...sumOfTraffic(layers.map(({ store }) => shelf.trafficOf(store.layer))).meters],
  };
}
