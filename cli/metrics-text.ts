// Metrics for a person: what clients asked for, what was pushed ahead, and what crossed between clouds for what.
import { formatBytes, formatMs } from '../common/terminal/progress.ts';
import { formatTable } from '../common/terminal/table.ts';
import {
  type BlockMetrics,
  type ClusterMetrics,
  FETCH_BUCKETS_MS,
  type TimeCounts,
} from '../wire/contracts/metrics.ts';

const BLOCK_BYTES = 4096;

/** In how many ms a share of the fetches was done, as the upper end of a bucket; nothing when there was none. */
export function fetchedWithin({ counts }: TimeCounts, share: number): string {
  const all = counts.reduce((sum, count) => sum + count, 0);
  let seen = 0;
  const at = counts.findIndex((count) => {
    seen += count;
    return seen >= share * all;
  });
  if (all === 0) return '';
  const endMs = FETCH_BUCKETS_MS[at];
  return endMs === undefined ? `over ${formatMs(FETCH_BUCKETS_MS.at(-1) ?? 0)}` : formatMs(endMs);
}

/** Bytes to and from nodes of other clouds, by cause; what stays within a cloud crosses no WAN. */
export function wanBytes({ traffic }: BlockMetrics, node: string, { members }: ClusterMetrics): Map<string, number> {
  const cloudOf = new Map(members.map((member) => [member.node, member.cloud]));
  const bytes = new Map<string, number>();
  for (const { peer, cause, bytesIn, bytesOut } of traffic) {
    if (cloudOf.get(peer) === cloudOf.get(node)) continue;
    bytes.set(cause, (bytes.get(cause) ?? 0) + bytesIn + bytesOut);
  }
  return bytes;
}

const inBytes = (blocks: number): string => formatBytes(blocks * BLOCK_BYTES);
const figures = (...titles: string[]): { title: string; figures: true }[] =>
  titles.map((title) => ({ title, figures: true }));

interface Row {
  readonly node: string;
  readonly image: string;
  readonly metrics: BlockMetrics;
}

function rowsOf({ nodes }: ClusterMetrics): Row[] {
  return nodes.flatMap(({ node, metrics }) => [
    ...metrics.images.map((one) => ({ node, ...one })),
    { node, image: 'all', metrics: metrics.all },
  ]);
}

function describeRequests({ node, image, metrics }: Row): string[] {
  const { hits, misses, writes, flushes, fetchTime } = metrics;
  // Rounded down: 100 % is all of them.
  const share = hits + misses === 0 ? '' : `${(Math.floor((1_000 * hits) / (hits + misses)) / 10).toFixed(1)} %`;
  const times = [fetchedWithin(fetchTime, 0.5), fetchedWithin(fetchTime, 0.99)];
  return [node, image, `${hits}`, `${misses}`, share, ...times, `${writes}`, `${flushes}`];
}

function describePushes({ node, image, metrics: { queuedBlocks, propagation } }: Row): string[] {
  const { pushedBlocks, usefulBlocks, wastedBlocks } = propagation;
  return [node, image, ...[queuedBlocks, pushedBlocks, usefulBlocks, wastedBlocks].map(inBytes)];
}

/** Three tables, each within 80 columns as long as names are short: requests, what was fetched and pushed, bytes between clouds. */
export function describeMetrics(all: ClusterMetrics): string {
  const names = [{ title: 'NODE' }, { title: 'IMAGE' }];
  const requests = figures('HITS', 'MISSES', 'HIT', 'FETCH P50', 'P99', 'WRITES', 'FLUSHES');
  const pushes = figures('QUEUED', 'PUSHED', 'USEFUL', 'WASTED');
  const rows = rowsOf(all);
  const causes = ['demand', 'background', 'pushed', 'served', 'table'];
  const bytes = rows.map(({ node, image, metrics }) => {
    const wan = wanBytes(metrics, node, all);
    return [node, image, ...causes.map((cause) => formatBytes(wan.get(cause) ?? 0))];
  });
  return [
    'reads, fetches that they waited for, and writes:',
    formatTable([...names, ...requests], rows.map(describeRequests)),
    '',
    'still to be fetched, and pushed ahead:',
    formatTable([...names, ...pushes], rows.map(describePushes)),
    '',
    'to and from other clouds:',
    formatTable([...names, ...figures(...causes.map((cause) => cause.toUpperCase()))], bytes),
    ...(all.unreachable.length === 0 ? [] : [`not reached: ${all.unreachable.join(', ')}`]),
  ].join('\n');
}
