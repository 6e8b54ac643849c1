// The source's side of a migration against a QEMU of ours: the orders it gets, and the moments a real one is too fast for.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { MigrationFailedError } from '../../../hypervisor/driver.ts';
import { OutgoingMigration } from '../../../hypervisor/qemu/outgoing-migration.ts';
import { QmpClient } from '../../../hypervisor/qmp/qmp-client.ts';
import { QmpServer } from './qmp-server.ts';

/** Only to end what would hang. */
const BOUND_MS = 60_000;

const CAPABILITIES = ['events', 'return-path', 'pause-before-switchover', 'late-block-activate', 'multifd', 'xbzrle'];
const OPTIONS = { socketPath: '/r', maxBandwidthBytesPerSecond: 1000.5, downtimeLimitMs: 20 };

/** A QEMU whose migration goes where the test leads it. */
class Source {
  readonly orders: string[] = [];
  migration = 'none';
  runState = 'running';
  capabilities = CAPABILITIES;
  on: Record<string, () => object | string> = {};
  server: QmpServer | undefined;

  answer(command: string, args: Record<string, unknown>): object | string {
    if (command === 'query-migrate') return { status: this.migration, 'error-desc': 'a reason' };
    if (command === 'query-status') return { running: this.runState === 'running', status: this.runState };
    if (command === 'query-migrate-capabilities')
      return this.capabilities.map((capability) => ({ capability, state: true }));
    this.orders.push(`${command} ${JSON.stringify(args)}`);
    return this.on[command]?.() ?? {};
  }

  become(migration: string, runState: string): object {
    this.migration = migration;
    this.runState = runState;
    this.server?.event('MIGRATION', { status: migration });
    return {};
  }
}

let source: Source;
let qmp: QmpClient;
let migration: OutgoingMigration;

test.before.each(async () => {
  source = new Source();
  source.server = await QmpServer.start((command, args) => source.answer(command, args));
  qmp = await QmpClient.connect(source.server.path, { timeoutMs: BOUND_MS });
  migration = new OutgoingMigration(qmp, 'web');
});

test.after.each(async () => {
  qmp.close();
  await source.server?.close();
});

test('to the hold: every capability and parameter is set, then the stream begins', async () => {
  source.on = { migrate: () => source.become('pre-switchover', 'finish-migrate') };
  await migration.toHold({ ...OPTIONS, signal: AbortSignal.timeout(BOUND_MS) });
  const wanted = CAPABILITIES.map((capability, index) => ({ capability, state: index < 4 }));
  assert.equal(source.orders, [
    `migrate-set-capabilities ${JSON.stringify({ capabilities: wanted })}`,
    'migrate-set-parameters {"max-bandwidth":1000,"downtime-limit":20,"xbzrle-cache-size":67108864}',
    'migrate {"uri":"unix:/r"}',
  ]);
});

test('a QEMU without a hold is not asked to migrate', async () => {
  source.capabilities = ['events', 'return-path'];
  const error = await failed(migration.toHold(OPTIONS));
  assert.match(error.message, 'it lacks pause-before-switchover, late-block-activate');
  assert.equal(source.orders, []);
});

test('a refused start waits for nothing', async () => {
  source.on = { migrate: () => 'there is a blocker' };
  assert.match((await failed(migration.toHold(OPTIONS))).message, 'QEMU refused migrate: there is a blocker');
});

test('a failure tells the state that the guest settles in, not the one on the way', async () => {
  source.become('pre-switchover', 'finish-migrate');
  source.on = { 'migrate-continue': () => source.become('failed', 'finish-migrate') };
  const failure = failed(migration.go({ timeoutMs: BOUND_MS }));
  await qmp.waitEvent('MIGRATION', ({ status }) => status === 'failed', { timeoutMs: BOUND_MS });
  for (let round = 0; round < 3; round++) await qmp.execute('query-status', {});
  source.runState = 'running';
  const error = await failure;
  assert.ok(error instanceof MigrationFailedError);
  assert.is(error.sourceState, 'running');
  assert.is(error.message, 'migration of web failed after the hold: a reason; the guest is running here');
});

test('a guest that was paused is paused after a failure', async () => {
  source.on = { migrate: () => source.become('failed', 'postmigrate') };
  const error = await failed(migration.toHold(OPTIONS));
  assert.is(error instanceof MigrationFailedError && error.sourceState, 'paused');
});

test('cancel has nothing to do after an end, and does not undo a completion', async () => {
  for (const status of ['none', 'completed', 'failed', 'cancelled']) {
    source.migration = status;
    await migration.cancel();
  }
  assert.equal(source.orders, []);
  source.become('device', 'finish-migrate');
  source.on = { migrate_cancel: () => source.become('completed', 'postmigrate') };
  assert.match((await failed(migration.cancel())).message, 'it was complete already');
});

test('an abort cancels and gives the reason back when that is done', async () => {
  const abort = new AbortController();
  source.on = {
    migrate: () => source.become('active', 'running'),
    migrate_cancel: () => source.become('cancelled', 'running'),
  };
  const held = failed(migration.toHold({ ...OPTIONS, signal: abort.signal }));
  await qmp.waitEvent('MIGRATION', ({ status }) => status === 'active', { timeoutMs: BOUND_MS });
  abort.abort(new Error('enough'));
  assert.is((await held).message, 'enough');
  assert.is(source.orders.at(-1), 'migrate_cancel {}');
});

async function failed(promise: Promise<unknown>): Promise<Error> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof Error) return error;
  throw new Error('it did not fail');
}

test.run();
