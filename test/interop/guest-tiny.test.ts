// Boots the tiny guest under QEMU and looks at it from outside. It must never leave a QEMU behind, nor wait longer than its bounds.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, open, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { prepareGuest } from '../../lab/guest/build.ts';
import { READY_LINE } from '../../lab/guest/command-line.ts';
import { askGuest, GUEST_PORTS, readGuestStatus } from '../../lab/guest/control.ts';
import { WRITER_REGION_BYTES } from '../../lab/guest/disk-image.ts';
import { type GuestStatus, guestProblems, parseGuestStatus } from '../../lab/guest/status.ts';
import { freePorts } from '../free-ports.ts';

const BOOT_TIMEOUT_MS = 120_000;
const ANSWER_TIMEOUT_MS = 30_000;
/** A sweep reads some hundred records under emulation. */
const PROGRESS_TIMEOUT_MS = 60_000;
const POLL_MS = 100;
const CACHE_DIRECTORY = join(import.meta.dirname, '../../.cache/guest');

interface Machine {
  readonly echoPort: number;
  readonly controlPort: number;
  readonly httpPort: number;
  readonly disk: string;
  readonly process: ChildProcess;
  readonly folder: string;
}

let machine: Machine;

test.before(async () => {
  machine = await start();
  await ready(machine.process);
});

test.after(async () => {
  machine.process.kill('SIGKILL');
  await rm(machine.folder, { recursive: true, force: true });
});

test('echoes what it is sent', async () => {
  const socket = connect(machine.echoPort, '127.0.0.1');
  socket.setTimeout(ANSWER_TIMEOUT_MS, () => socket.destroy(new Error('no echo')));
  socket.end('over and over');
  const [answer] = await once(socket, 'data');
  assert.is(String(answer), 'over and over');
  socket.destroy();
});

test('writes records and finds every one of them again', async () => {
  const status = await reached((now) => now.writes >= 40 && now.verified >= 40 && now.syncs >= 2);
  assert.equal(guestProblems(status), []);
  assert.is(status.load.writes, 20);
});

test('dirties memory and finds it as it left it', async () => {
  await ask('dirty 8');
  const status = await reached((now) => now.memoryPages > 6000); // more than once round its 16 MB
  assert.is(status.memoryBad, 0);
});

test('serves its status by HTTP', async () => {
  const answer = await fetch(`http://127.0.0.1:${machine.httpPort}/status.json`, {
    signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
  });
  const status = parseGuestStatus(await answer.text());
  assert.is(status.bootId, (await now()).bootId);
  const missing = await fetch(`http://127.0.0.1:${machine.httpPort}/other`, {
    signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
  });
  assert.is(missing.status, 404);
});

test('obeys its control port and refuses what it does not know', async () => {
  assert.is((await ask('writes 0')).load.writes, 0);
  for (const line of ['region 4', 'writes many', 'writes 100000', 'sing']) {
    const refusal = await ask(line).then(String, (error: Error) => error.message);
    assert.match(refusal, '"error"', line);
  }
});

// Last, since it ruins the disk: a load that cannot fail would prove nothing.
test('notices every record that its disk has lost', async () => {
  await ask('reads 0');
  await sweep();
  assert.is((await now()).bad, 0);
  await ruin(machine.disk);
  await sweep();
  const after = await now();
  // What it counts is told a moment later: of writes before `reads 0` too.
  assert.ok(after.bad > 0 && after.bad <= after.writes, `${after.bad} bad of ${after.writes}`);
  assert.match(after.lastProblem, /wanted record \d+, found none/);
});

async function start(): Promise<Machine> {
  const guest = await prepareGuest('tiny', { cacheDirectory: CACHE_DIRECTORY });
  const folder = await mkdtemp(join(tmpdir(), 'guest-tiny-'));
  const disk = join(folder, 'disk.raw');
  await copyFile(guest.diskImage, disk);
  const [echoPort = 0, controlPort = 0, httpPort = 0] = await freePorts(3);
  const forward = (port: number, to: number) => `hostfwd=tcp:127.0.0.1:${port}-10.88.0.10:${to}`;
  const forwards = [
    forward(echoPort, GUEST_PORTS.echo),
    forward(controlPort, GUEST_PORTS.control),
    forward(httpPort, GUEST_PORTS.http),
  ];
  const network = `user,id=net,restrict=on,net=10.88.0.0/24,host=10.88.0.1,${forwards.join(',')}`;
  const commandLine = guest.commandLine({ address: '10.88.0.10/24', gateway: '10.88.0.1' });
  const machineOptions = [
    '-machine',
    'pc-q35-7.2',
    '-cpu',
    'Nehalem,enforce',
    '-accel',
    'tcg',
    '-m',
    String(guest.memoryMB),
  ];
  const devices = [
    '-blockdev',
    `driver=file,node-name=disk,filename=${disk}`,
    '-device',
    'virtio-blk-pci,drive=disk',
    '-netdev',
    network,
  ];
  const boot = [
    '-kernel',
    guest.kernel,
    '-initrd',
    guest.initrd,
    '-append',
    commandLine,
    '-serial',
    'stdio',
    '-no-reboot',
  ];
  const plain = ['-nodefaults', '-display', 'none', '-device', 'virtio-net-pci,netdev=net,romfile='];
  const qemu = spawn('qemu-system-x86_64', [...machineOptions, ...plain, ...devices, ...boot], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return { echoPort, controlPort, httpPort, disk, process: qemu, folder };
}

async function ready(qemu: ChildProcess): Promise<void> {
  const signal = AbortSignal.timeout(BOOT_TIMEOUT_MS);
  signal.addEventListener('abort', () => qemu.kill('SIGKILL'), { once: true });
  const said: string[] = [];
  if (qemu.stdout === null) throw new Error('QEMU has no standard output');
  for await (const line of createInterface({ input: qemu.stdout })) {
    if (said.push(line) > 0 && line.includes(READY_LINE)) return;
  }
  throw new Error(`the guest did not get ready within ${BOOT_TIMEOUT_MS} ms; it said: ${said.join('\n')}`);
}

function address(): { host: string; port: number; timeoutMs: number } {
  return { host: '127.0.0.1', port: machine.controlPort, timeoutMs: ANSWER_TIMEOUT_MS };
}

async function ask(line: string): Promise<GuestStatus> {
  return await askGuest(address(), line);
}

async function now(): Promise<GuestStatus> {
  return await readGuestStatus(address());
}

/** Polls until the guest has got so far: it reports when asked, not by itself. */
async function reached(enough: (status: GuestStatus) => boolean): Promise<GuestStatus> {
  const deadline = AbortSignal.timeout(PROGRESS_TIMEOUT_MS);
  for (let status = await now(); ; status = await now()) {
    if (enough(status)) return status;
    if (deadline.aborted)
      throw new Error(`the guest got no further within ${PROGRESS_TIMEOUT_MS} ms: ${JSON.stringify(status)}`);
    await delay(POLL_MS);
  }
}

async function sweep(): Promise<void> {
  const { sweeps } = await ask('verify');
  await reached((status) => status.sweeps > sweeps);
}

async function ruin(disk: string): Promise<void> {
  const file = await open(disk, 'r+');
  await file.write(Buffer.alloc(WRITER_REGION_BYTES), 0, WRITER_REGION_BYTES, 0);
  await file.close();
}

test.run();
