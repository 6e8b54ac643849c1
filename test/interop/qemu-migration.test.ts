// One guest moves between QEMUs of this machine by the driver, along every way a hold can end. Two QEMUs run at most; it
// must leave no process, namespace or file behind, nor wait longer than its bounds.
import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Machine, MigrationFailedError } from '../../hypervisor/driver.ts';
import type { RamPump } from '../../hypervisor/migration/ram-pump.ts';
import { READY_LINE } from '../../lab/guest/command-line.ts';
import { guestProblems } from '../../lab/guest/status.ts';
import { until } from '../until.ts';
import { bounded, guestStatus, guestWorks, QemuStage } from './qemu-stage.ts';

let stage: QemuStage;
let machine: Machine;

/** The whole file's bound: nothing of it is left then. */
const WHOLE_TIMEOUT_MS = 220_000;

const watchdog = setTimeout(() => {
  void stage.takeDown().finally(() => {
    console.error(`not done within ${WHOLE_TIMEOUT_MS} ms`);
    process.exit(1);
  });
}, WHOLE_TIMEOUT_MS);

test.before(async () => {
  stage = await QemuStage.make();
});

test.after(() => {
  clearTimeout(watchdog);
  return stage.takeDown();
});

test('a machine is born paused and boots when it is told to', async () => {
  machine = stage.track(await stage.driver.create(stage.spec('born', 'tap0')));
  assert.is((await machine.status()).state, 'paused');
  await machine.cont();
  assert.is((await machine.status()).state, 'running');
  await until('the guest is up', async () => {
    return (await readFile(join(stage.folder, 'born.serial'), 'utf8')).includes(READY_LINE);
  });
  await guestWorks();
});

test('a second machine in the same run directory is refused', async () => {
  await rejects(stage.driver.create(stage.spec('born', 'tap1')), /living QEMU/);
  assert.is((await machine.status()).state, 'running');
});

test('a machine is adopted by its run directory, unchanged', async () => {
  const { pid, name, runDirectory } = machine;
  machine.detach();
  await rejects(stage.driver.adopt({ name: 'another', runDirectory }), /the QEMU there is traveller/);
  machine = stage.track(await found(stage.driver.adopt({ name, runDirectory })));
  assert.is(machine.pid, pid);
  assert.is((await machine.status()).state, 'running');
});

test('the guest moves: hold, loaded, cont at the destination', async () => {
  const destination = stage.track(await stage.driver.incoming(stage.spec('second', 'tap1')));
  await rejects(destination.cont(), /still waits/);
  const pump = await stage.toHold(machine, destination);
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
  const destination = stage.track(await stage.driver.incoming(stage.spec('third', 'tap0')));
  const pump = await stage.toHold(machine, destination);
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
  const destination = stage.track(await stage.driver.incoming(stage.spec('fourth', 'tap0')));
  await stage.toHold(machine, destination);
  await destination.destroy();
  const error = await rejects(machine.continueMigration(bounded()), /failed after the hold/);
  assert.ok(error instanceof MigrationFailedError);
  assert.is(error.sourceState, 'running');
  assert.equal(events, ['stopped', 'resumed by itself']);
  await rejects(destination.loaded(bounded()), /closed|ended|connection/i);
  await guestWorks();
});

test('the destination refuses after it has everything: cont brings the source back', async () => {
  const destination = stage.track(await stage.driver.incoming(stage.spec('fifth', 'tap0')));
  await stage.toHold(machine, destination);
  await Promise.all([machine.continueMigration(bounded()), destination.loaded(bounded())]);
  await destination.destroy();
  await machine.cancelMigration();
  assert.is((await machine.status()).state, 'migrated');
  await machine.cont();
  assert.is((await machine.status()).state, 'running');
  await guestWorks();
});

test('the agent dies in the hold: the next one finds the machine held, and goes back', async () => {
  const destination = stage.track(await stage.driver.incoming(stage.spec('agentless', 'tap0')));
  const pump = await stage.toHold(machine, destination);
  machine.detach();
  pump.cut();
  machine = stage.track(await found(stage.driver.adopt(machine)));
  const events = listen(machine);
  assert.is((await machine.status()).state, 'held');
  const error = await rejects(machine.continueMigration(bounded()), /failed after the hold/);
  assert.is(error instanceof MigrationFailedError && error.sourceState, 'running');
  assert.equal(events, ['resumed by itself']);
  await destination.destroy();
  await guestWorks();
});

test('an abort in the memory phase leaves the guest running', async () => {
  const destination = stage.track(await stage.driver.incoming(stage.spec('sixth', 'tap0')));
  const abort = new AbortController();
  const held = stage.toHold(machine, destination, { maxBandwidthBytesPerSecond: 2_000_000, signal: abort.signal });
  await until('memory flows', async () => (await machine.migrationProgress()).transferredBytes > 1_000_000);
  abort.abort(new Error('changed my mind'));
  await rejects(held, /changed my mind/);
  assert.is((await machine.status()).state, 'running');
  await destination.destroy();
  await guestWorks();
});

test('a cut stream fails the migration and leaves the guest running', async () => {
  const destination = stage.track(await stage.driver.incoming(stage.spec('seventh', 'tap0')));
  const abort = new AbortController();
  const pumps: RamPump[] = [];
  const held = stage.toHold(
    machine,
    destination,
    { maxBandwidthBytesPerSecond: 2_000_000, signal: abort.signal },
    pumps,
  );
  await until('memory flows', async () => (pumps[0]?.sentBytes ?? 0) > 1_000_000);
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

function listen(source: Machine): string[] {
  const events: string[] = [];
  source.on('stopped', () => events.push('stopped'));
  source.on('resumed', ({ asked }) => events.push(asked ? 'resumed' : 'resumed by itself'));
  return events;
}

async function found(adopted: Promise<Machine | undefined>): Promise<Machine> {
  const living = await adopted;
  if (living === undefined) throw new Error('there is no machine to adopt');
  return living;
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
