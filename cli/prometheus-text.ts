// Metrics in Prometheus's text format, by prom-client. `image_` families count what images see, and those on one layer
// each count it; `store_` families count each layer once. Durations in seconds, amounts in bytes or blocks of 4 KiB.
import { AggregatorRegistry } from 'prom-client';
import { type BlockMetrics, type ClusterMetrics, FETCH_BUCKETS_MS } from '../wire/contracts/metrics.ts';
import type { NetworkFigures } from '../wire/contracts/traffic.ts';

type Labels = Readonly<Record<string, string>>;

interface Value {
  readonly value: number;
  readonly labels: Labels;
  /** Where the line's name is not the family's. */
  readonly metricName?: string;
}

interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly aggregator: 'sum';
  readonly values: Value[];
}

const PREFIX = 'supercloud_';
const BLOCK_NAMES = ['offered', 'pushed', 'failed', 'useful', 'wasted', 'missed'] as const;

class Families {
  readonly #families = new Map<string, Family>();

  add(type: Family['type'], short: string, help: string, ...values: readonly Value[]): void {
    const name = `${PREFIX}${short}`;
    const family = this.#families.get(name) ?? { name, help, type, aggregator: 'sum', values: [] };
    family.values.push(...values);
    this.#families.set(name, family);
  }

  get all(): readonly Family[] {
    return [...this.#families.values()];
  }
}

function addRequests(families: Families, labels: Labels, metrics: BlockMetrics): void {
  const { hits, misses, writes, flushes, propagation } = metrics;
  const reads = [
    { value: hits, labels: { ...labels, result: 'hit' } },
    { value: misses, labels: { ...labels, result: 'miss' } },
  ];
  families.add('counter', 'image_reads_total', 'Reads of clients, by whether another node was waited for', ...reads);
  families.add('counter', 'image_writes_total', 'Writes of clients', { value: writes, labels });
  families.add('counter', 'image_flushes_total', 'Flushes of clients', { value: flushes, labels });
  addFetchTime(families, labels, metrics);
  const pushes = BLOCK_NAMES.map((outcome) => ({
    value: propagation[`${outcome}Blocks`],
    labels: { ...labels, outcome },
  }));
  families.add('counter', 'image_pushed_blocks_total', 'Blocks pushed ahead, by what became of them', ...pushes);
}

function addFetchTime(families: Families, labels: Labels, { fetchTime }: BlockMetrics): void {
  const name = `${PREFIX}image_fetch_seconds`;
  let below = 0;
  const buckets = fetchTime.counts.map((count, at) => {
    below += count;
    const endMs = FETCH_BUCKETS_MS[at];
    const le = endMs === undefined ? '+Inf' : `${endMs / 1000}`;
    return { value: below, labels: { ...labels, le }, metricName: `${name}_bucket` };
  });
  const sum = { value: fetchTime.sumMs / 1000, labels, metricName: `${name}_sum` };
  const count = { value: below, labels, metricName: `${name}_count` };
  const help = 'How long clients waited for blocks of other nodes';
  families.add('histogram', 'image_fetch_seconds', help, ...buckets, sum, count);
}

function addLayers(families: Families, scope: string, labels: Labels, metrics: BlockMetrics, wan: WanOf): void {
  const { queuedBlocks, fetchedOnDemandBlocks, fetchedInBackgroundBlocks, pushedHereBlocks } = metrics;
  const { spoiltBlocks, traffic } = metrics;
  const queued = 'Blocks asked of other nodes and not here yet';
  families.add('gauge', `${scope}_queued_blocks`, queued, { value: queuedBlocks, labels });
  const fetched = [
    { value: fetchedOnDemandBlocks, labels: { ...labels, cause: 'demand' } },
    { value: fetchedInBackgroundBlocks, labels: { ...labels, cause: 'background' } },
    { value: pushedHereBlocks, labels: { ...labels, cause: 'pushed' } },
  ];
  families.add('counter', `${scope}_fetched_blocks_total`, 'Blocks that came from other nodes', ...fetched);
  const spoilt = 'Blocks found not to be what their versions name';
  families.add('counter', `${scope}_spoilt_blocks_total`, spoilt, { value: spoiltBlocks, labels });
  const bytes = traffic.flatMap(({ peer, cause, bytesIn, bytesOut }) => {
    const way = { ...labels, peer, cause, wan: `${wan(peer)}` };
    return [
      { value: bytesIn, labels: { ...way, direction: 'in' } },
      { value: bytesOut, labels: { ...way, direction: 'out' } },
    ];
  });
  families.add('counter', `${scope}_peer_bytes_total`, 'Bytes of frames between nodes, TLS not counted', ...bytes);
}

/** Before an image's first point there is no lag to give. */
function addRecovery(families: Families, recovery: NonNullable<ClusterMetrics['recovery']>): void {
  for (const { image, rpoSeconds, lostMs } of recovery) {
    const [labels, lost] = [{ image }, lostMs === null ? [] : [{ value: lostMs / 1000, labels: { image } }]];
    families.add('gauge', 'image_recovery_rpo_seconds', 'What may be lost with the disk of the writer', {
      value: rpoSeconds,
      labels,
    });
    families.add('gauge', 'image_recovery_lost_seconds', 'What would be lost with it now', ...lost);
  }
}

/** Whether a peer is in another cloud. */
type WanOf = (peer: string) => boolean;

function addLinks(families: Families, links: NonNullable<ClusterMetrics['links']>): void {
  for (const { a, b, verdict, roundTripMs, loss } of links) {
    const labels = { a, b };
    const isUp = 'Whether frames get through both ways between two nodes, as both report';
    if (verdict !== 'unknown') families.add('gauge', 'link_up', isUp, { value: verdict === 'up' ? 1 : 0, labels });
    if (roundTripMs === null) continue;
    const seconds = { value: roundTripMs / 1000, labels };
    families.add('gauge', 'link_round_trip_seconds', 'Round trip through the tunnel between two nodes', seconds);
    families.add('gauge', 'link_loss_ratio', 'Of the last 32 probes, those that did not come', { value: loss, labels });
  }
}

/** The whole of it as one exposition. */
function addNetwork(families: Families, { switches, pairs }: NetworkFigures): void {
  for (const { from, to, bytes, frames } of pairs) {
    const labels = { from, to: to ?? '' };
    const sent = 'sent by a VM to another (none: to what is no VM), counted at its own port';
    families.add('counter', 'vm_sent_bytes_total', `Bytes of frames ${sent}`, { value: bytes, labels });
    families.add('counter', 'vm_sent_frames_total', `Frames ${sent}`, { value: frames, labels });
  }
  for (const { node, connected, flows, flowMods, packetIns } of switches) {
    const [labels, isIn] = [{ node }, connected ? 1 : 0];
    families.add('gauge', 'switch_connected', "Whether a node's switch is in session", { value: isIn, labels });
    families.add('gauge', 'switch_flows', "The controller's flow entries in a switch", { value: flows, labels });
    const mods = "Flow-mods sent to a switch since the overlay's controller started";
    families.add('counter', 'switch_flow_mods_total', mods, { value: flowMods, labels });
    for (const [use, value] of Object.entries(packetIns ?? {})) {
      const brought = 'Frames that a switch brought its agent since that started';
      families.add('counter', 'switch_packet_ins_total', brought, { value, labels: { node, for: use } });
    }
  }
}

export async function prometheusText({
  nodes,
  members,
  recovery = [],
  links = [],
  network,
}: ClusterMetrics): Promise<string> {
  const cloudOf = new Map(members.map(({ node, cloud }) => [node, cloud]));
  const families = new Families();
  for (const { node, metrics } of nodes) {
    const isWan: WanOf = (peer) => cloudOf.get(peer) !== cloudOf.get(node);
    for (const { image, metrics: own } of metrics.images) {
      addRequests(families, { node, image }, own);
      addLayers(families, 'image', { node, image }, own, isWan);
    }
    addLayers(families, 'store', { node }, metrics.all, isWan);
  }
  addRecovery(families, recovery);
  addLinks(families, links);
  if (network !== undefined) addNetwork(families, network);
  return AggregatorRegistry.aggregate([[...families.all]]).metrics();
}
