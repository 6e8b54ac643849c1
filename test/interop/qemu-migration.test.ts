// One guest moves between QEMUs of this machine by the driver, along every way a hold can end. Two QEMUs run at most; it
// must leave no process, namespace or file behind, nor wait longer than its bounds.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { access, copyFile, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type IncomingMachine, type Machine, type MachineSpec, MigrationFailedError } from '../../hypervisor/driver.ts';
import { QemuDriver } from '../../hypervisor/qemu/qemu-driver.ts';
import { dialRam, listenForRam } from '../../hypervisor/qemu/ram-socket.ts';
import { RamPump } from '../../hypervisor/ram-pump.ts';
import { type PreparedGuest, prepareGuest } from '../../lab/guest/build.ts';
import { READY_LINE } from '../../lab/guest/command-line.ts';
import { GUEST_PORTS } from '../../lab/guest/control.ts';
import { type GuestStatus, guestProblems, parseGuestStatus } from '../../lab/guest/status.ts';

const run = promisify(execFile);

/** Nothing here may take longer, or it hangs. A guest boots in 4-15 s, a hold comes in 1-3 s. */
const BOOT_TIMEOUT_MS = 60_000;
const STEP_TIMEOUT_MS = 20_000;
const COMMAND_TIMEOUT_MS = 10_000;
const POLL_MS = 50;

const CACHE_DIRECTORY = join(import.meta.dirname, '../../.cache/guest');
const NAMESPACE = `scqemu${process.pid}`;
const GUEST = { address: '10.88.0.10', gateway: '10.88.0.1', mac: '52:54:00:88:00:10' };
const FULL_SPEED = 400_000_000;

interface Stage {
  readonly folder: string;
  readonly guest: PreparedGuest;
  readonly driver: QemuDriver;
  readonly disks: ChildProcess;
  readonly machines: Machine[];
}

let stage: Stage;
let machine: Machine;

/** Every run directory is another place; every second place has the other tap. */
function spec(place: string, tap: 'tap0' | 'tap1'): MachineSpec {
  const { folder, guest } = stage;
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

/** The whole file's bound: nothing of it is left then. */
const WHOLE_TIMEOUT_MS = 90_000;

const watchdog = setTimeout(() => {
  void cleanUp().finally(() => {
    console.error(`not done within ${WHOLE_TIMEOUT_MS} ms`);
    process.exit(1);
  });
}, WHOLE_TIMEOUT_MS);

test.before(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sc-qemu-'));
  const guest = await prepareGuest('tiny', { cacheDirectory: CACHE_DIRECTORY });
  await network();
  const driver = new QemuDriver({ family: 'tcg', launchPrefix: ['ip', 'netns', 'exec', NAMESPACE] });
  stage = { folder, guest, driver, disks: await disks(folder, guest), machines: [] };
});

test.after(() => {
  clearTimeout(watchdog);
  return cleanUp();
});

async function cleanUp(): Promise<void> {
  for (const each of stage.machines) await each.destroy();
  stage.disks.kill();
  await run('ip', ['netns', 'del', NAMESPACE], { timeout: COMMAND_TIMEOUT_MS });
  await rm(stage.folder, { recursive: true, force: true });
}

test('a machine is born paused and boots when it is told to', async () => {
  machine = track(await stage.driver.create(spec('born', 'tap0')));
  assert.is((await machine.status()).state, 'paused');
  await machine.cont();
  assert.is((await machine.status()).state, 'running');
  await until('the guest is up', BOOT_TIMEOUT_MS, async () => {
    return (await readFile(join(stage.folder, 'born.serial'), 'utf8')).includes(READY_LINE);
  });
  await guestWorks();
});

test('a second machine in the same run directory is refused', async () => {
  await rejects(stage.driver.create(spec('born', 'tap1')), /living QEMU/);
  assert.is((await machine.status()).state, 'running');
});

test('a machine is adopted by its run directory, unchanged', async () => {
  const { pid, name, runDirectory } = machine;
  machine.detach();
  await rejects(stage.driver.adopt({ name: 'another', runDirectory }), /the QEMU there is traveller/);
  machine = track(await found(stage.driver.adopt({ name, runDirectory })));
  assert.is(machine.pid, pid);
  assert.is((await machine.status()).state, 'running');
});

test('the guest moves: hold, loaded, cont at the destination', async () => {
  const destination = track(await stage.driver.incoming(spec('second', 'tap1')));
  await rejects(destination.cont(), /still waits/);
  const pump = await toHold(machine, destination);
  assert.is((await machine.status()).state, 'held');
  assert.is((await destination.status()).state, 'incoming');
  await Promise.all([machine.continueMigration(bounded()), destination.loaded(bounded())]);
  await pump.done;
  assert.is((await machine.status()).state, 'migrated');
  assert.is((await destination.status()).state, 'paused');
  await destination.cont();
  await destination.announce();
  await machine.destroy();
  assert.is(await stage.driver.adopt(machine), undefined);
  machine = destination;
  await guestWorks();
});

test('cancelled in the hold, a former destination goes on by itself', async () => {
  const events = listen(machine);
  const destination = track(await stage.driver.incoming(spec('third', 'tap0')));
  const pump = await toHold(machine, destination);
  await machine.cancelMigration();
  await rejects(
    pump.done.then(() => destination.loaded(bounded())),
    /third|traveller|RAM stream/,
  );
  assert.is((await machine.status()).state, 'running');
  assert.equal(events, ['stopped', 'resumed by itself']);
  await machine.cancelMigration();
  await destination.destroy();
  await guestWorks();
});

test('the destination dies after the hold: the source resumes by itself and says so', async () => {
  const events = listen(machine);
  const destination = track(await stage.driver.incoming(spec('fourth', 'tap0')));
  await toHold(machine, destination);
  await destination.destroy();
  const error = await rejects(machine.continueMigration(bounded()), /failed after the hold/);
  assert.ok(error instanceof MigrationFailedError);
  assert.is(error.sourceState, 'running');
  assert.equal(events, ['stopped', 'resumed by itself']);
  await rejects(destination.loaded(bounded()), /closed|ended|connection/i);
  await guestWorks();
});

test('the destination refuses after it has everything: cont brings the source back', async () => {
  const destination = track(await stage.driver.incoming(spec('fifth', 'tap0')));
  await toHold(machine, destination);
  await Promise.all([machine.continueMigration(bounded()), destination.loaded(bounded())]);
  await destination.destroy();
  await machine.cancelMigration();
  assert.is((await machine.status()).state, 'migrated');
  await machine.cont();
  assert.is((await machine.status()).state, 'running');
  await guestWorks();
});

test('the agent dies in the hold: the next one finds the machine held, and goes back', async () => {
  const destination = track(await stage.driver.incoming(spec('agentless', 'tap0')));
  const pump = await toHold(machine, destination);
  machine.detach();
  pump.cut();
  machine = track(await found(stage.driver.adopt(machine)));
  const events = listen(machine);
  assert.is((await machine.status()).state, 'held');
  const error = await rejects(machine.continueMigration(bounded()), /failed after the hold/);
  assert.is(error instanceof MigrationFailedError && error.sourceState, 'running');
  assert.equal(events, ['resumed by itself']);
  await destination.destroy();
  await guestWorks();
});

test('an abort in the memory phase leaves the guest running', async () => {
  const destination = track(await stage.driver.incoming(spec('sixth', 'tap0')));
  const abort = new AbortController();
  const held = toHold(machine, destination, { maxBandwidthBytesPerSecond: 2_000_000, signal: abort.signal });
  await until(
    'memory flows',
    STEP_TIMEOUT_MS,
    async () => (await machine.migrationProgress()).transferredBytes > 1_000_000,
  );
  abort.abort(new Error('changed my mind'));
  await rejects(held, /changed my mind/);
  assert.is((await machine.status()).state, 'running');
  await destination.destroy();
  await guestWorks();
});

test('a cut stream fails the migration and leaves the guest running', async () => {
  const destination = track(await stage.driver.incoming(spec('seventh', 'tap0')));
  const abort = new AbortController();
  const pumps: RamPump[] = [];
  const held = toHold(machine, destination, { maxBandwidthBytesPerSecond: 2_000_000, signal: abort.signal }, pumps);
  await until('memory flows', STEP_TIMEOUT_MS, async () => (pumps[0]?.sentBytes ?? 0) > 1_000_000);
  pumps[0]?.cut();
  const error = await rejects(held, /failed before the hold/);
  assert.is(error instanceof MigrationFailedError && error.sourceState, 'running');
  await rejects(destination.loaded(bounded()), /closed|not a whole/);
  await guestWorks();
});

test('the guest found nothing wrong in memory, on disk or in its kernel', async () => {
  const status = await guestStatus();
  assert.equal(guestProblems(status), []);
  assert.ok(status.writes > 0 && status.verified > 0);
});

test('destroyed, it is gone with its sockets', async () => {
  const exited = new Promise<string>((resolve) => machine.on('exited', ({ reason }) => resolve(reason)));
  await machine.destroy();
  assert.is(await exited, 'destroyed');
  await rejects(access(join(machine.runDirectory, 'qmp.sock')), /ENOENT/);
  await rejects(machine.status(), /closed/);
  await machine.destroy();
});

/** Runs a migration to its hold through a pump. */
async function toHold(
  source: Machine,
  destination: IncomingMachine,
  options: { maxBandwidthBytesPerSecond?: number; signal?: AbortSignal } = {},
  pumps: RamPump[] = [],
): Promise<RamPump> {
  const socketPath = join(stage.folder, 'out.sock');
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

/** The guest answers on the network and goes on writing to its disk. */
async function guestWorks(): Promise<void> {
  const before = await guestStatus();
  await until('the guest writes on', STEP_TIMEOUT_MS, async () => (await guestStatus()).writes > before.writes);
}

/** The guest's control port greets with its status. */
async function guestStatus(): Promise<GuestStatus> {
  const ask = `exec 3<>/dev/tcp/${GUEST.address}/${GUEST_PORTS.control}; timeout 2 head -n 1 <&3`;
  let text = '';
  await until('the guest answers', STEP_TIMEOUT_MS, async () => {
    const answer = await run('ip', ['netns', 'exec', NAMESPACE, 'timeout', '3', 'bash', '-c', ask]).catch(
      () => undefined,
    );
    text = answer?.stdout ?? '';
    return text !== '';
  });
  return parseGuestStatus(text);
}

function listen(source: Machine): string[] {
  const events: string[] = [];
  source.on('stopped', () => events.push('stopped'));
  source.on('resumed', ({ asked }) => events.push(asked ? 'resumed' : 'resumed by itself'));
  return events;
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
  await until('the disk server listens', STEP_TIMEOUT_MS, there);
  return server;
}

function track<M extends Machine>(made: M): M {
  stage.machines.push(made);
  return made;
}

async function found(adopted: Promise<Machine | undefined>): Promise<Machine> {
  const living = await adopted;
  if (living === undefined) throw new Error('there is no machine to adopt');
  return living;
}

function bounded(): { timeoutMs: number } {
  return { timeoutMs: STEP_TIMEOUT_MS };
}

async function until(what: string, timeoutMs: number, holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await delay(POLL_MS);
  }
}

async function rejects(promise: Promise<unknown>, expected: RegExp): Promise<Error> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof Error, `should have failed like ${expected}`);
  assert.match(error.message, expected);
  return error;
}

test.run();
