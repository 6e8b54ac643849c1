// Random parts of multipart messages: ports, flows, tables and their counters, each field over its whole range.
import type { FlowFilter, FlowStats, MultipartReply, MultipartRequest, Port, PortStats } from '@openflow/ofp';
import type { Random } from './random.ts';
import { randomEth } from './random-field.ts';
import { randomInstructions, randomMatch } from './random-match.ts';
import {
  randomGroupDesc,
  randomGroupFeatures,
  randomGroupStats,
  randomMeterConfig,
  randomMeterStats,
  randomQueueStats,
} from './random-stats.ts';
import { randomTableFeatures } from './random-tables.ts';

export function randomPort(random: Random): Port {
  return {
    portNo: random.bits(32),
    hwAddress: randomEth(random),
    name: random.text(15),
    config: random.bits(32),
    state: random.bits(32),
    current: random.bits(32),
    advertised: random.bits(32),
    supported: random.bits(32),
    peer: random.bits(32),
    currentKbps: random.bits(32),
    maxKbps: random.bits(32),
  };
}

function randomPortStats(random: Random): PortStats {
  return {
    portNo: random.bits(32),
    rxPackets: random.bigBits(64),
    txPackets: random.bigBits(64),
    rxBytes: random.bigBits(64),
    txBytes: random.bigBits(64),
    rxDropped: random.bigBits(64),
    txDropped: random.bigBits(64),
    rxErrors: random.bigBits(64),
    txErrors: random.bigBits(64),
    rxFrameErrors: random.bigBits(64),
    rxOverErrors: random.bigBits(64),
    rxCrcErrors: random.bigBits(64),
    collisions: random.bigBits(64),
    durationSec: random.bits(32),
    durationNsec: random.bits(32),
  };
}

export function randomFilter(random: Random): FlowFilter {
  return {
    tableId: random.bits(8),
    outPort: random.bits(32),
    outGroup: random.bits(32),
    cookie: random.bigBits(64),
    cookieMask: random.bigBits(64),
    match: randomMatch(random),
  };
}

function randomFlowStats(random: Random): FlowStats {
  return {
    tableId: random.bits(8),
    durationSec: random.bits(32),
    durationNsec: random.bits(32),
    priority: random.bits(16),
    idleTimeoutSec: random.bits(16),
    hardTimeoutSec: random.bits(16),
    flags: random.bits(16),
    cookie: random.bigBits(64),
    packetCount: random.bigBits(64),
    byteCount: random.bigBits(64),
    match: randomMatch(random),
    instructions: randomInstructions(random),
  };
}

const BARE_REQUESTS = ['desc', 'table', 'group-desc', 'group-features', 'meter-features', 'port-desc'] as const;

function randomExperimenterPart(random: Random) {
  return {
    part: 'experimenter',
    experimenter: random.bits(32),
    experimenterType: random.bits(32),
    data: random.bytes(random.below(40)),
  } as const;
}

/** One maker for each part that a multipart request can ask for. */
export const REQUESTS: readonly ((random: Random, more: boolean) => MultipartRequest)[] = [
  (r, more) => ({ type: 'multipart-request', more, part: r.pick(BARE_REQUESTS) }),
  (r, more) => ({ type: 'multipart-request', more, part: r.pick(['flow', 'aggregate']), ...randomFilter(r) }),
  (r, more) => ({ type: 'multipart-request', more, part: 'port-stats', portNo: r.bits(32) }),
  (r, more) => ({ type: 'multipart-request', more, part: 'queue-stats', portNo: r.bits(32), queueId: r.bits(32) }),
  (r, more) => ({ type: 'multipart-request', more, part: 'group-stats', groupId: r.bits(32) }),
  (r, more) => ({
    type: 'multipart-request',
    more,
    part: r.pick(['meter-stats', 'meter-config']),
    meterId: r.bits(32),
  }),
  (r, more) => ({
    type: 'multipart-request',
    more,
    part: 'table-features',
    tables: r.list(2, () => randomTableFeatures(r)),
  }),
  (r, more) => ({ type: 'multipart-request', more, ...randomExperimenterPart(r) }),
  (r, more) => ({ type: 'multipart-request', more, part: 'raw', partNumber: 77, body: r.bytes(r.below(40)) }),
];

/** And for each that a reply can hold. */
export const REPLIES: readonly ((random: Random, more: boolean) => MultipartReply)[] = [
  (r, more) => ({
    type: 'multipart-reply',
    more,
    part: 'desc',
    manufacturer: r.text(255),
    hardware: r.text(255),
    software: r.text(255),
    serialNumber: r.text(31),
    datapath: r.text(255),
  }),
  (r, more) => ({ type: 'multipart-reply', more, part: 'flow', flows: r.list(4, () => randomFlowStats(r)) }),
  (r, more) => ({
    type: 'multipart-reply',
    more,
    part: 'aggregate',
    packetCount: r.bigBits(64),
    byteCount: r.bigBits(64),
    flowCount: r.bits(32),
  }),
  (r, more) => ({
    type: 'multipart-reply',
    more,
    part: 'table',
    tables: r.list(4, () => ({
      tableId: r.bits(8),
      activeCount: r.bits(32),
      lookupCount: r.bigBits(64),
      matchedCount: r.bigBits(64),
    })),
  }),
  (r, more) => ({ type: 'multipart-reply', more, part: 'port-stats', ports: r.list(4, () => randomPortStats(r)) }),
  (r, more) => ({ type: 'multipart-reply', more, part: 'port-desc', ports: r.list(6, () => randomPort(r)) }),
  (r, more) => ({ type: 'multipart-reply', more, part: 'queue-stats', queues: r.list(4, () => randomQueueStats(r)) }),
  (r, more) => ({ type: 'multipart-reply', more, part: 'group-stats', groups: r.list(4, () => randomGroupStats(r)) }),
  (r, more) => ({ type: 'multipart-reply', more, part: 'group-desc', groups: r.list(4, () => randomGroupDesc(r)) }),
  (r, more) => ({ type: 'multipart-reply', more, part: 'group-features', ...randomGroupFeatures(r) }),
  (r, more) => ({ type: 'multipart-reply', more, part: 'meter-stats', meters: r.list(4, () => randomMeterStats(r)) }),
  (r, more) => ({ type: 'multipart-reply', more, part: 'meter-config', meters: r.list(4, () => randomMeterConfig(r)) }),
  (r, more) => ({
    type: 'multipart-reply',
    more,
    part: 'meter-features',
    maxMeters: r.bits(32),
    bandTypes: r.bits(32),
    capabilities: r.bits(32),
    maxBands: r.bits(8),
    maxColor: r.bits(8),
  }),
  (r, more) => ({
    type: 'multipart-reply',
    more,
    part: 'table-features',
    tables: r.list(3, () => randomTableFeatures(r)),
  }),
  (r, more) => ({ type: 'multipart-reply', more, ...randomExperimenterPart(r) }),
  (r, more) => ({ type: 'multipart-reply', more, part: 'raw', partNumber: 77, body: r.bytes(r.below(99)) }),
];
