// Faults of a real cluster in the middle of a migration: nodes that are down or stand still, links that are cut, daemons
// of the controller that are killed. Whatever becomes of the migration, the VM runs at exactly one place and neither it
// nor its user has noticed more than a wait; and when all is mended the next migration works. The tests build on each
// other: each leaves the VM where the next begins.
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { OperationError } from '../../common/errors.ts';
import { formatMs } from '../../common/terminal/progress.ts';
import { BLOCKD, CATALOGUE, type DaemonKind, HYPERVISOR, ORCHESTRATOR, SDND } from '../../lab/daemons.ts';
import { CommandFailed } from '../../lab/namespace.ts';
import { runSupercloud } from '../../lab/program.ts';
import { GUEST } from '../../lab/topology.ts';
import type { MigrationState } from '../../wire/contracts/cluster-state.ts';
import { refusal } from '../refusal.ts';
import { within } from '../unit/common/members.ts';
import { ClusterStand, type Order, until } from './stand.ts';

const { vm } = GUEST;
/** A fault of 10 s, a recovery of 20 s and two migrations of 10 s each, four times over. */
const CASE_LIMIT_MS = 240_000;
/** How long a link is cut. */
const CUT_MS = 10_000;
/** How long a process stands still: its callers wait for it. */
const FROZEN_MS = 6_000;
/** Slow enough that a migration is certainly under way until it is taken back. */
const SLOW_BYTES_PER_SECOND = 1_500_000;

let stand: ClusterStand;

/** How a migration with a fault in it ended. */
interface End {
  readonly error: OperationError | undefined;
  readonly migration: MigrationState;
}

function faultTest(name: string, body: () => Promise<void>): void {
  test(name, async () => {
    const begunMs = performance.now();
    const told = (how: string) => process.stdout.write(`  ${formatMs(performance.now() - begunMs)}: ${name}${how}\n`);
    try {
      await within(body(), CASE_LIMIT_MS);
      told('');
    } catch (error) {
      // At once: where a fault is not recovered from, the tests that follow wait until the file's time is over.
      told(`: ${inspect(error)}`);
      throw error;
    }
  });
}

/** All is well, and the VM is there: moved if an earlier test has failed. */
async function begin(from: string): Promise<void> {
  if ((await stand.recovered()) !== from) await stand.operator.call('vm.migrate', { vm, to: from });
  await stand.assertRunsAt(from);
}

/** Has something go wrong while the memory goes, and sees that the VM is where its migration's end says, and whole. */
async function survive(
  { from, to, rate }: { from: string; to: string; rate?: number },
  harm: (order: Order) => Promise<void>,
): Promise<End> {
  await begin(from);
  const before = await stand.visitor.ask('status');
  await stand.visitor.mark();
  const order = await stand.migrateUntilMemory(to, rate);
  await harm(order);
  const error = await order.ended;
  const place = await stand.recovered();
  const { migration } = await stand.operator.call('vm.show', { vm });
  assert.ok(migration !== null);
  assert.is(place, migration.step === 'moved' ? to : from);
  await stand.assertGoesOn(before);
  process.stdout.write(`  ${from} to ${to}: ${migration.step} ${migration.reason}, ${formatMs(migration.totalMs)}\n`);
  return { error, migration };
}

/** A migration that did not come about says why, and what is true of the VM now. */
function assertExplained({ error, migration }: End): void {
  if (migration.step === 'moved') {
    assert.is(error, undefined);
    return;
  }
  const { from, to } = migration;
  assert.is(error?.code, 'MIGRATION_FAILED');
  assert.match(error?.message ?? '', new RegExp(`^VM ${vm} did not move from ${from} to ${to}: \\w+ .+`));
  assert.match(error?.remedy ?? '', new RegExp(`it (runs on|is being continued) at ${from}`));
}

/** With everything mended a further migration works. */
async function moveOn(to: string): Promise<void> {
  const before = await stand.visitor.ask('status');
  const { step } = await stand.operator.call('vm.migrate', { vm, to });
  assert.is(step, 'moved');
  assert.is(await stand.recovered(), to);
  await stand.assertGoesOn(before);
}

/** As a person types it; answers what the command says when it fails. */
async function migrateByHand(to: string): Promise<string> {
  const context = `${stand.lab.run.path}/context.json`;
  const { namespace } = stand.lab.cloud('alpha');
  try {
    await runSupercloud(namespace, ['migrate', vm, '--to', to, '--context', context]);
  } catch (error) {
    // Only an exit code other than 0 leads here.
    if (error instanceof CommandFailed) return error.message;
    throw error;
  }
  throw new Error('the command did not fail');
}

async function killAndStart(kind: DaemonKind): Promise<void> {
  const alpha = stand.lab.cloud('alpha');
  await alpha.daemon(kind).kill();
  await alpha.startDaemon(kind);
}

async function cut(directions: readonly (readonly [string, string])[]): Promise<void> {
  const { wan } = stand.lab;
  try {
    await Promise.all(directions.map(([from, to]) => wan.set(from, to, { up: false })));
    await sleep(CUT_MS);
  } finally {
    await Promise.all(directions.map(([from, to]) => wan.set(from, to, { up: true })));
  }
}

test.before(async () => {
  stand = await ClusterStand.start();
});

test.after(() => stand?.stop());

faultTest('a destination whose daemons are down: a sentence, an exit code, and the VM is not touched', async () => {
  await begin('alpha');
  const before = await stand.visitor.ask('status');
  const beta = stand.lab.cloud('beta');
  const kinds = [HYPERVISOR, BLOCKD];
  await Promise.all(kinds.map((kind) => beta.daemon(kind).kill()));
  try {
    // On a busy machine the node is called down before a command has started. On a quick one the end of the
    // connections, which takes the link's time, comes after the call has gone out on one of them.
    const { message, remedy } = await refusal(stand.operator.call('vm.migrate', { vm, to: 'beta' }));
    assert.match(
      message,
      /^VM web did not move from alpha to beta: (cannot reach node beta at [\d.:]+: nothing listens there|the connection to node beta at [\d.:]+ ended)/,
    );
    assert.match(remedy ?? '', 'it runs on at alpha');
    await until('the node is called down', async () => {
      const { nodes } = await stand.operator.call('node.list', {});
      return nodes.find(({ node }) => node === 'beta')?.up === false ? '' : 'it is up';
    });
    assert.match(await migrateByHand('beta'), 'node beta of cloud beta gave no sign of life lately');
  } finally {
    // The tests that follow need them, whatever became of this one.
    await Promise.all(kinds.map((kind) => beta.startDaemon(kind)));
  }
  assert.is(await stand.recovered(), 'alpha');
  await stand.assertGoesOn(before);
  await moveOn('gamma');
});

faultTest('a destination whose agent stands still for a while', async () => {
  const end = await survive({ from: 'gamma', to: 'alpha' }, async () => {
    const agent = stand.lab.cloud('alpha').daemon(HYPERVISOR);
    agent.signal('SIGSTOP');
    await sleep(FROZEN_MS).finally(() => agent.signal('SIGCONT'));
  });
  assertExplained(end);
  await moveOn('beta');
});

faultTest('source and destination are cut off from each other, both ways, for 10 s', async () => {
  const end = await survive({ from: 'beta', to: 'gamma' }, () =>
    cut([
      ['beta', 'gamma'],
      ['gamma', 'beta'],
    ]),
  );
  assertExplained(end);
  await moveOn('alpha');
});

faultTest('the source, and the controller with it, hears nothing of the destination for 10 s', async () => {
  assertExplained(await survive({ from: 'alpha', to: 'beta' }, () => cut([['beta', 'alpha']])));
  await moveOn('gamma');
});

faultTest('the orchestrator is killed and comes back: the migration ends, and the VMs are known at once', async () => {
  const { error, migration } = await survive({ from: 'gamma', to: 'alpha' }, () => killAndStart(ORCHESTRATOR));
  assert.is(error?.code, 'CONNECTION_LOST');
  assert.ok(migration.step === 'moved' || migration.reason === 'the controller restarted', migration.reason);
  await killAndStart(ORCHESTRATOR);
  // The first question after the start, whenever it comes.
  assert.is((await stand.operator.call('vm.show', { vm })).state, 'running');
  await moveOn('beta');
});

faultTest("the overlay's controller is killed, and the migration is taken back while it is away", async () => {
  const end = await survive({ from: 'beta', to: 'gamma', rate: SLOW_BYTES_PER_SECOND }, async () => {
    const alpha = stand.lab.cloud('alpha');
    await alpha.daemon(SDND).kill();
    await Promise.all([stand.operator.call('migration.cancel', { vm }), alpha.startDaemon(SDND)]);
  });
  assert.is(end.migration.step, 'failed');
  assert.is(end.migration.reason, 'cancelled by the operator');
  assertExplained(end);
  await moveOn('alpha');
});

faultTest('the catalogue is killed and comes back', async () => {
  assertExplained(await survive({ from: 'alpha', to: 'beta' }, () => killAndStart(CATALOGUE)));
  await moveOn('gamma');
});

faultTest(
  "what somebody takes from the guest's switch by hand comes back, and the guest and its user go on",
  async () => {
    await begin('gamma');
    const { openVswitch } = stand.lab.cloud('gamma');
    const port = (await openVswitch.ovsVsctl(['list-ports', 'br-int']))
      .split('\n')
      .find((name) => name.startsWith('vm-'));
    for (const words of [`del-port br-int ${port}`, 'del-port br-int vxlan0', 'del-controller br-int']) {
      const before = await stand.visitor.ask('status');
      await openVswitch.ovsVsctl(words.split(' '));
      assert.is(await stand.recovered(), 'gamma');
      await stand.assertGoesOn(before);
    }
  },
);

faultTest('after all that every record is whole, and no daemon has ended by itself', async () => {
  const { sweeps } = await stand.visitor.ask('verify');
  await until('every record was read back', async () => {
    const now = await stand.visitor.ask('status');
    return now.sweeps > sweeps ? '' : `${now.verified} verified`;
  });
  await stand.assertRunsAt('gamma');
  assert.equal(stand.lab.troubles, []);
});

test.run();
