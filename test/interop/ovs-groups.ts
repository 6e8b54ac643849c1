// Random messages of groups and meters that Open vSwitch takes, each with what ovs-ofctl must say of it, in that order.
import { type Bucket, GroupNumber, MeterFlag, output, PortNumber } from '@openflow/ofp';
import type { Random } from '../unit/openflow/random.ts';
import type { SayingMaker } from './ovs-messages.ts';
import { bitsSaid, durationSaid, hex, listOf, reply, someCount, someDuration, somePort } from './ovs-sayings.ts';

const METER_FLAGS = {
  names: [
    [MeterFlag.kbps, 'kbps'],
    [MeterFlag.packetsPerSecond, 'pktps'],
    [MeterFlag.burst, 'burst'],
    [MeterFlag.stats, 'stats'],
  ],
  none: '0',
} as const;

function randomMeter(random: Random) {
  const flags = random.pick([MeterFlag.kbps, MeterFlag.packetsPerSecond]) + MeterFlag.burst + random.below(2) * 8;
  const meterId = 1 + random.below(0xffff0000);
  const bands = listOf(random, 3, () => {
    const rates = { rate: random.bits(32), burst: random.bits(32) };
    return random.chance(0.5)
      ? ({ type: 'drop', ...rates } as const)
      : ({ type: 'dscp-remark', ...rates, precedence: random.bits(8) } as const);
  });
  const says = [
    `meter=${meterId} ${bitsSaid(flags, METER_FLAGS)} bands=\n`,
    ...bands.map(
      (band) =>
        `type=${band.type.replace('-', '_')} rate=${band.rate} burst_size=${band.burst}` +
        (band.type === 'drop' ? '\n' : ` prec_level=${band.precedence}\n`),
    ),
  ];
  // The last end of line is trimmed away with the print's.
  return {
    meter: { flags, meterId, bands },
    says: says.map((text, i) => (i === bands.length ? text.trimEnd() : text)),
  };
}

const meterMod: SayingMaker = (r) => {
  const command = r.pick(['add', 'modify'] as const);
  const { meter, says } = randomMeter(r);
  return { message: { type: 'meter-mod', command, ...meter }, says: [command === 'add' ? 'ADD ' : 'MOD ', ...says] };
};

const meterConfig: SayingMaker = (r) => {
  const meters = listOf(r, 3, () => randomMeter(r));
  return {
    message: reply({ part: 'meter-config', meters: meters.map(({ meter }) => meter) }),
    says: meters.flatMap(({ says }) => says),
  };
};

const meterStats: SayingMaker = (r) => {
  const meters = listOf(r, 3, () => ({
    ...{ meterId: r.bits(32) >>> 1, flowCount: r.bits(32), packetInCount: someCount(r), byteInCount: someCount(r) },
    ...someDuration(r),
    bands: r.list(3, () => ({ packetCount: someCount(r), byteCount: someCount(r) })),
  }));
  return {
    message: reply({ part: 'meter-stats', meters }),
    says: meters.flatMap((meter) => [
      `flow_count:${meter.flowCount} packet_in_count:${meter.packetInCount} byte_in_count:${meter.byteInCount}`,
      `duration:${durationSaid(meter)} bands:`,
      ...meter.bands.map((band, i) => `${i}: packet_count:${band.packetCount} byte_count:${band.byteCount}`),
    ]),
  };
};

const meterFeatures: SayingMaker = (r) => {
  const [maxMeters, maxBands, maxColor] = [r.bits(32), r.bits(8), r.bits(8)];
  return {
    message: reply({
      part: 'meter-features',
      ...{ maxMeters, bandTypes: 6, capabilities: 13, maxBands, maxColor },
    }),
    says: [
      `max_meter:${maxMeters} max_bands:${maxBands} max_color:${maxColor}`,
      'band_types: drop dscp_remark\n',
      'capabilities: kbps burst stats',
    ],
  };
};

const GROUP_TYPE_SAID = { all: 'all', select: 'select', indirect: 'indirect', 'fast-failover': 'ff' } as const;

function randomGroup(random: Random) {
  const groupType = random.pick(['all', 'select', 'indirect', 'fast-failover'] as const);
  const groupId = random.below(0xffffff00);
  const buckets: Bucket[] = listOf(random, groupType === 'indirect' ? 1 : 4, () => ({
    weight: groupType === 'select' ? 1 + random.below(65_000) : 0,
    watchPort: groupType === 'fast-failover' ? somePort(random) : PortNumber.any,
    watchGroup: groupType === 'fast-failover' ? random.below(99) : GroupNumber.any,
    actions: [output(somePort(random), 0), { type: 'dec-nw-ttl' }],
  }));
  const says = [
    `group_id=${groupId},type=${GROUP_TYPE_SAID[groupType]},bucket=`,
    ...buckets.flatMap((bucket) => [
      groupType === 'select' ? `weight:${bucket.weight},` : '',
      groupType === 'fast-failover' ? `watch_port:${bucket.watchPort},watch_group:${bucket.watchGroup},` : '',
      `actions=output:${bucket.actions[0]?.type === 'output' ? bucket.actions[0].port : ''},dec_ttl`,
    ]),
  ];
  return { group: { groupType, groupId, buckets }, says };
}

const groupMod: SayingMaker = (r) => {
  const command = r.pick(['add', 'modify'] as const);
  const { group, says } = randomGroup(r);
  return { message: { type: 'group-mod', command, ...group }, says: [command === 'add' ? ' ADD ' : ' MOD ', ...says] };
};

const groupDesc: SayingMaker = (r) => {
  const groups = listOf(r, 4, () => randomGroup(r));
  return {
    message: reply({ part: 'group-desc', groups: groups.map(({ group }) => group) }),
    says: groups.flatMap(({ says }) => says),
  };
};

const groupStats: SayingMaker = (r) => {
  const count = () => ({ packetCount: someCount(r), byteCount: someCount(r) });
  const groups = listOf(r, 3, () => ({
    ...{ groupId: r.below(0xffffff00), refCount: r.bits(32), ...count(), ...someDuration(r) },
    buckets: r.list(3, count),
  }));
  return {
    message: reply({ part: 'group-stats', groups }),
    says: groups.flatMap((group) => [
      `group_id=${group.groupId},duration=${durationSaid(group)},ref_count=${group.refCount},`,
      `packet_count=${group.packetCount},byte_count=${group.byteCount}`,
      ...group.buckets.map(
        (bucket, i) => `,bucket${i}:packet_count=${bucket.packetCount},byte_count=${bucket.byteCount}`,
      ),
    ]),
  };
};

const groupFeatures: SayingMaker = (r) => {
  const [all, select, indirect, failover] = [r.bits(32), r.bits(32), r.bits(32), r.bits(32)];
  const capabilities = r.below(16);
  return {
    message: reply({
      part: 'group-features',
      ...{ types: 15, capabilities },
      maxGroups: { all, select, indirect, 'fast-failover': failover },
      actions: { all: 1, select: 1 << 22, indirect: 1 << 25, 'fast-failover': 1 << 17 },
    }),
    says: [
      `Capabilities:  ${hex(capabilities)}`,
      `all group:\n       max_groups=${hex(all)}\n       actions: output\n`,
      `select group:\n       max_groups=${hex(select)}\n       actions: group\n`,
      `indirect group:\n       max_groups=${hex(indirect)}\n       actions: set_field\n`,
      `fast failover group:\n       max_groups=${hex(failover)}\n       actions: push_vlan`,
    ],
  };
};

export const GROUP_MAKERS: readonly SayingMaker[] = [
  meterMod,
  meterConfig,
  meterStats,
  meterFeatures,
  groupMod,
  groupDesc,
  groupStats,
  groupFeatures,
];
