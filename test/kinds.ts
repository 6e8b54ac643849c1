// The kinds of test: where each lies, what it needs, and which run beside each other.
import { labPackages } from '../lab/guests.ts';

/** A kind of test. */
export interface Kind {
  readonly folder: string;
  /** How long a file may take. */
  readonly limitMs: number;
  /** Debian packages that this kind needs. */
  readonly packages?: readonly string[];
  /** Files that have the tiny guest run; made once, before the first of them. */
  readonly withGuest?: RegExp;
  /** Makes namespaces and switches, as the lab does, or mounts: each of its files has a room of its own (own-room.ts). */
  readonly asLab?: true;
  /** A file of it takes more than one processor: only one of all such kinds runs at a time. */
  readonly isHeavy?: true;
  /**
   * Files that have a loopback interface of their own, and no other: the daemons that they start listen at fixed ports. The
   * others draw their ports, or make namespaces out of the machine's own, in which they also set what only that one has.
   */
  readonly ownLoopback?: RegExp;
}

/** Clients and judges of the protocols that the interop tests speak with: all of them, since from a loopback nothing is fetched. */
const JUDGES = [
  'libnbd-bin',
  'python3-libnbd',
  'nbdkit',
  'fio',
  'fuse3',
  'e2fsprogs',
  'curl',
  'openssl',
  'cpio',
  'etcd-server',
  'python3-os-ken',
  'tshark',
  'wireguard-go',
  'wireguard-tools',
];
/** What guests ask their node with, behind a real switch. */
const GUEST_CLIENTS = ['udhcpc', 'isc-dhcp-client', 'bind9-dnsutils', 'dnsmasq-base', 'ndisc6', 'iputils-arping'];
const LAB_PACKAGES = labPackages('debian');

/** Too long for every run: only when a word of theirs is given. */
export const BY_NAME: readonly string[] = [
  'test/cluster/proactive.test.ts',
  'test/planted/blockd-mutants.test.ts',
  'test/planted/simulation-mutants.test.ts',
];

const UNIT: Kind = { folder: 'unit', limitMs: 120_000, packages: ['cpio', 'util-linux-extra'] };
const SIMULATION: Kind = { folder: 'sim', limitMs: 240_000 };
const CRASH: Kind = { folder: 'crash', limitMs: 180_000 };
const PLANTED: Kind = { folder: 'planted', limitMs: 600_000, isHeavy: true };
const REAL_CRASH: Kind = {
  folder: 'real-crash',
  ownLoopback: /\/moves[^/]*$/,
  limitMs: 360_000,
  asLab: true,
  packages: ['strace', 'e2fsprogs'],
};
const INTEROP: Kind = {
  folder: 'interop',
  ownLoopback: /\/(blockd|catalogue|convert|nbd|ovsdb|rpc|store|switch-config)[^/]*$/,
  withGuest: /\/(guest-tiny|hypervisor-agent|qemu-migration)[^/]*$/,
  limitMs: 240_000,
  asLab: true,
  packages: [...LAB_PACKAGES, ...JUDGES, ...GUEST_CLIENTS],
};
const CLUSTER: Kind = {
  folder: 'cluster',
  isHeavy: true,
  withGuest: /./,
  limitMs: 600_000,
  asLab: true,
  packages: LAB_PACKAGES,
};
const BROWSER: Kind = {
  folder: 'browser',
  isHeavy: true,
  withGuest: /./,
  limitMs: 240_000,
  asLab: true,
  packages: [...LAB_PACKAGES, 'chromium-headless-shell', 'fonts-dejavu-core'],
};

/**
 * In the order in which they begin. Beside the heavy ones run those that mostly wait; the many short ones come last, so that
 * all lanes are taken to the end. Any file may run beside any other.
 */
export const KINDS: readonly Kind[] = [PLANTED, CLUSTER, BROWSER, INTEROP, REAL_CRASH, CRASH, SIMULATION, UNIT];

/** Files at once, on two cores. */
export const LANES = 3;
