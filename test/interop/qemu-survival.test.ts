// A machine outlives the process that made it, and another takes it up. It must leave no process behind.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Machine } from '../../hypervisor/driver.ts';
import { QemuDriver } from '../../hypervisor/qemu/qemu-driver.ts';

/** A QEMU starts in 0.2 s, in seconds on a machine full of other work. */
const TIMEOUT_MS = 60_000;

const DRIVER = join(import.meta.dirname, '../../hypervisor/qemu/qemu-driver.ts');

/** Makes a machine without disk or kernel (SeaBIOS finds nothing to boot), lets it run, says so and waits for its end. */
const MAKER = `
  const { QemuDriver } = await import(process.argv[1]);
  const spec = { name: 'orphan', memoryMB: 64, cpus: 1, machine: 'pc-q35-7.2', cpuModel: 'Nehalem', disks: [], nics: [] };
  const machine = await new QemuDriver({ family: 'tcg' }).create({ ...spec, runDirectory: process.argv[2] });
  await machine.cont();
  console.log(machine.pid);
  setInterval(() => undefined, 1000);
`;

let folder: string;
let maker: ChildProcess;
let machine: Machine | undefined;

test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sc-orphan-'));
});

test.after(async () => {
  maker?.kill('SIGKILL');
  await machine?.destroy();
  await rm(folder, { recursive: true, force: true });
});

test('its maker killed, the machine runs on and is adopted', async () => {
  const runDirectory = join(folder, 'vm');
  maker = spawn(process.execPath, ['--input-type=module', '-e', MAKER, DRIVER, runDirectory], {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: TIMEOUT_MS,
    killSignal: 'SIGKILL',
  });
  if (maker.stdout === null) throw new Error('the maker has no output');
  const [pid] = await once(createInterface({ input: maker.stdout }), 'line');
  maker.kill('SIGKILL');
  await once(maker, 'exit');
  machine = await new QemuDriver({ family: 'tcg' }).adopt({ name: 'orphan', runDirectory }, { timeoutMs: TIMEOUT_MS });
  assert.is(machine?.pid, Number(pid));
  assert.is((await machine?.status())?.state, 'running');
});

test('adopted, it is paused, continued and seen to end', async () => {
  const adopted = machine;
  if (adopted === undefined) throw new Error('nothing was adopted');
  const stopped = new Promise<void>((resolve) => adopted.on('stopped', () => resolve()));
  await adopted.pause();
  await stopped;
  assert.is((await adopted.status()).state, 'paused');
  const resumed = new Promise<boolean>((resolve) => adopted.on('resumed', ({ asked }) => resolve(asked)));
  await adopted.cont();
  assert.ok(await resumed);
  const exited = new Promise<string>((resolve) => adopted.on('exited', ({ reason }) => resolve(reason)));
  // Once its socket is closed nothing else keeps this process from its end, which the machine's end is waited for without.
  const awake = setInterval(() => undefined, 1_000);
  process.kill(adopted.pid, 'SIGKILL');
  assert.is(await exited, 'crashed');
  clearInterval(awake);
  assert.is(await new QemuDriver({ family: 'tcg' }).adopt(adopted), undefined);
});

test('a powerdown that the guest does not follow leaves it alone', async () => {
  const runDirectory = join(folder, 'deaf');
  const spec = { name: 'deaf', memoryMB: 64, cpus: 1, machine: 'pc-q35-7.2', cpuModel: 'Nehalem', disks: [], nics: [] };
  machine = await new QemuDriver({ family: 'tcg' }).create({ ...spec, runDirectory });
  await machine.cont();
  await machine.powerdown({ timeoutMs: 50 }).then(
    () => assert.unreachable(),
    (error: Error) => assert.match(error.message, 'powerdown of deaf: the guest is still up after 50 ms'),
  );
  assert.is((await machine.status()).state, 'running');
});

test('a machine that cannot start says why', async () => {
  const spec = {
    name: 'odd',
    memoryMB: 64,
    cpus: 1,
    machine: 'pc-q35-7.2',
    cpuModel: 'EPYC-Milan',
    disks: [],
    nics: [],
  };
  const runDirectory = join(folder, 'odd');
  await new QemuDriver({ family: 'tcg' }).create({ ...spec, runDirectory }).then(
    () => assert.unreachable(),
    (error: Error) =>
      assert.match(error.message, /start of odd: .*ended with code 1: .*doesn't support requested feature/s),
  );
  assert.match(await readFile(join(runDirectory, 'qemu.log'), 'utf8'), /requested feature/);
});

test.run();
