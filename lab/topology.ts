// The lab's map: which clouds there are, their addresses, how far apart they lie. Facts only.

/** One cloud with its one node; the node bears the cloud's name. */
export interface CloudPlan {
  readonly cloud: string;
  readonly node: string;
  readonly role: 'controller' | 'node';
  /** Address and MAC address of the node's uplink, and of its switch's end of the tunnels. */
  readonly address: string;
  readonly mac: string;
}

/** The three clouds; the first holds the controller. */
export const CLOUDS: readonly CloudPlan[] = [
  { cloud: 'alpha', node: 'alpha', role: 'controller', address: '10.77.0.1', mac: '02:77:00:00:00:01' },
  { cloud: 'beta', node: 'beta', role: 'node', address: '10.77.0.2', mac: '02:77:00:00:00:02' },
  { cloud: 'gamma', node: 'gamma', role: 'node', address: '10.77.0.3', mac: '02:77:00:00:00:03' },
];

/** Prefix length of the underlay and of the overlay. */
export const PREFIX = 24;

/** Round-trip times between clouds, ms: one ocean, and two. */
export const ROUND_TRIPS_MS: readonly { readonly between: readonly [string, string]; readonly rttMs: number }[] = [
  { between: ['alpha', 'beta'], rttMs: 75 },
  { between: ['beta', 'gamma'], rttMs: 75 },
  { between: ['alpha', 'gamma'], rttMs: 150 },
];

/** Each direction of each pair; the emulator is exact up to this (docs/LAB.md). */
export const LINK_RATE_MBIT = 200;

/** The guest's name and its address in the overlay. */
export const GUEST = { vm: 'web', image: 'web', address: '10.88.0.10' } as const;

/** Who uses the guest: a host on one cloud's switch, in a namespace of its own. */
export const VISITOR = {
  cloud: 'gamma',
  address: '10.88.0.200',
  mac: '02:88:00:00:00:c8',
  port: 'visitor0',
  device: 'eth0',
} as const;

/** One guest MTU per cluster: what the narrowest supported underlay leaves (SOUNDNESS C6). */
export const GUEST_MTU_BYTES = 1330;

/** The legs of the round, each to the next cloud and at last back. */
export const ROUND: readonly string[] = ['beta', 'gamma', 'alpha'];
