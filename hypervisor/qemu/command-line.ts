// From a machine's spec to QEMU's arguments. It must be pure, and give both ends of a migration the same devices at the
// same addresses: a difference is found only when the state does not load.
import { type DiskSpec, HypervisorError, type MachineSpec, type NicSpec } from '../driver.ts';
import type { RunFiles } from './run-directory.ts';

/** Linux' limit for a unix socket's path: sun_path has 108 bytes, one of them the closing zero. */
const SOCKET_PATH_BYTES_MAX = 107;

/** IFNAMSIZ less the closing zero. */
const TAP_NAME_CHARS_MAX = 15;

/** Slots 0x08-0x0f of pcie.0 are the disks', 0x10-0x17 the cards': fixed, so that both ends agree. */
const FIRST_DISK_SLOT = 0x08;
const FIRST_NIC_SLOT = 0x10;
const DISKS_MAX = 8;
const NICS_MAX = 8;

const SECTOR_BYTES = 512;
/** What the block daemon likes best; smaller writes to a block that is not local cost a read across the network. */
const PHYSICAL_BLOCK_BYTES = 4096;
const CPUS_MAX = 255;

/** The geometry every BIOS accepts; with one given an incoming QEMU does not read the disk to guess it. */
const GEOMETRY = { heads: 16, sectors: 63, cylindersMax: 16383 };

/** After it QEMU answers the guest with errors; unreachable is not lost, so it is a day. */
const RECONNECT_DELAY_SECONDS = 86_400;

/**
 * Virtio offloads off: a tap on a userspace switch passes no unfinished checksums and no oversize segments (ping works
 * then, and TCP passes nothing).
 */
const OFFLOADS = ['csum', 'gso', 'guest_csum', 'guest_tso4', 'guest_tso6', 'guest_ecn', 'guest_ufo', 'host_tso4']
  .concat(['host_tso6', 'host_ecn', 'host_ufo'])
  .map((offload) => `${offload}=off`)
  .join(',');

export type Accelerator = 'tcg' | 'kvm';

export interface CommandLineOptions {
  readonly accelerator: Accelerator;
  readonly files: RunFiles;
  /** Wait for a migration's state instead of a first start. */
  readonly incoming: boolean;
}

const KIB_PER_MIB = 1024;
/**
 * Under TCG before QEMU 9.0 the fast path that collects the dirty pages of a migration (memory that is a whole number of
 * 64 pages) leaves translated stores unwatched: the guest wakes with stale pages. Two pages more, and QEMU takes the path
 * that tells the translator. Seen with 7.2: 5 of 18 moves broke the guest without, 0 of 24 with.
 */
const TCG_ODD_KIB = 8;

/** QEMU's arguments, without the program. Throws HypervisorError BAD_SPEC. QEMU 7.2, qemu-options.hx. */
export function qemuCommandLine(spec: MachineSpec, options: CommandLineOptions): string[] {
  checkSpec(spec, options.files);
  return [
    ...identityArguments(spec, options),
    ...boardArguments(spec, options.accelerator),
    ...monitorArguments(options.files),
    ...serialArguments(spec),
    ...spec.disks.flatMap((disk, index) => diskArguments(disk, index, spec.boot === undefined)),
    ...spec.nics.flatMap(nicArguments),
    ...bootArguments(spec),
    ...(options.incoming ? ['-incoming', 'defer'] : []),
  ];
}

function identityArguments(spec: MachineSpec, { files }: CommandLineOptions): string[] {
  return [
    ['-name', `guest=${spec.name},debug-threads=on`],
    ['-pidfile', files.pidFile],
    // Never runs before somebody says `cont`.
    ['-S'],
    ['-no-user-config', '-nodefaults'],
    ['-display', 'none'],
    ['-msg', 'timestamp=on'],
    ['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'],
  ].flat();
}

function boardArguments(spec: MachineSpec, accelerator: Accelerator): string[] {
  return [
    ['-machine', `${spec.machine},usb=off,sata=off,dump-guest-core=off`],
    ['-accel', accelerator === 'tcg' ? 'tcg,thread=multi' : 'kvm'],
    // `enforce`: a feature that this node cannot give is an error here, not a crash of the guest after its move.
    ['-cpu', `${spec.cpuModel},enforce`],
    ['-m', `size=${spec.memoryMB * KIB_PER_MIB + (accelerator === 'tcg' ? TCG_ODD_KIB : 0)}K`],
    ['-smp', `cpus=${spec.cpus},sockets=${spec.cpus},cores=1,threads=1`],
  ].flat();
}

function monitorArguments(files: RunFiles): string[] {
  return [
    ...['-chardev', `socket,id=qmp-agent,path=${escaped(files.agentSocket)},server=on,wait=off`],
    ...['-mon', 'chardev=qmp-agent,mode=control'],
    ...['-chardev', `socket,id=qmp-people,path=${escaped(files.peopleSocket)},server=on,wait=off`],
    ...['-mon', 'chardev=qmp-people,mode=control'],
  ];
}

/** The port is always there: what is behind it may differ between the ends of a migration, the device may not. */
function serialArguments({ serial = {} }: MachineSpec): string[] {
  const log = serial.logFile === undefined ? '' : `,logfile=${escaped(serial.logFile)},logappend=on`;
  const backend =
    serial.socketPath === undefined ? 'null' : `socket,path=${escaped(serial.socketPath)},server=on,wait=off`;
  const [kind, ...rest] = backend.split(',');
  const chardev = [kind, 'id=serial0', ...rest].join(',') + log;
  return ['-chardev', chardev, '-device', 'isa-serial,chardev=serial0'];
}

function diskArguments(disk: DiskSpec, index: number, bootable: boolean): string[] {
  const node = {
    driver: 'nbd',
    'node-name': diskNodeName(index),
    server: { type: 'unix', path: disk.nbdSocket },
    export: disk.exportName,
    'reconnect-delay': RECONNECT_DELAY_SECONDS,
    cache: { direct: true, 'no-flush': false },
    discard: 'unmap',
  };
  const device = [
    `virtio-blk-pci,id=vd${index},drive=${diskNodeName(index)},bus=pcie.0,addr=0x${(FIRST_DISK_SLOT + index).toString(16)}`,
    `cyls=${cylinders(disk.bytes)},heads=${GEOMETRY.heads},secs=${GEOMETRY.sectors}`,
    `logical_block_size=${SECTOR_BYTES},physical_block_size=${PHYSICAL_BLOCK_BYTES},min_io_size=${PHYSICAL_BLOCK_BYTES}`,
    // A failed request stops the guest instead of reaching it; `cont` repeats it.
    'write-cache=on,werror=stop,rerror=stop',
    ...(bootable && index === 0 ? ['bootindex=1'] : []),
  ];
  return ['-blockdev', JSON.stringify(node), '-device', device.join(',')];
}

/** The block node of a disk, as it is named in QEMU's events. */
export function diskNodeName(index: number): string {
  return `disk${index}`;
}

/** The index of the disk whose node this is; undefined when it is none of ours. */
export function diskIndex(nodeName: string): number | undefined {
  const match = /^disk(\d+)$/.exec(nodeName);
  return match?.[1] === undefined ? undefined : Number(match[1]);
}

function cylinders(bytes: number): number {
  const cylinderBytes = GEOMETRY.heads * GEOMETRY.sectors * SECTOR_BYTES;
  return Math.max(1, Math.min(GEOMETRY.cylindersMax, Math.floor(bytes / cylinderBytes)));
}

function nicArguments(nic: NicSpec, index: number): string[] {
  const mtu = nic.mtuBytes === undefined ? '' : `,host_mtu=${nic.mtuBytes}`;
  const address = `bus=pcie.0,addr=0x${(FIRST_NIC_SLOT + index).toString(16)}`;
  return [
    ...['-netdev', `tap,id=net${index},ifname=${nic.tap},script=no,downscript=no,vhost=off`],
    ...[
      '-device',
      `virtio-net-pci,id=nic${index},netdev=net${index},mac=${nic.mac},${address},romfile=,${OFFLOADS}${mtu}`,
    ],
  ];
}

function bootArguments({ boot }: MachineSpec): string[] {
  if (boot === undefined) return [];
  const initrd = boot.initrd === undefined ? [] : ['-initrd', boot.initrd];
  return ['-kernel', boot.kernel, ...initrd, '-append', boot.commandLine];
}

/** A comma ends an option's value unless it is doubled. */
function escaped(value: string): string {
  return value.replaceAll(',', ',,');
}

function checkSpec(spec: MachineSpec, files: RunFiles): void {
  must(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(spec.name), `name "${spec.name}": 1-63 letters, digits, "._-"`);
  must(Number.isInteger(spec.memoryMB) && spec.memoryMB > 0, `memoryMB ${spec.memoryMB}: a whole number above 0`);
  must(isWithin(spec.cpus, 1, CPUS_MAX), `cpus ${spec.cpus}: 1 to ${CPUS_MAX}`);
  must(/^[\w.-]+$/.test(spec.machine), `machine "${spec.machine}": a machine type without options`);
  must(/^[\w.-]+(,[\w.+-]+=[\w.-]+)*$/.test(spec.cpuModel), `cpuModel "${spec.cpuModel}": MODEL[,feature=on|off...]`);
  must(spec.disks.length <= DISKS_MAX, `${spec.disks.length} disks: at most ${DISKS_MAX}`);
  must(spec.nics.length <= NICS_MAX, `${spec.nics.length} network cards: at most ${NICS_MAX}`);
  must(spec.runDirectory.startsWith('/'), `runDirectory "${spec.runDirectory}": an absolute path`);
  for (const disk of spec.disks) checkDisk(disk);
  for (const nic of spec.nics) checkNic(nic);
  for (const path of [files.agentSocket, files.peopleSocket, files.ramSocket]) checkSocketPath(path);
  if (spec.serial?.socketPath !== undefined) checkSocketPath(spec.serial.socketPath);
}

function checkDisk(disk: DiskSpec): void {
  checkSocketPath(disk.nbdSocket);
  const whole = Number.isSafeInteger(disk.bytes) && disk.bytes > 0 && disk.bytes % SECTOR_BYTES === 0;
  must(whole, `disk "${disk.exportName}" of ${disk.bytes} bytes: a multiple of ${SECTOR_BYTES} above 0`);
}

function checkNic(nic: NicSpec): void {
  must(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(nic.mac), `mac "${nic.mac}": six bytes as 52:54:00:00:00:01`);
  must(/^[\w.-]+$/.test(nic.tap) && nic.tap.length <= TAP_NAME_CHARS_MAX, `tap "${nic.tap}": 1-15 letters, digits`);
}

function checkSocketPath(path: string): void {
  const bytes = new TextEncoder().encode(path).length;
  must(path.startsWith('/'), `socket "${path}": an absolute path`);
  must(bytes <= SOCKET_PATH_BYTES_MAX, `socket "${path}": ${bytes} bytes, at most ${SOCKET_PATH_BYTES_MAX}`);
}

function isWithin(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}

function must(holds: boolean, rule: string): void {
  if (!holds) throw new HypervisorError('BAD_SPEC', `machine spec refused: ${rule}`);
}
