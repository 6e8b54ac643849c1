// The peer: plain QEMU, as `virsh migrate --copy-storage-all` drives it. Two processes in two of the lab's clouds, the
// disk mirrored over NBD, then the memory; or the memory alone, over a file that both see. None of our daemons has a
// hand in it but the overlay, which is told the guest's new place as soon as it resumes.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cloud } from '../../lab/cloud.ts';
import type { PreparedGuest } from '../../lab/guest/build.ts';
import { READY_LINE } from '../../lab/guest/command-line.ts';
import type { Lab } from '../../lab/lab.ts';
import { runCommand, runIn, spawnIn } from '../../lab/namespace.ts';
import { GUEST_MTU_BYTES, PREFIX } from '../../lab/topology.ts';
import { QmpLines } from './qmp-lines.ts';

const NBD_PORT = 10_809;
const MEMORY_PORT = 10_810;
const MAC = '02:99:00:00:00:01';
const TAP = 'plain0';
const BOOT_TIMEOUT_MS = 120_000;
const COPY_LIMIT = { timeoutMs: 120_000 };
const MOVE_TIMEOUT_MS = 300_000;
const OFFLOADS =
  'csum=off,guest_csum=off,gso=off,host_tso4=off,host_tso6=off,host_ecn=off,host_ufo=off,guest_tso4=off,guest_tso6=off,guest_ecn=off,guest_ufo=off';
const CAPABILITIES = ['events', 'pause-before-switchover', 'return-path', 'late-block-activate'];

/** As our own guests have it under TCG, without which the peer's guest would not survive its move. */
const ODD_KIB = 8;

/** The address the peer's guest has; ours is another VM. */
export const PLAIN_ADDRESS = '10.88.0.11';

/** What the peer is told. */
export interface PlainOptions {
  readonly memoryMB: number;
  readonly maxBandwidthBytesPerSecond: number;
  readonly downtimeLimitMs: number;
  /** `mirror`: the disk is copied first. `memory`: both sides see one file. Otherwise both use one file by NFS. */
  readonly disk: 'mirror' | 'memory' | NfsDisk;
}

/** A file on an NFS server that both ends reach. */
export interface NfsDisk {
  readonly address: string;
  readonly path: string;
}

/** How long it took, from the order to the guest running at the destination, and the memory's part of it; ms. */
export interface PlainTimes {
  readonly totalMs: number;
  readonly memoryMs: number;
}

interface Side {
  readonly cloud: Cloud;
  readonly child: ChildProcess;
  readonly qmp: QmpLines;
  readonly console: string;
}

/** A guest under plain QEMU in one cloud, and its move to another. */
export class PlainQemu {
  readonly #lab: Lab;
  readonly #guest: PreparedGuest;
  readonly #options: PlainOptions;
  readonly #sides: Side[] = [];

  constructor(lab: Lab, guest: PreparedGuest, options: PlainOptions) {
    this.#lab = lab;
    this.#guest = guest;
    this.#options = options;
  }

  /** Boots the guest in a cloud and waits until it can be used. */
  async boot(from: string): Promise<void> {
    const cloud = this.#lab.cloud(from);
    const disk = this.#disk(cloud);
    if (typeof disk === 'string') await runCommand('cp', ['--sparse=always', this.#guest.diskImage, disk], COPY_LIMIT);
    const side = await this.#start(cloud, disk, []);
    await this.#bind(cloud);
    await side.qmp.run('cont');
    const endMs = performance.now() + BOOT_TIMEOUT_MS;
    while (!readFileSync(side.console, 'utf8').includes(READY_LINE)) {
      if (performance.now() > endMs) throw new Error(`the peer's guest was not ready; see ${side.console}`);
      await sleep(200);
    }
  }

  #disk(cloud: Cloud): string | NfsDisk {
    const { disk } = this.#options;
    return typeof disk === 'string' ? `${cloud.directories.state}/plain.raw` : disk;
  }

  async #start(cloud: Cloud, disk: string | NfsDisk, extra: readonly string[]): Promise<Side> {
    const { run } = cloud.directories;
    const console = plainConsole(cloud);
    writeFileSync(console, '');
    await runIn(cloud.namespace, 'ip', ['tuntap', 'add', TAP, 'mode', 'tap']);
    await runIn(cloud.namespace, 'ip', ['link', 'set', TAP, 'mtu', '1500', 'up']);
    await cloud.openVswitch.addPort({ port: TAP });
    const child = spawnIn(cloud.namespace, 'qemu-system-x86_64', this.#arguments(run, console, disk, extra), {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    try {
      const side = { cloud, child, console, qmp: await QmpLines.open(`${run}/plain.qmp`) };
      this.#sides.push(side);
      return side;
    } catch (error) {
      await takeAway(cloud, child);
      throw error;
    }
  }

  #arguments(run: string, console: string, disk: string | NfsDisk, extra: readonly string[]): string[] {
    const commandLine = this.#guest.commandLine({
      address: `${PLAIN_ADDRESS}/${PREFIX}`,
      mtuBytes: GUEST_MTU_BYTES,
      name: 'plain',
    });
    return [
      ...['-name', 'plain,debug-threads=on'],
      ...['-S', '-nodefaults', '-no-user-config', '-display', 'none', '-accel', 'tcg', '-smp', '1'],
      ...[
        '-machine',
        'pc-q35-7.2',
        '-cpu',
        'Nehalem,enforce',
        '-m',
        `size=${this.#options.memoryMB * 1024 + ODD_KIB}K`,
      ],
      ...['-kernel', this.#guest.kernel, '-initrd', this.#guest.initrd, '-append', commandLine],
      ...['-qmp', `unix:${run}/plain.qmp,server=on,wait=off`, '-serial', `file:${console}`],
      ...['-blockdev', typeof disk === 'string' ? fileNode(disk) : nfsNode(disk)],
      ...['-blockdev', 'driver=raw,node-name=disk0,file=file0'],
      ...['-device', 'virtio-blk-pci,drive=disk0,id=vda,share-rw=on'],
      ...['-netdev', `tap,id=n0,ifname=${TAP},script=no,downscript=no`],
      ...['-device', `virtio-net-pci,netdev=n0,mac=${MAC},romfile=,${OFFLOADS}`],
      ...extra,
    ];
  }

  async #bind(cloud: Cloud): Promise<void> {
    const { node } = cloud.plan;
    await this.#lab.operator.call('binding.set', { owner: 'plain', node, port: TAP, mac: MAC, ip: PLAIN_ADDRESS });
  }

  /** The processes of both ends. */
  get pids(): number[] {
    return this.#sides.flatMap(({ child }) => child.pid ?? []);
  }

  /** Starts the end that waits for the guest. */
  async await(to: string): Promise<void> {
    const [source] = this.#sides;
    if (source === undefined) throw new TypeError('the peer moves after its boot');
    const target = this.#lab.cloud(to);
    const mirrored = this.#options.disk === 'mirror';
    const disk = this.#disk(mirrored ? target : source.cloud);
    if (mirrored && typeof disk === 'string') {
      writeFileSync(disk, '');
      truncateSync(disk, this.#guest.diskBytes);
    }
    await this.#start(target, disk, ['-incoming', 'defer']);
  }

  /**
   * Moves the guest as virsh would and answers how long that took. The waiting end runs already: virsh starts it within
   * the move, some 0.2 s, which are left out in the peer's favour.
   */
  async move(): Promise<PlainTimes> {
    const [source, destination] = this.#sides;
    if (source === undefined || destination === undefined) throw new TypeError('the peer moves once it is awaited');
    const mirrored = this.#options.disk === 'mirror';
    const startedMs = performance.now();
    if (mirrored) await this.#mirror(source, destination);
    const memoryMs = performance.now();
    await this.#memory(source, destination, mirrored);
    const endMs = performance.now();
    return { totalMs: endMs - startedMs, memoryMs: endMs - memoryMs };
  }

  async #mirror(source: Side, destination: Side): Promise<void> {
    const address = { type: 'inet', data: { host: destination.cloud.plan.address, port: String(NBD_PORT) } };
    await destination.qmp.run('nbd-server-start', { addr: address });
    await destination.qmp.run('block-export-add', { type: 'nbd', id: 'e0', 'node-name': 'disk0', writable: true });
    const server = { type: 'inet', host: destination.cloud.plan.address, port: String(NBD_PORT) };
    await source.qmp.run('blockdev-add', { driver: 'nbd', 'node-name': 'far', server, export: 'disk0' });
    // In QEMU's default mode (background) a guest that writes every 50 ms is never in step over a round trip of 75 ms:
    // seen here, the job copied all and was not ready two minutes later.
    const job = { 'job-id': 'm0', device: 'disk0', target: 'far', sync: 'full', 'copy-mode': 'write-blocking' };
    await source.qmp.run('blockdev-mirror', job);
    await source.qmp.event('BLOCK_JOB_READY', 'm0', MOVE_TIMEOUT_MS);
  }

  async #memory(source: Side, destination: Side, mirrored: boolean): Promise<void> {
    const { maxBandwidthBytesPerSecond, downtimeLimitMs } = this.#options;
    const capabilities = CAPABILITIES.map((capability) => ({ capability, state: true }));
    for (const side of [source, destination]) await side.qmp.run('migrate-set-capabilities', { capabilities });
    const limits = { 'max-bandwidth': maxBandwidthBytesPerSecond, 'downtime-limit': downtimeLimitMs };
    await source.qmp.run('migrate-set-parameters', limits);
    const uri = `tcp:${destination.cloud.plan.address}:${MEMORY_PORT}`;
    await destination.qmp.run('migrate-incoming', { uri });
    const resumed = destination.qmp.event('RESUME', '', MOVE_TIMEOUT_MS).then(() => this.#bind(destination.cloud));
    await destination.qmp.run('cont');
    await source.qmp.run('migrate', { uri });
    await source.qmp.event('MIGRATION', 'pre-switchover', MOVE_TIMEOUT_MS);
    if (mirrored) {
      await source.qmp.run('block-job-cancel', { device: 'm0' });
      await source.qmp.event('BLOCK_JOB_COMPLETED', 'm0', MOVE_TIMEOUT_MS);
    }
    await source.qmp.run('migrate-continue', { state: 'pre-switchover' });
    await resumed;
  }

  /** Ends both sides and takes their ports away. */
  async stop(): Promise<void> {
    const sides = this.#sides.splice(0);
    for (const { qmp } of sides) qmp.close();
    await Promise.all(sides.map(({ cloud, child }) => takeAway(cloud, child)));
  }
}

/** The file that holds what the guest in that cloud has said on its serial console. */
export function plainConsole(cloud: Cloud): string {
  return `${cloud.directories.run}/plain.console`;
}

function fileNode(path: string): string {
  return `driver=file,node-name=file0,filename=${path},cache.direct=off,locking=off`;
}

/** As root, whose files they are; a client that cached could not move. */
function nfsNode({ address, path }: NfsDisk): string {
  const server = { type: 'inet', host: address };
  return JSON.stringify({
    ...{ driver: 'nfs', 'node-name': 'file0', server, path, user: 0, group: 0 },
    cache: { direct: true },
  });
}

async function takeAway(cloud: Cloud, child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  if (child.exitCode === null && child.signalCode === null) {
    child.kill('SIGKILL');
    await ended;
  }
  await cloud.openVswitch.deletePort(TAP);
  await runIn(cloud.namespace, 'ip', ['link', 'del', TAP]);
}
