// Random groups, meters and queues with their counters, each field over its whole range.
import type {
  Bucket,
  GroupDesc,
  GroupFeatures,
  GroupStats,
  GroupType,
  MeterBand,
  MeterConfig,
  MeterStats,
  PerGroupType,
  Queue,
  QueueStats,
} from '@openflow/ofp';
import type { Random } from './random.ts';
import { randomActions } from './random-actions.ts';

export const GROUP_TYPES: readonly GroupType[] = ['all', 'select', 'indirect', 'fast-failover'];

function duration(random: Random): { durationSec: number; durationNsec: number } {
  return { durationSec: random.bits(32), durationNsec: random.bits(32) };
}

function counts(random: Random): { packetCount: bigint; byteCount: bigint } {
  return { packetCount: random.bigBits(64), byteCount: random.bigBits(64) };
}

export function randomBuckets(random: Random): Bucket[] {
  return random.list(3, () => ({
    weight: random.bits(16),
    watchPort: random.bits(32),
    watchGroup: random.bits(32),
    actions: randomActions(random),
  }));
}

export function randomGroupStats(random: Random): GroupStats {
  return {
    groupId: random.bits(32),
    refCount: random.bits(32),
    ...counts(random),
    ...duration(random),
    buckets: random.list(4, () => counts(random)),
  };
}

export function randomGroupDesc(random: Random): GroupDesc {
  return { groupType: random.pick(GROUP_TYPES), groupId: random.bits(32), buckets: randomBuckets(random) };
}

export function randomGroupFeatures(random: Random): GroupFeatures {
  const perType = (): PerGroupType => ({
    all: random.bits(32),
    select: random.bits(32),
    indirect: random.bits(32),
    'fast-failover': random.bits(32),
  });
  return { types: random.bits(32), capabilities: random.bits(32), maxGroups: perType(), actions: perType() };
}

function randomBand(random: Random): MeterBand {
  const rates = { rate: random.bits(32), burst: random.bits(32) };
  return random.pick<MeterBand>([
    { type: 'drop', ...rates },
    { type: 'dscp-remark', ...rates, precedence: random.bits(8) },
    { type: 'experimenter', ...rates, experimenter: random.bits(32), body: random.bytes(8 * random.below(3)) },
  ]);
}

export function randomBands(random: Random): MeterBand[] {
  return random.list(3, () => randomBand(random));
}

export function randomMeterConfig(random: Random): MeterConfig {
  return { flags: random.bits(16), meterId: random.bits(32), bands: randomBands(random) };
}

export function randomMeterStats(random: Random): MeterStats {
  return {
    meterId: random.bits(32),
    flowCount: random.bits(32),
    packetInCount: random.bigBits(64),
    byteInCount: random.bigBits(64),
    ...duration(random),
    bands: random.list(4, () => counts(random)),
  };
}

export function randomQueueStats(random: Random): QueueStats {
  return {
    portNo: random.bits(32),
    queueId: random.bits(32),
    txBytes: random.bigBits(64),
    txPackets: random.bigBits(64),
    txErrors: random.bigBits(64),
    ...duration(random),
  };
}

export function randomQueue(random: Random): Queue {
  return {
    queueId: random.bits(32),
    portNo: random.bits(32),
    properties: random.list(3, () =>
      random.chance(0.7)
        ? { type: random.pick(['min-rate', 'max-rate']), rate: random.bits(16) }
        : { type: 'experimenter', experimenter: random.bits(32), data: random.bytes(8 * random.below(3)) },
    ),
  };
}
