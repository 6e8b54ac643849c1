// How migrations end: by a record and by nothing else, whatever fails, stops or restarts around it; and what a failed
// one has made is taken back in the end.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { OperationError } from '../../../common/errors.ts';
import { ControlStand } from './control-stand.ts';
import { CLOSING, machineState, outcome } from './fake-cluster.ts';
import { vmRecord } from './records.ts';

const test = suite<{ stand: ControlStand }>('migrations');

test.before.each(async (context) => {
  const stand = await ControlStand.open();
  context.stand = stand;
  await stand.control.state.put('vms', 'web', vmRecord());
  stand.cluster.clients('alpha').hypervisor.answers['machine.list'] = () => ({ machines: [machineState()] });
});
test.after.each(({ stand }) => stand.close());

const UNDO = [
  'catalogue transfer.finish',
  'sdnd migration.cancel',
  'beta hypervisor hold.refuse',
  'beta blockd standby.cancel',
  'beta switch port.detach',
];

const lost = (): never => {
  throw new OperationError('CONNECTION_LOST', 'the answer was lost');
};

/** The source has released and the destination does not say: nobody knows how it ends. */
function undecided({ cluster }: ControlStand): void {
  const { answers } = cluster.clients('alpha').hypervisor;
  answers['migration.record'] = () => ({ decision: 'undecided', closings: [CLOSING] });
  answers['migration.outgoing'] = () => {
    cluster.clients('beta').hypervisor.isAway = true;
    return lost();
  };
}

function started({ cluster }: ControlStand): void {
  const { hypervisor } = cluster.clients('beta');
  hypervisor.isAway = false;
  hypervisor.answers['migration.record'] = () => ({ decision: 'started', closings: [] });
}

test('a migration moves the record, and takes nothing back', async ({ stand }) => {
  const steps: string[] = [];
  const moved = await stand.over(stand.migrate('beta', ({ step }) => steps.push(step)));
  assert.is(moved.step, 'moved');
  assert.is(moved.holdMs, 40);
  assert.equal([...new Set(steps)], ['precheck', 'transfer', 'prepare', 'incoming', 'memory', 'complete', 'moved']);
  const { node, epoch, offeredEpoch, port } = stand.control.vms.record('web');
  assert.equal({ node, epoch, offeredEpoch, port }, { node: 'beta', epoch: 2, offeredEpoch: 2, port: 'tap1' });
  assert.equal(stand.migration().toUndo, []);
  for (const call of UNDO.filter((one) => one !== 'catalogue transfer.finish')) assert.is(stand.cluster.count(call), 0);
});

test('told to stop while it is undecided: nothing is undone, and the next start finds the record', async ({
  stand,
}) => {
  undecided(stand);
  const order = stand.refusal(stand.migrate());
  await stand.untilStep('undecided');
  stand.control.stopping.abort();
  assert.is((await order).code, 'STOPPING');
  assert.is(stand.migration().step, 'undecided');
  for (const call of UNDO) assert.is(stand.cluster.count(call), 0);
  await stand.stop();
  await stand.start();
  assert.is(stand.migration().step, 'undecided');
  started(stand);
  await stand.over(stand.control.migrations.recover());
  assert.is(stand.migration().step, 'moved');
  assert.is(stand.control.vms.record('web').node, 'beta');
});

test('told to stop in any step: the journal stays where it was', async ({ stand }) => {
  const { hypervisor } = stand.cluster.clients('beta');
  const { promise, reject } = Promise.withResolvers<Record<string, never>>();
  hypervisor.answers['migration.incoming'] = () => promise;
  const order = stand.refusal(stand.migrate());
  await stand.until(() => stand.cluster.count('beta hypervisor migration.incoming') === 1);
  stand.control.stopping.abort();
  reject(new OperationError('CONNECTION_LOST', 'the client is closed'));
  assert.is((await order).code, 'STOPPING');
  assert.is(stand.migration().step, 'incoming');
  for (const call of UNDO) assert.is(stand.cluster.count(call), 0);
  await stand.stop();
  await stand.start();
  await stand.over(stand.control.migrations.recover());
  assert.is(stand.migration().step, 'failed');
  for (const call of UNDO) assert.is(stand.cluster.count(call), 1);
});

test('a person hears within seconds that nobody decides', async ({ stand }) => {
  undecided(stand);
  const orderedMs = stand.clock.nowMs();
  const order = stand.over(stand.migrate());
  await stand.untilStep('undecided');
  assert.ok(stand.clock.nowMs() - orderedMs < 10_000);
  assert.is(stand.control.vms.show('web').state, 'undecided');
  started(stand);
  assert.is((await order).step, 'moved');
});

test('a source that has not released is told to give up, and the destination is asked until it answers', async ({
  stand,
}) => {
  const alpha = stand.cluster.clients('alpha').hypervisor;
  const beta = stand.cluster.clients('beta').hypervisor;
  alpha.answers['migration.outgoing'] = lost;
  alpha.answers['migration.abort'] = () => ({ decision: 'undecided' });
  let asked = 0;
  beta.answers['hold.refuse'] = () => {
    asked += 1;
    if (asked < 4) return lost();
    beta.answers['migration.record'] = () => ({ decision: 'refused', closings: [] });
    return { decision: 'refused' };
  };
  const error = await stand.refusal(stand.migrate());
  assert.is(error.code, 'MIGRATION_FAILED');
  assert.ok(asked >= 4);
  assert.ok(stand.cluster.count('alpha hypervisor migration.abort') >= 1);
});

test('a source that is gone before its release: the destination refuses after a while, and that is the end', async ({
  stand,
}) => {
  const beta = stand.cluster.clients('beta').hypervisor;
  stand.cluster.clients('alpha').hypervisor.answers['migration.outgoing'] = () => {
    stand.cluster.clients('alpha').isAway = true;
    return lost();
  };
  beta.answers['hold.refuse'] = () => {
    beta.answers['migration.record'] = () => ({ decision: 'refused', closings: [] });
    return { decision: 'refused' };
  };
  const error = await stand.refusal(stand.migrate());
  assert.match(error.remedy, 'which does not answer');
  assert.is(stand.migration().step, 'failed');
});

test('what a failed migration made at a node that is away is taken back when it is there, also by a later life', async ({
  stand,
}) => {
  const beta = stand.cluster.clients('beta');
  beta.hypervisor.answers['migration.incoming'] = () => {
    beta.isAway = true;
    return lost();
  };
  await stand.refusal(stand.migrate());
  assert.equal([...stand.migration().toUndo].sort(), ['machine', 'port', 'standby']);
  assert.is((await stand.refusal(stand.migrate())).code, 'LEFT_OVER');
  await stand.stop();
  await stand.start();
  await stand.over(stand.control.migrations.tidy());
  assert.is(stand.migration().toUndo.length, 3);
  beta.isAway = false;
  await stand.over(stand.control.migrations.tidy());
  assert.equal(stand.migration().toUndo, []);
  beta.hypervisor.answers['migration.incoming'] = () => ({});
  assert.is((await stand.over(stand.migrate())).step, 'moved');
});

test('an order takes back first what is left, and goes on', async ({ stand }) => {
  const beta = stand.cluster.clients('beta');
  beta.hypervisor.answers['migration.incoming'] = () => {
    beta.isAway = true;
    return lost();
  };
  await stand.refusal(stand.migrate());
  beta.isAway = false;
  beta.hypervisor.answers['migration.incoming'] = () => ({});
  assert.is((await stand.over(stand.migrate())).step, 'moved');
});

test('a machine that is still refusing keeps its port until it has', async ({ stand }) => {
  const { hypervisor } = stand.cluster.clients('beta');
  hypervisor.answers['migration.incoming'] = lost;
  hypervisor.answers['hold.refuse'] = () => ({ decision: 'undecided' });
  await stand.refusal(stand.migrate());
  assert.is(stand.cluster.count('beta switch port.detach'), 0);
  hypervisor.answers['hold.refuse'] = () => ({ decision: 'refused' });
  await stand.over(stand.control.migrations.tidy());
  assert.is(stand.cluster.count('beta switch port.detach'), 1);
});

test('only what a step can have made is taken back; an unknown transfer is none', async ({ stand }) => {
  stand.cluster.catalogue.answers['transfer.begin'] = lost;
  stand.cluster.catalogue.answers['transfer.finish'] = () => {
    throw new OperationError('NO_TRANSFER', 'there is none');
  };
  await stand.refusal(stand.migrate());
  assert.equal(stand.migration().toUndo, []);
  for (const call of UNDO.slice(1)) assert.is(stand.cluster.count(call), 0);
});

test('overlay controller and catalogue are away when it has started: both are told when they are back', async ({
  stand,
}) => {
  const { sdnd, catalogue } = stand.cluster;
  stand.cluster.clients('alpha').hypervisor.answers['migration.outgoing'] = () => {
    sdnd.isAway = true;
    catalogue.isAway = true;
    return outcome();
  };
  const order = stand.over(stand.migrate());
  await stand.until(() => stand.cluster.count('sdnd migration.complete') > 2);
  assert.is(stand.migration().step, 'complete');
  assert.is(stand.control.vms.record('web').node, 'alpha');
  sdnd.isAway = false;
  catalogue.isAway = false;
  assert.is((await order).step, 'moved');
  assert.is(stand.control.vms.record('web').node, 'beta');
});

test('a catalogue that is away does not keep the VM off the network', async ({ stand }) => {
  stand.cluster.clients('alpha').hypervisor.answers['migration.outgoing'] = () => {
    stand.cluster.catalogue.isAway = true;
    return outcome();
  };
  const order = stand.over(stand.migrate());
  await stand.until(() => stand.cluster.count('catalogue transfer.finish') > 1);
  assert.is(stand.cluster.count('sdnd migration.complete'), 1);
  stand.cluster.catalogue.isAway = false;
  await order;
});

test('an overlay controller that knows nothing of the migration is told the binding', async ({ stand }) => {
  stand.cluster.sdnd.answers['migration.complete'] = () => {
    throw new OperationError('MIGRATION_UNKNOWN', 'it was not prepared');
  };
  await stand.over(stand.migrate());
  assert.is(stand.cluster.count('sdnd binding.set'), 1);
});

test('a start without closings waits for whoever knows them', async ({ stand }) => {
  const alpha = stand.cluster.clients('alpha').hypervisor;
  alpha.answers['migration.outgoing'] = lost;
  alpha.answers['migration.record'] = lost;
  started(stand);
  const order = stand.over(stand.migrate());
  await stand.until(() => stand.cluster.count('alpha hypervisor migration.record') > 2);
  assert.is(stand.cluster.count('catalogue transfer.finish'), 0);
  alpha.answers['migration.record'] = () => ({ decision: 'undecided', closings: [CLOSING] });
  assert.is((await order).step, 'moved');
  assert.is(stand.cluster.count('catalogue transfer.finish'), 1);
});

test('a pull or figures that fail do not fail the migration', async ({ stand }) => {
  const { blockd } = stand.cluster.clients('beta');
  blockd.answers['pull.set'] = lost;
  blockd.answers['image.show'] = lost;
  assert.is((await stand.over(stand.migrate())).step, 'moved');
});

test.run();
