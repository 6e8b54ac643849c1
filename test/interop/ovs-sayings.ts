// How Open vSwitch's ovs-ofctl writes parts of messages: bits by name, ports, durations, counters.
import { Capability, PortConfig, PortFeature, PortState } from '@openflow/ofp';
import type { Random } from '../unit/openflow/random.ts';

/** Bits with a name in the order in which they are printed. */
export interface BitNames {
  readonly names: readonly (readonly [bit: number, name: string])[];
  /** What is printed when none is set. */
  readonly none: string;
}

export const CAPABILITIES: BitNames = {
  names: [
    [Capability.flowStats, 'FLOW_STATS'],
    [Capability.tableStats, 'TABLE_STATS'],
    [Capability.portStats, 'PORT_STATS'],
    [Capability.groupStats, 'GROUP_STATS'],
    [Capability.ipReassembly, 'IP_REASM'],
    [Capability.queueStats, 'QUEUE_STATS'],
    [Capability.portBlocked, 'PORT_BLOCKED'],
  ],
  none: '0',
};

export const FEATURES: BitNames = {
  names: [
    [PortFeature.half10Mb, '10MB-HD'],
    [PortFeature.full10Mb, '10MB-FD'],
    [PortFeature.half100Mb, '100MB-HD'],
    [PortFeature.full100Mb, '100MB-FD'],
    [PortFeature.half1Gb, '1GB-HD'],
    [PortFeature.full1Gb, '1GB-FD'],
    [PortFeature.full10Gb, '10GB-FD'],
    [PortFeature.full40Gb, '40GB-FD'],
    [PortFeature.full100Gb, '100GB-FD'],
    [PortFeature.full1Tb, '1TB-FD'],
    [PortFeature.other, 'OTHER'],
    [PortFeature.copper, 'COPPER'],
    [PortFeature.fiber, 'FIBER'],
    [PortFeature.autonegotiation, 'AUTO_NEG'],
    [PortFeature.pause, 'AUTO_PAUSE'],
    [PortFeature.asymmetricPause, 'AUTO_PAUSE_ASYM'],
  ],
  none: '0',
};

export const PORT_CONFIG: BitNames = {
  names: [
    [PortConfig.portDown, 'PORT_DOWN'],
    [PortConfig.noReceive, 'NO_RECV'],
    [PortConfig.noForward, 'NO_FWD'],
    [PortConfig.noPacketIn, 'NO_PACKET_IN'],
  ],
  none: '0',
};

export const PORT_STATE: BitNames = {
  names: [
    [PortState.linkDown, 'LINK_DOWN'],
    [PortState.blocked, 'BLOCKED'],
    [PortState.live, 'LIVE'],
  ],
  none: '0',
};

/** The names of the bits that are set, as they are printed. */
export function bitsSaid(bits: number, { names, none }: BitNames): string {
  const set = names.filter(([bit]) => (bits & bit) !== 0).map(([, name]) => name);
  return set.length === 0 ? none : set.join(' ');
}

/** Some of the bits that have a name. */
export function someBits(random: Random, { names }: BitNames): number {
  return names.reduce((sum, [bit]) => sum + (random.chance(0.5) ? bit : 0), 0);
}

/** A port that Open vSwitch can have. */
export function somePort(random: Random): number {
  return 1 + random.below(65_000);
}

/** Letters and digits only: other characters come out escaped. */
export function someName(random: Random, countMax: number): string {
  const letters = 'abcdefghijklmnopqrstuvwxyz0123456789';
  return Array.from({ length: 1 + random.below(countMax) }, () => random.pick([...letters])).join('');
}

/** A time whose nanoseconds have no zeros at the end, which would be left out. */
export function someDuration(random: Random): { durationSec: number; durationNsec: number } {
  return { durationSec: random.bits(31), durationNsec: random.below(99_999_999) * 10 + 1 };
}

export function durationSaid({ durationSec, durationNsec }: { durationSec: number; durationNsec: number }): string {
  return `${durationSec}.${String(durationNsec).padStart(9, '0')}s`;
}

/** A counter that the switch keeps: all ones would say that it does not. */
export function someCount(random: Random): bigint {
  return random.bigBits(63);
}

/** A number as C's `%#x` prints it. */
export function hex(value: number | bigint): string {
  return BigInt(value) === 0n ? '0' : `0x${value.toString(16)}`;
}

/** At least one. */
export function listOf<T>(random: Random, countMax: number, make: () => T): [T, ...T[]] {
  return [make(), ...random.list(countMax - 1, make)];
}

/** A multipart reply that is whole in one message. */
export function reply<B extends object>(body: B) {
  return { type: 'multipart-reply', more: false, ...body } as const;
}

/** And a request. */
export function request<B extends object>(body: B) {
  return { type: 'multipart-request', more: false, ...body } as const;
}
