// One guest and what QEMUs of this machine need to hand it to each other: a disk server, a switch in a namespace of its own,
// a folder. Not a test itself.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { access, copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { IncomingMachine, Machine, MachineSpec } from '../../hypervisor/driver.ts';
import { RamPump } from '../../hypervisor/migration/ram-pump.ts';
import { QemuDriver } from '../../hypervisor/qemu/qemu-driver.ts';
import { dialRam, listenForRam } from '../../hypervisor/qemu/ram-socket.ts';
import { type PreparedGuest, prepareGuest } from '../../lab/guest/build.ts';
import { GUEST_PORTS } from '../../lab/guest/control.ts';
import { type GuestStatus, parseGuestStatus } from '../../lab/guest/status.ts';
import { until } from '../until.ts';

const run = promisify(execFile);

/** Nothing here may take longer, or it hangs. A hold comes in 1-3 s. */
export const STEP_TIMEOUT_MS = 60_000;
const COMMAND_TIMEOUT_MS = 60_000;

const CACHE_DIRECTORY = join(import.meta.dirname, '../../.cache/guest');
const NAMESPACE = `scqemu${process.pid}`;
const GUEST = { address: '10.88.0.10', gateway: '10.88.0.1', mac: '52:54:00:88:00:10' };
const FULL_SPEED = 400_000_000;

/** The folder, the disk server and the switch below every machine of one guest. */
export class QemuStage {
  readonly folder: string;
  readonly driver = new QemuDriver({ family: 'tcg', launchPrefix: ['ip', 'netns', 'exec', NAMESPACE] });
  readonly #guest: PreparedGuest;
  readonly #disks: ChildProcess;
  readonly #machines: Machine[] = [];

  private constructor(folder: string, guest: PreparedGuest, disks: ChildProcess) {
    this.folder = folder;
    this.#guest = guest;
    this.#disks = disks;
  }

  static async make(): Promise<QemuStage> {
    const folder = await mkdtemp(join(tmpdir(), 'sc-qemu-'));
    const guest = await prepareGuest('tiny', { cacheDirectory: CACHE_DIRECTORY });
    await network();
    return new QemuStage(folder, guest, await disks(folder, guest));
  }

  async takeDown(): Promise<void> {
    for (const each of this.#machines) await each.destroy();
    this.#disks.kill();
    await run('ip', ['netns', 'del', NAMESPACE], { timeout: COMMAND_TIMEOUT_MS });
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Every run directory is another place; every second place has the other tap. */
  spec(place: string, tap: 'tap0' | 'tap1'): MachineSpec {
    const { folder } = this;
    const guest = this.#guest;
    const settings = { address: `${GUEST.address}/24`, gateway: GUEST.gateway, mtuBytes: 1330 };
    return {
      name: 'traveller',
      memoryMB: guest.memoryMB,
      cpus: 1,
      machine: 'pc-q35-7.2',
      cpuModel: 'Nehalem',
      disks: [{ nbdSocket: join(folder, 'nbd.sock'), exportName: 'disk', bytes: guest.diskBytes }],
      nics: [{ mac: GUEST.mac, tap }],
      boot: { kernel: guest.kernel, initrd: guest.initrd, commandLine: guest.commandLine(settings) },
      serial: { logFile: join(folder, `${place}.serial`) },
      runDirectory: join(folder, place),
    };
  }

  /** Remembers a machine, which ends with the stage. */
  track<M extends Machine>(made: M): M {
    this.#machines.push(made);
    return made;
  }

  /** Runs a migration to its hold through a pump. */
  async toHold(
    source: Machine,
    destination: IncomingMachine,
    options: { maxBandwidthBytesPerSecond?: number; signal?: AbortSignal } = {},
    pumps: RamPump[] = [],
  ): Promise<RamPump> {
    const socketPath = join(this.folder, 'out.sock');
    const listener = await listenForRam(socketPath);
    const defaults = {
      maxBandwidthBytesPerSecond: FULL_SPEED,
      downtimeLimitMs: 200,
      signal: AbortSignal.timeout(STEP_TIMEOUT_MS),
    };
    const held = source.migrateOut({ socketPath, ...defaults, ...options });
    held.catch(() => undefined);
    const pump = new RamPump(await listener.accepted, await dialRam(destination.ramSocketPath));
    pumps.push(pump);
    await listener.close();
    await held;
    return pump;
  }
}

/** The guest answers on the network and goes on writing to its disk. */
export async function guestWorks(): Promise<void> {
  const before = await guestStatus();
  await until('the guest writes on', async () => (await guestStatus()).writes > before.writes);
}

/** The guest's control port greets with its status. */
export async function guestStatus(): Promise<GuestStatus> {
  const ask = `exec 3<>/dev/tcp/${GUEST.address}/${GUEST_PORTS.control}; timeout 2 head -n 1 <&3`;
  let text = '';
  await until('the guest answers', async () => {
    const answer = await run('ip', ['netns', 'exec', NAMESPACE, 'timeout', '3', 'bash', '-c', ask]).catch(
      () => undefined,
    );
    text = answer?.stdout ?? '';
    return text !== '';
  });
  return parseGuestStatus(text);
}

async function network(): Promise<void> {
  const inside = ['ip', '-n', NAMESPACE];
  const commands = [
    ['ip', 'netns', 'add', NAMESPACE],
    [...inside, 'link', 'add', 'bridge0', 'type', 'bridge'],
    ...['tap0', 'tap1'].flatMap((tap) => [
      [...inside, 'tuntap', 'add', 'dev', tap, 'mode', 'tap'],
      [...inside, 'link', 'set', tap, 'master', 'bridge0', 'up'],
    ]),
    [...inside, 'address', 'add', `${GUEST.gateway}/24`, 'dev', 'bridge0'],
    [...inside, 'link', 'set', 'bridge0', 'up'],
  ];
  for (const [program = '', ...rest] of commands) await run(program, rest, { timeout: COMMAND_TIMEOUT_MS });
}

async function disks(folder: string, guest: PreparedGuest): Promise<ChildProcess> {
  const [image, socket] = [join(folder, 'disk.raw'), join(folder, 'nbd.sock')];
  await mkdir(folder, { recursive: true });
  await copyFile(guest.diskImage, image);
  const options = ['-f', 'raw', '-x', 'disk', '-e', '3', '--persistent', '--cache=writeback', '--discard=unmap'];
  const server = spawn('qemu-nbd', ['-k', socket, ...options, image], { stdio: 'inherit' });
  const there = () =>
    access(socket).then(
      () => true,
      () => false,
    );
  await until('the disk server listens', there);
  return server;
}

/** Of each step. */
export function bounded(): { timeoutMs: number } {
  return { timeoutMs: STEP_TIMEOUT_MS };
}
