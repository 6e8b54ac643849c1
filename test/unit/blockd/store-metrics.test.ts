// What a store counts: reads that had all they asked for, reads that waited and for how long, and layers once for all images.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { storeMetrics } from '../../../blockd/image/store-metrics.ts';
import { FetchTimes, sumOfTimes } from '../../../blockd/layers/fetch-times.ts';
import { Traffic } from '../../../blockd/peer/traffic.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { SchemaCheck } from '../../../common/schema-check.ts';
import { FETCH_BUCKETS_MS, StoreMetrics } from '../../../wire/contracts/metrics.ts';
import { settle } from './manual-clock.ts';
import { firstByte, smallImage } from './small-image.ts';

const counters = {
  ...{ offeredBlocks: 6, pushedBlocks: 5, failedBlocks: 1, usefulBlocks: 2, wastedBlocks: 1, missedBlocks: 3 },
};

test('a read of what is here is a hit, one that waits for another node a miss with its time', async () => {
  const { image, source, clock } = await smallImage([3]);
  await image.write(0, Buffer.alloc(BLOCK_BYTES, 1), false);
  await firstByte(image, 0);
  const reading = firstByte(image, 3);
  await settle();
  assert.is(image.stack.top.queuedBlocks, 1);
  await clock.advance(7);
  source.give(9);
  assert.is(await reading, 9);
  const layers = { all: image.stack.layers, trafficOf: () => new Traffic() };
  const { all } = storeMetrics({ hosts: [{ name: 'web', image, propagation: { counters } }], readings: [], layers });
  assert.equal([all.hits, all.misses, all.writes, all.queuedBlocks, all.fetchedOnDemandBlocks], [1, 1, 1, 0, 1]);
  assert.is(all.fetchTime.counts[FETCH_BUCKETS_MS.indexOf(10)], 1);
  assert.is(all.fetchTime.sumMs, 7);
});

test('what two images count is added up, what went on in the layer that they share is not', async () => {
  const { image } = await smallImage();
  await image.write(0, Buffer.alloc(BLOCK_BYTES, 1), false);
  const traffic = new Traffic();
  traffic.meter('b', 'demand').bytesIn += 4_096;
  const hosts = ['web', 'web2'].map((name) => ({ name, image, propagation: { counters } }));
  const metrics = storeMetrics({ hosts, readings: [], layers: { all: image.stack.layers, trafficOf: () => traffic } });
  assert.equal(
    metrics.images.map((one) => [one.image, one.metrics.writes, one.metrics.propagation.usefulBlocks]),
    [
      ['web', 1, 2],
      ['web2', 1, 2],
    ],
  );
  assert.equal([metrics.all.writes, metrics.all.propagation.pushedBlocks], [2, 10]);
  const bytes = [{ peer: 'b', cause: 'demand', bytesIn: 4_096, bytesOut: 0 }];
  assert.equal(metrics.all.traffic, bytes);
  assert.equal(metrics.images[1]?.metrics.traffic, bytes);
  assert.ok(new SchemaCheck(StoreMetrics).accepts(metrics));
});

test('what readers of an image or of its snapshots read counts with the image, whether that is here or not', async () => {
  const { image } = await smallImage();
  await firstByte(image, 0);
  const host = { name: 'web', image, propagation: { counters } };
  const readings = ['web', 'web@monday', 'mail@monday'].map((name) => ({ name, reads: image }));
  const layers = { all: image.stack.layers, trafficOf: () => new Traffic() };
  const metrics = storeMetrics({ hosts: [host], readings, layers });
  assert.equal(
    metrics.images.map((one) => [one.image, one.metrics.hits, one.metrics.propagation.usefulBlocks]),
    [
      ['web', 3, 2],
      ['mail', 1, 0],
    ],
  );
  assert.is(metrics.all.hits, 4);
  assert.ok(new SchemaCheck(StoreMetrics).accepts(metrics));
});

test('a store without images has counted nothing, and says so in the same shape', () => {
  const metrics = storeMetrics({ hosts: [], readings: [], layers: { all: [], trafficOf: () => new Traffic() } });
  assert.ok(new SchemaCheck(StoreMetrics).accepts(metrics));
  assert.is(metrics.all.hits, 0);
});

test('a time lies in the first bucket that is not shorter; what is longer than all lies in the last', () => {
  const times = new FetchTimes();
  for (const ms of [1, 1.1, 10_000, 10_001]) times.add(ms);
  const { counts, sumMs } = times.counts;
  assert.equal([counts[0], counts[1], counts.at(-2), counts.at(-1)], [1, 1, 1, 1]);
  assert.is(sumMs, 20_003.1);
  assert.is(sumOfTimes([times.counts, times.counts]).counts[0], 2);
});

test.run();
