// Orders of migrations: which are refused, how one is cancelled, and what its end says to a person.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { OperationError } from '../../../common/errors.ts';
import type { Outcome } from '../../../wire/contracts/hypervisor.ts';
import { ControlStand } from './control-stand.ts';
import { machineState, outcome } from './fake-cluster.ts';
import { vmRecord } from './records.ts';

const test = suite<{ stand: ControlStand }>('migration orders');

test.before.each(async (context) => {
  const stand = await ControlStand.open();
  context.stand = stand;
  await stand.control.state.put('vms', 'web', vmRecord());
  stand.cluster.clients('alpha').hypervisor.answers['machine.list'] = () => ({ machines: [machineState()] });
});
test.after.each(({ stand }) => stand.close());

const lost = (): never => {
  throw new OperationError('CONNECTION_LOST', 'the answer was lost');
};

test('of two orders at once the second is refused', async ({ stand }) => {
  const orders = [stand.migrate('beta'), stand.migrate('gamma')].map((order) =>
    stand.over(order).then(
      ({ to }) => to,
      (error: OperationError) => error.code,
    ),
  );
  assert.equal(await Promise.all(orders), ['beta', 'ALREADY_MIGRATING']);
});

test('an epoch that was offered once is never offered again', async ({ stand }) => {
  const { hypervisor } = stand.cluster.clients('beta');
  hypervisor.answers['migration.incoming'] = lost;
  await stand.refusal(stand.migrate());
  hypervisor.answers['migration.incoming'] = () => ({});
  await stand.over(stand.migrate());
  assert.is(stand.control.vms.record('web').epoch, 3);
});

/** What changes anything at a node or in the overlay. */
const TOUCHES = [
  ...['beta switch port.attach', 'beta blockd standby.start', 'beta hypervisor migration.incoming'],
  ...['sdnd migration.prepare', 'alpha hypervisor migration.outgoing'],
];

for (const node of ['alpha', 'beta']) {
  test(`where the store of ${node} was put back nothing is touched, and what to do is said`, async ({ stand }) => {
    const { cluster } = stand;
    const heard: string[] = [];
    cluster.catalogue.answers['notch.heard'] = (params) => {
      heard.push(...params.heard.map((one) => one.node));
      return { again: [], doubtful: [] };
    };
    const { 'transfer.begin': granted } = cluster.catalogue.answers;
    cluster.catalogue.answers['transfer.begin'] = (params, options) => {
      if (granted === undefined) throw new Error('no transfer is granted here');
      if (!heard.includes(node)) return granted(params, options);
      throw new OperationError('IMAGE_UNCERTAIN', 'it may not be its newest state', { remedy: 'Accept it.' });
    };
    const { code, message, remedy } = await stand.refusal(stand.migrate());
    assert.is(code, 'MIGRATION_FAILED');
    assert.match(message, 'it may not be its newest state');
    assert.match(remedy, /runs on at alpha; to mend the cause: Accept it\./);
    assert.equal(heard.sort(), ['alpha', 'beta']);
    for (const call of TOUCHES) assert.is(cluster.count(call), 0, call);
  });
}

test('a store that cannot be asked how far it has come is no way to go', async ({ stand }) => {
  stand.cluster.clients('beta').blockd.answers['store.notch'] = lost;
  assert.match((await stand.refusal(stand.migrate())).message, 'the answer was lost');
  assert.is(stand.cluster.count('catalogue transfer.begin'), 0);
});

test('only the newest journals of ended migrations are kept, and none of a deleted VM', async ({ stand }) => {
  stand.cluster.clients('beta').hypervisor.answers['migration.incoming'] = lost;
  for (let order = 0; order < 10; order++) await stand.refusal(stand.migrate());
  assert.is(stand.control.state.all('migrations').length, 8);
  await stand.over(stand.control.vms.delete('web'));
  assert.is(stand.control.state.all('migrations').length, 0);
});

test('a cancelled migration ends before its memory, in the middle of a step', async ({ stand }) => {
  stand.cluster.clients('beta').blockd.answers['standby.start'] = (_params, { signal }) =>
    new Promise((_resolve, reject) => {
      signal?.addEventListener('abort', () => reject(new OperationError('CANCELLED', 'given up')));
    });
  const order = stand.refusal(stand.migrate());
  await stand.until(() => stand.cluster.count('beta blockd standby.start') === 1);
  await stand.over(stand.control.migrations.cancel('web'));
  const error = await order;
  assert.is(error.code, 'MIGRATION_FAILED');
  assert.match(error.message, 'cancelled by the operator');
  assert.is(stand.cluster.count('alpha hypervisor migration.outgoing'), 0);
  assert.is(stand.cluster.count('beta blockd standby.cancel'), 1);
});

test('a migration that is cancelled while a step ends takes no other', async ({ stand }) => {
  const attached = Promise.withResolvers<{ port: string }>();
  stand.cluster.clients('beta').switchAgent.answers['port.attach'] = () => attached.promise;
  const order = stand.refusal(stand.migrate());
  await stand.until(() => stand.cluster.count('beta switch port.attach') === 1);
  const cancelled = stand.over(stand.control.migrations.cancel('web'));
  attached.resolve({ port: 'tap1' });
  await cancelled;
  assert.match((await order).message, 'cancelled by the operator');
  assert.is(stand.cluster.count('sdnd migration.prepare'), 0);
  assert.is(stand.cluster.count('beta hypervisor migration.incoming'), 0);
  assert.is(stand.cluster.count('beta switch port.detach'), 1);
});

test('cancelling in the memory asks the source; too late is said', async ({ stand }) => {
  const { hypervisor } = stand.cluster.clients('alpha');
  let end: (value: Outcome) => void = () => undefined;
  hypervisor.answers['migration.outgoing'] = () =>
    new Promise((resolve) => {
      end = resolve;
    });
  hypervisor.answers['migration.abort'] = ({ reason }) => {
    end(outcome({ decision: 'refused', reason, closings: [] }));
    return { decision: 'refused' };
  };
  const order = stand.refusal(stand.migrate());
  await stand.until(() => stand.cluster.count('alpha hypervisor migration.outgoing') === 1);
  await stand.over(stand.control.migrations.cancel('web'));
  assert.match((await order).message, 'cancelled by the operator');
  hypervisor.answers['migration.abort'] = () => {
    end(outcome());
    return { decision: 'undecided' };
  };
  const second = stand.over(stand.migrate());
  await stand.until(() => stand.cluster.count('alpha hypervisor migration.outgoing') === 2);
  assert.is((await stand.refusal(stand.control.migrations.cancel('web'))).code, 'TOO_LATE');
  assert.is((await second).step, 'moved');
  assert.is((await stand.refusal(stand.control.migrations.cancel('web'))).code, 'NOT_MIGRATING');
});

test('an earlier migration that still clears up at the destination is waited for', async ({ stand }) => {
  const { hypervisor } = stand.cluster.clients('beta');
  let looks = 0;
  hypervisor.answers['machine.list'] = () => {
    looks += 1;
    return { machines: looks < 3 ? [machineState({ state: 'held' })] : [] };
  };
  let orders = 0;
  hypervisor.answers['migration.incoming'] = () => {
    orders += 1;
    if (orders < 3) throw new OperationError('ALREADY_MOVING', 'another migration is not settled');
    return {};
  };
  assert.is((await stand.over(stand.migrate())).step, 'moved');
  assert.is(looks, 3);
  assert.is(orders, 3);
});

test('the remedy says what is true of the machine', async ({ stand }) => {
  const { hypervisor } = stand.cluster.clients('alpha');
  stand.cluster.clients('beta').hypervisor.answers['migration.incoming'] = lost;
  assert.match((await stand.refusal(stand.migrate())).remedy, 'it runs on at alpha');
  hypervisor.answers['machine.list'] = () => ({ machines: [machineState({ state: 'held' })] });
  assert.match((await stand.refusal(stand.migrate())).remedy, 'is being continued at alpha');
  hypervisor.answers['machine.list'] = () => ({ machines: [] });
  assert.match((await stand.refusal(stand.migrate())).remedy, 'does not run any more');
});

test('a VM whose machine has stopped does not move', async ({ stand }) => {
  stand.cluster.clients('alpha').hypervisor.answers['machine.list'] = () => ({ machines: [] });
  await stand.control.reports.ask('alpha');
  assert.is(stand.control.vms.show('web').state, 'stopped');
  assert.is((await stand.refusal(stand.migrate())).code, 'VM_STOPPED');
});

test.run();
