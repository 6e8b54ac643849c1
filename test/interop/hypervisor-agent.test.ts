// Two real agents move a real guest between two real QEMUs (TCG) on one machine: the calls, the hold's order as the
// neighbours see it, refusals, and agents killed in the middle.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { READY_LINE } from '../../lab/guest/command-line.ts';
import type { MemoryProgress, Outcome } from '../../wire/contracts/hypervisor.ts';
import { until } from '../until.ts';
import { ADDRESSES, AgentStand, enterNamespace, type NodeName } from './hypervisor-agent-stand.ts';

const BOOT_TIMEOUT_MS = 90_000;
const MIGRATION_TIMEOUT_MS = 90_000;
const TERM = 5;

let stand: AgentStand;
let migrations = 0;

function nextMigration(): string {
  migrations += 1;
  return migrations.toString(16).padStart(16, '0');
}

async function stateAt(node: NodeName): Promise<string> {
  const { machines } = await stand.clients[node].call('machine.list', {});
  return machines.find(({ vm }) => vm === 'web')?.state ?? 'none';
}

/** A guest that runs uses its processor. */
async function runsAt(node: NodeName): Promise<void> {
  const seconds = async () => (await stand.clients[node].call('machine.list', {})).machines[0]?.cpuSeconds ?? 0;
  await until(`web runs at ${node}`, async () => (await stateAt(node)) === 'running');
  const before = await seconds();
  await until(`web works at ${node}`, async () => (await seconds()) > before);
}

/** Waits until a node's neighbours have been called so. */
function calledAt(node: NodeName, ...names: readonly string[]): Promise<void> {
  const { calls } = stand.standIns[node];
  return until(`${node} calls ${names.join()}`, async () => names.every((name) => calls.includes(name)));
}

function endpoint(node: NodeName): { node: string; address: string } {
  return { node, address: ADDRESSES[node] };
}

async function prepare(migration: string, from: NodeName, to: NodeName): Promise<void> {
  stand.standIns.alpha.calls.length = 0;
  stand.standIns.beta.calls.length = 0;
  await stand.clients[to].call('migration.incoming', {
    ...{ term: TERM, migration, epoch: 2, spec: stand.spec, sockets: [stand.diskSocket], port: stand.tap(to) },
    source: endpoint(from),
    deadlineMs: 10_000,
  });
}

async function send(
  migration: string,
  from: NodeName,
  to: NodeName,
  onProgress: (progress: MemoryProgress) => void = () => undefined,
): Promise<Outcome> {
  const params = { term: TERM, migration, vm: 'web', destination: endpoint(to) };
  const limits = { maxBandwidthBytesPerSecond: 40_000_000, downtimeLimitMs: 0 };
  return stand.clients[from].call(
    'migration.outgoing',
    { ...params, ...limits },
    { onProgress, timeoutMs: MIGRATION_TIMEOUT_MS },
  );
}

if (await enterNamespace(import.meta.filename)) {
  test.before(async () => {
    stand = await AgentStand.start();
  });
  test.after(() => stand.stop());

  test('both sign on with the orchestrator and say what they can run', async () => {
    await until('both registered', async () => new Set(stand.registered.map(({ cloud }) => cloud)).size === 2);
    const { capabilities } = stand.registered[0] ?? {};
    assert.ok(capabilities?.proof.endsWith('.'));
    assert.equal(capabilities?.machines, ['pc-q35-7.2']);
  });

  test('boots a guest with its port open', async () => {
    await stand.clients.alpha.call('machine.create', {
      ...{ term: TERM, epoch: 1, spec: stand.spec, sockets: [stand.diskSocket], port: stand.tap('alpha') },
    });
    assert.equal(stand.standIns.alpha.calls, ['port.open']);
    const console = async () => (await stand.clients.alpha.call('machine.console', { vm: 'web' })).text;
    await until('the guest is up', async () => (await console()).includes(READY_LINE), BOOT_TIMEOUT_MS);
  });

  test('refuses an earlier controller', async () => {
    const error = await stand.clients.alpha.call('machine.delete', { term: TERM - 1, vm: 'web' }).then(
      () => undefined,
      (reason: Error & { code: string }) => reason,
    );
    assert.is(error?.code, 'OLD_TERM');
  });

  test('moves the guest, in the order of the hold, and refuses a second migration meanwhile', async () => {
    const migration = nextMigration();
    await prepare(migration, 'alpha', 'beta');
    const phases = new Set<string>();
    let second: Promise<string> | undefined;
    const outcome = await send(migration, 'alpha', 'beta', ({ phase }) => {
      phases.add(phase);
      second ??= send(nextMigration(), 'alpha', 'beta').then(
        () => 'accepted',
        (error) => error.code,
      );
    });
    assert.is(outcome.decision, 'started', outcome.reason);
    assert.is(await second, 'ALREADY_MOVING');
    assert.equal([...phases], ['memory', 'hold', 'decided']);
    assert.ok(outcome.memoryBytes > 10_000_000);
    console.log(
      `hold ${Math.round(outcome.holdMs)} ms: ${outcome.steps.map(({ step, atMs }) => `${step} ${atMs.toFixed(1)}`).join(', ')}`,
    );
    await runsAt('beta');
    await until('alpha is rid of it', async () => (await stateAt('alpha')) === 'none');
    // What is left to do at either end is done in its agent's own time.
    await calledAt('alpha', 'port.detach', 'writer.release');
    await calledAt('beta', 'port.open', 'standby.activate');
    // The first call of each side only opens a connection: it says of the port what it is.
    assert.equal(stand.standIns.alpha.calls.slice(0, 3), ['port.open', 'port.close', 'writer.freeze']);
    assert.equal(stand.standIns.alpha.calls.slice(3).sort(), ['port.detach', 'writer.release']);
    assert.equal(stand.standIns.beta.calls.slice(0, 2), ['port.close', 'standby.verify']);
    assert.equal(stand.standIns.beta.calls.slice(2).sort(), ['port.open', 'standby.activate']);
    assert.is((await stand.clients.beta.call('migration.record', { migration })).decision, 'started');
  });

  test('the guest stays when the tables differ', async () => {
    const migration = nextMigration();
    stand.standIns.alpha.tablesAreEqual = false;
    await prepare(migration, 'beta', 'alpha');
    const outcome = await send(migration, 'beta', 'alpha');
    stand.standIns.alpha.tablesAreEqual = true;
    assert.is(outcome.decision, 'refused');
    await runsAt('beta');
    await calledAt('beta', 'writer.thaw');
    await until('alpha is rid of it', async () => (await stateAt('alpha')) === 'none');
    await calledAt('alpha', 'standby.cancel');
    assert.not(stand.standIns.alpha.calls.includes('standby.activate'));
  });

  test("the source's agent dies before the release: the guest goes on, the destination refuses", async () => {
    const migration = nextMigration();
    await prepare(migration, 'beta', 'alpha');
    const frozen = Promise.withResolvers<void>();
    stand.standIns.beta.before.set('writer.freeze', () => stand.killAgent('beta').then(frozen.resolve));
    const lost = send(migration, 'beta', 'alpha').catch(() => undefined);
    await frozen.promise;
    await lost;
    stand.standIns.beta.before.clear();
    await until('alpha has refused', async () => {
      const { decision } = await stand.clients.alpha.call('hold.decision', { migration, waitMs: 0 });
      return decision === 'refused';
    });
    await stand.startAgent('beta');
    await runsAt('beta');
    await calledAt('beta', 'writer.thaw');
    assert.is((await stand.clients.beta.call('migration.record', { migration })).decision, 'refused');
  });

  test("the destination's agent dies after its record: restarted, it brings the guest up", async () => {
    const migration = nextMigration();
    await prepare(migration, 'beta', 'alpha');
    const decided = Promise.withResolvers<void>();
    stand.standIns.alpha.before.set('standby.activate', () => stand.killAgent('alpha').then(decided.resolve));
    const outcome = send(migration, 'beta', 'alpha');
    await decided.promise;
    stand.standIns.alpha.before.clear();
    // Whether the source heard the record before the agent died is chance; it must not have made up another.
    assert.is.not((await outcome).decision, 'refused');
    assert.is.not(await stateAt('beta'), 'running');
    await stand.startAgent('alpha');
    await runsAt('alpha');
    await until('beta is rid of it', async () => (await stateAt('beta')) === 'none');
    assert.is((await stand.clients.beta.call('migration.record', { migration })).decision, 'started');
  });

  test('a restarted agent takes its machine up again', async () => {
    await stand.killAgent('alpha');
    await stand.startAgent('alpha');
    await runsAt('alpha');
  });

  test('a migration that was refused before it was prepared is not taken', async () => {
    const migration = nextMigration();
    const refusal = await stand.clients.beta.call('hold.refuse', { migration, reason: 'no' });
    assert.is(refusal.decision, 'refused');
    const error = await prepare(migration, 'alpha', 'beta').then(
      () => undefined,
      (reason: Error) => reason,
    );
    assert.match(error?.message ?? '', 'refused before it began');
  });

  test.run();
}
