// Metrics as a person and as Prometheus see them: quantiles from buckets, what crossed a WAN, one exposition for all nodes.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { describeMetrics, fetchedWithin, wanBytes } from '../../../cli/metrics-text.ts';
import { prometheusText } from '../../../cli/prometheus-text.ts';
import { type BlockMetrics, type ClusterMetrics, FETCH_BUCKETS_MS } from '../../../wire/contracts/metrics.ts';
import type { TopologyLink } from '../../../wire/contracts/topology.ts';

const times = (...pairs: [bucket: number, count: number][]): number[] => {
  const counts = new Array<number>(FETCH_BUCKETS_MS.length + 1).fill(0);
  for (const [bucket, count] of pairs) counts[bucket] = count;
  return counts;
};

const METRICS: BlockMetrics = {
  ...{ hits: 900, misses: 100, writes: 7, flushes: 2, queuedBlocks: 3, spoiltBlocks: 0 },
  ...{ fetchedOnDemandBlocks: 100, fetchedInBackgroundBlocks: 50, pushedHereBlocks: 4 },
  fetchTime: { counts: times([3, 90], [7, 10]), sumMs: 1_500 },
  propagation: {
    ...{ offeredBlocks: 6, pushedBlocks: 5, failedBlocks: 1, usefulBlocks: 2, wastedBlocks: 1, missedBlocks: 3 },
  },
  traffic: [
    { peer: 'b', cause: 'demand', bytesIn: 1_000_000, bytesOut: 500 },
    { peer: 'a2', cause: 'demand', bytesIn: 9_000_000, bytesOut: 0 },
    { peer: 'b', cause: 'table', bytesIn: 0, bytesOut: 2_000 },
  ],
};

const CLUSTER: ClusterMetrics = {
  nodes: ['a', 'b'].map((node) => ({ node, metrics: { images: [{ image: 'web', metrics: METRICS }], all: METRICS } })),
  members: [
    { node: 'a', cloud: 'alpha' },
    { node: 'a2', cloud: 'alpha' },
    { node: 'b', cloud: 'beta' },
  ],
  unreachable: ['c'],
};

test('a share of the fetches is done within the end of its bucket', () => {
  assert.is(fetchedWithin(METRICS.fetchTime, 0.5), '10 ms');
  assert.is(fetchedWithin(METRICS.fetchTime, 0.99), '200 ms');
  assert.is(fetchedWithin({ counts: times([FETCH_BUCKETS_MS.length, 1]), sumMs: 12_000 }, 0.5), 'over 10.0 s');
  assert.is(fetchedWithin({ counts: times(), sumMs: 0 }, 0.5), '');
});

test('what stays within a cloud crosses no WAN', () => {
  assert.equal(
    [...wanBytes(METRICS, 'a', CLUSTER)],
    [
      ['demand', 1_000_500],
      ['table', 2_000],
    ],
  );
});

test('the tables have each image and all of each node, and name who was not reached', () => {
  const text = describeMetrics(CLUSTER);
  assert.match(text, /a +web +900 +100 +90\.0 % +10 ms +200 ms +7 +2\n/);
  assert.match(text, /a +web +12\.3 kB +20\.5 kB +8\.2 kB +4\.1 kB/);
  assert.match(text, /a +all +1\.0 MB +0 B +0 B +0 B +2\.0 kB/);
  assert.match(text, /not reached: c/);
});

test('Prometheus gets every family once, with all nodes in it', async () => {
  const lines = (await prometheusText(CLUSTER)).split('\n');
  const has = (line: string): void => assert.ok(lines.includes(line), line);
  has('# TYPE supercloud_image_fetch_seconds histogram');
  has('supercloud_image_fetch_seconds_bucket{node="a",image="web",le="0.005"} 0');
  has('supercloud_image_fetch_seconds_bucket{node="a",image="web",le="0.01"} 90');
  has('supercloud_image_fetch_seconds_bucket{node="a",image="web",le="+Inf"} 100');
  has('supercloud_image_fetch_seconds_sum{node="a",image="web"} 1.5');
  has('supercloud_image_fetch_seconds_count{node="b",image="web"} 100');
  has('supercloud_image_reads_total{node="b",image="web",result="miss"} 100');
  has('supercloud_image_pushed_blocks_total{node="a",image="web",outcome="wasted"} 1');
  has('supercloud_store_peer_bytes_total{node="a",peer="b",cause="demand",wan="true",direction="in"} 1000000');
  has('supercloud_store_peer_bytes_total{node="a",peer="a2",cause="demand",wan="false",direction="in"} 9000000');
  has('supercloud_store_queued_blocks{node="a"} 3');
  const types = lines.filter((line) => line.startsWith('# TYPE'));
  assert.is(new Set(types).size, types.length);
});

test('of images under async what may be lost, and what would be now', async () => {
  const recovery = [
    { image: 'web', rpoSeconds: 30, lostMs: 12_500 },
    { image: 'log', rpoSeconds: 60, lostMs: null },
  ];
  const text = await prometheusText({ ...CLUSTER, recovery });
  assert.match(text, 'supercloud_image_recovery_lost_seconds{image="web"} 12.5');
  assert.match(text, 'supercloud_image_recovery_rpo_seconds{image="log"} 60');
  assert.not.match(text, 'supercloud_image_recovery_lost_seconds{image="log"}');
});

test('of links what was measured, and of an unknown one nothing', async () => {
  const measured = { verdict: 'up', roundTripMs: 75.5, loss: 0.25, provedBytes: 1_344 } as const;
  const link: TopologyLink = { a: 'a', b: 'b', ...measured, isShared: true, via: [] };
  const links: TopologyLink[] = [
    link,
    { ...link, b: 'c', verdict: 'down', roundTripMs: null },
    { ...link, b: 'd', verdict: 'unknown', roundTripMs: null },
  ];
  const text = await prometheusText({ ...CLUSTER, links });
  assert.match(text, 'supercloud_link_up{a="a",b="b"} 1');
  assert.match(text, 'supercloud_link_up{a="a",b="c"} 0');
  assert.match(text, 'supercloud_link_round_trip_seconds{a="a",b="b"} 0.0755');
  assert.match(text, 'supercloud_link_loss_ratio{a="a",b="b"} 0.25');
  assert.not.match(text, 'b="d"');
});

test.run();
