// The lab's map: which clouds there are, their addresses, how far apart they lie. Facts only. The other map, with a gateway
// and a 1:1 NAT, is in `figure5.ts`.
import type { NodeUnderlay } from '../wire/contracts/sdnd.ts';
import { INTERNET, type InternetPlan } from './internet/internet.ts';
import type { OutsidePlan } from './outside-door.ts';

/** One cloud with its one node; the node bears the cloud's name. */
export interface CloudPlan {
  readonly cloud: string;
  readonly node: string;
  readonly role: 'controller' | 'node';
  /** Address and MAC address of the node's uplink, and of its switch's end of the tunnels. */
  readonly address: string;
  readonly mac: string;
  /** By which all others reach it, where its provider's 1:1 NAT stands before it. */
  readonly outer?: string;
  /** The next hop to what is beyond its own network; absent: on the WAN, where private networks are behind their gateways. */
  readonly router?: string;
  /** It is in the private network of the cloud of that name, and not on the WAN. */
  readonly behind?: string;
  /** The guests' network may leave at it; absent: it has no device that leads outside. */
  readonly outside?: OutsidePlan;
  /** Its foot in the private network that it is a gateway of; daemons' calls go by the one that others are `behind`. */
  readonly inside?: { readonly address: string; readonly mac: string };
  /** It has a controller of the overlay, which stands by for the first cloud's. */
  readonly standsBy?: true;
  /** Its address in WireGuard, to which its daemons and tunnels listen then; absent: none of the lab's nodes has one. */
  readonly wireguard?: string;
  /** What the membership says of its tunnels; absent: it is in one network with all others. */
  readonly underlay?: NodeUnderlay;
}

/** Who uses the guest: a host on one cloud's switch, in a namespace of its own. */
export interface VisitorPlan {
  readonly cloud: string;
  readonly address: string;
  readonly mac: string;
  readonly port: string;
  readonly device: string;
}

/** Where a cloud's daemons listen. */
export function daemonAddress({ address, wireguard }: CloudPlan): string {
  return wireguard ?? address;
}

/** Where other clouds reach its daemons. */
export function reachedAt({ address, outer, wireguard }: CloudPlan): string {
  return wireguard ?? outer ?? address;
}

/** A lab's map as a whole. */
export interface LabTopology {
  /** The first holds the controller. */
  readonly clouds: readonly CloudPlan[];
  /** Between ports of the WAN. */
  readonly roundTripsMs: readonly { readonly between: readonly [string, string]; readonly rttMs: number }[];
  /** A namespace that plays the Internet, which every node reaches; absent: there is none. */
  readonly internet?: InternetPlan;
  readonly visitor: VisitorPlan;
  /** The legs of the round, each to the next cloud and at last back. */
  readonly round: readonly string[];
}

/** Prefix length of the underlay and of the overlay. */
export const PREFIX = 24;

/** A host of the Internet (RFC 5737), behind a router on the WAN. */
export const INTERNET_PLAN: InternetPlan = {
  router: `10.77.0.254/${PREFIX}`,
  routerMac: '02:77:00:00:00:fe',
  host: '203.0.113.80',
};

/** The three clouds; the first holds the controller, and by the last guests go out. */
export const CLOUDS: readonly CloudPlan[] = [
  { cloud: 'alpha', node: 'alpha', role: 'controller', address: '10.77.0.1', mac: '02:77:00:00:00:01' },
  { cloud: 'beta', node: 'beta', role: 'node', address: '10.77.0.2', mac: '02:77:00:00:00:02' },
  {
    ...{ cloud: 'gamma', node: 'gamma', role: 'node', address: '10.77.0.3', mac: '02:77:00:00:00:03' },
    outside: { address: '10.77.0.33', nextHop: INTERNET_PLAN.routerMac },
  },
];

/** Round-trip times between clouds, ms: one ocean, and two. */
export const ROUND_TRIPS_MS: LabTopology['roundTripsMs'] = [
  { between: ['alpha', 'beta'], rttMs: 75 },
  { between: ['beta', 'gamma'], rttMs: 75 },
  { between: ['alpha', 'gamma'], rttMs: 150 },
];

/** From each cloud on the WAN to the Internet, ms. */
const INTERNET_RTT_MS = 20;

/** The same, and to the Internet. */
export const ALL_ROUND_TRIPS_MS: LabTopology['roundTripsMs'] = [
  ...ROUND_TRIPS_MS,
  ...CLOUDS.map(({ cloud }) => ({ between: [cloud, INTERNET] as const, rttMs: INTERNET_RTT_MS })),
];

/** Each direction of each pair; the emulator is exact up to this (docs/LAB.md). */
export const LINK_RATE_MBIT = 200;

/** The guest's name, its address in the overlay, and that of its router. */
export const GUEST = { vm: 'web', image: 'web', address: '10.88.0.10', router: '10.88.0.1' } as const;

/** In the third cloud. */
export const VISITOR: VisitorPlan = {
  cloud: 'gamma',
  address: '10.88.0.200',
  mac: '02:88:00:00:00:c8',
  port: 'visitor0',
  device: 'eth0',
};

/** One guest MTU per cluster: what the narrowest supported underlay leaves (SOUNDNESS C6). */
export const GUEST_MTU_BYTES = 1330;

/** The legs of the round, each to the next cloud and at last back. */
export const ROUND: readonly string[] = ['beta', 'gamma', 'alpha'];

/** The lab unless another is asked for. */
export const THREE_CLOUDS: LabTopology = {
  clouds: CLOUDS,
  roundTripsMs: ALL_ROUND_TRIPS_MS,
  internet: INTERNET_PLAN,
  visitor: VISITOR,
  round: ROUND,
};

/** The same map with WireGuard between all nodes: one network for daemons and tunnels, in which nobody needs a gateway. */
export function encrypted(topology: LabTopology): LabTopology {
  const clouds = topology.clouds.map(({ underlay: _feet, ...plan }, index) => ({
    ...plan,
    wireguard: `10.99.0.${index + 1}`,
  }));
  return { ...topology, clouds };
}

/** The first cloud's, and others': every switch has a session with each of them. */
export const CONTROLLERS_MAX = 3;

/** The same map with so many controllers of the overlay, on the WAN's first clouds. @throws RangeError */
export function withControllers(topology: LabTopology, count: number): LabTopology {
  const onWan = topology.clouds.filter(({ behind }) => behind === undefined);
  if (count < 1 || count > CONTROLLERS_MAX || count > onWan.length)
    throw new RangeError(`no map has ${count} controllers`);
  const standing = onWan.slice(1, count);
  const clouds = topology.clouds.map((plan) => (standing.includes(plan) ? { ...plan, standsBy: true as const } : plan));
  return { ...topology, clouds };
}
