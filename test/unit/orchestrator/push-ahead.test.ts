// The wait between a migration's preparation and its memory, for images whose blocks go ahead.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DEFAULT_SETTINGS } from '../../../blockd/propagation/default-settings.ts';
import { OperationError } from '../../../common/errors.ts';
import type { PropagationPolicy } from '../../../wire/contracts/propagation.ts';
import { ControlStand } from './control-stand.ts';
import { head, machineState } from './fake-cluster.ts';
import { vmRecord } from './records.ts';

const LEAD = 'alpha blockd propagation.lead';
const MEMORY = 'alpha hypervisor migration.outgoing';

const test = suite<{ stand: ControlStand }>('blocks that go ahead of the memory');

test.before.each(async (context) => {
  const stand = await ControlStand.open();
  context.stand = stand;
  await stand.control.state.put('vms', 'web', vmRecord());
  stand.cluster.clients('alpha').hypervisor.answers['machine.list'] = () => ({ machines: [machineState()] });
});
test.after.each(({ stand }) => stand.close());

function givePolicy({ cluster }: ControlStand, policy: PropagationPolicy): void {
  const propagation = { ...DEFAULT_SETTINGS, policy };
  cluster.catalogue.answers['transfer.begin'] = () => ({
    heads: [head({ writer: 'alpha', epoch: 1, propagation })],
  });
}

test('the memory goes once the writer says that they are there, and the record says how long that took', async ({
  stand,
}) => {
  const { cluster } = stand;
  givePolicy(stand, { mode: 'proactive', leadSeconds: 7 });
  const asked: unknown[] = [];
  cluster.clients('alpha').blockd.answers['propagation.lead'] = (order) => {
    asked.push(order);
    assert.is(stand.migration().step, 'ahead');
    assert.is(cluster.count(MEMORY), 0);
    return { missingBlocks: 12 };
  };
  const { step, stepTimes } = await stand.over(stand.migrate());
  assert.is(step, 'moved');
  assert.equal(asked, [{ image: 'web', node: 'beta', withinMs: 7_000 }]);
  assert.ok(stepTimes.some((one) => one.step === 'ahead'));
});

test('a writer that does not answer is no reason not to move', async ({ stand }) => {
  givePolicy(stand, { mode: 'proactive' });
  stand.cluster.clients('alpha').blockd.answers['propagation.lead'] = () => {
    throw new OperationError('CONNECTION_LOST', 'it is away');
  };
  assert.is((await stand.over(stand.migrate())).step, 'moved');
  assert.is(stand.cluster.count(LEAD), 1);
});

for (const policy of [{ mode: 'proactive', leadSeconds: 0 }, { mode: 'on-demand' }] as const) {
  test(`under ${JSON.stringify(policy)} nothing is waited for`, async ({ stand }) => {
    givePolicy(stand, policy);
    assert.is((await stand.over(stand.migrate())).step, 'moved');
    assert.is(stand.cluster.count(LEAD), 0);
  });
}

test('cancelled meanwhile, it is taken back and no memory goes', async ({ stand }) => {
  const { cluster } = stand;
  givePolicy(stand, { mode: 'proactive' });
  cluster.clients('alpha').blockd.answers['propagation.lead'] = (_order, { signal }) =>
    new Promise((_resolve, reject) => {
      signal?.addEventListener('abort', () => reject(new OperationError('CANCELLED', 'given up')));
    });
  const refused = stand.refusal(stand.migrate());
  await stand.until(() => cluster.count(LEAD) === 1);
  await stand.over(stand.control.migrations.cancel('web'));
  assert.match((await refused).message, 'cancelled by the operator');
  assert.equal(stand.migration().toUndo, []);
  assert.is(cluster.count(MEMORY), 0);
});

test.run();
