// Before a migration begins both of its nodes' switches have a session with the overlay's controller: what is waited for, for how
// long, and what a person hears of it meanwhile and in the end.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { OperationError } from '../../../common/errors.ts';
import type { ControllerView } from '../../../wire/contracts/sdnd.ts';
import { ControlStand } from './control-stand.ts';
import { machineState } from './fake-cluster.ts';
import { vmRecord } from './records.ts';

const test = suite<{ stand: ControlStand }>('switches of a migration');

test.before.each(async (context) => {
  const stand = await ControlStand.open();
  context.stand = stand;
  await stand.control.state.put('vms', 'web', vmRecord());
  stand.cluster.clients('alpha').hypervisor.answers['machine.list'] = () => ({ machines: [machineState()] });
});
test.after.each(({ stand }) => stand.close());

function view(...switches: string[]): ControllerView {
  return { role: 'active', term: 1, switches, links: [], isMoving: false };
}

/** What changes anything anywhere. */
const TOUCHES = ['catalogue transfer.begin', 'beta switch port.attach', 'alpha hypervisor migration.outgoing'];

for (const [node, other] of [
  ['alpha', 'beta'],
  ['beta', 'alpha'],
] as const) {
  test(`while the switch of ${node} is dead nothing is touched, and what to look at is said`, async ({ stand }) => {
    stand.cluster.sdnd.answers['controller.show'] = () => view(other, 'gamma');
    const error = await stand.refusal(stand.migrate());
    assert.is(error.code, 'MIGRATION_FAILED');
    assert.match(error.message, `the switch of node ${node} has no session with the overlay's controller`);
    assert.match(error.remedy, 'it runs on at alpha');
    assert.match(error.remedy, 'supercloud net topology');
    assert.match(error.remedy, 'supercloud doctor alpha beta');
    for (const call of TOUCHES) assert.is(stand.cluster.count(call), 0, call);
  });
}

test('a controller that was restarted is given time for its switches to come', async ({ stand }) => {
  const answers = [view(), view('beta'), view('alpha', 'beta')];
  stand.cluster.sdnd.answers['controller.show'] = () => answers.shift() ?? view();
  assert.is((await stand.over(stand.migrate())).step, 'moved');
  assert.equal(answers, []);
});

test('also one that was away for long itself; meanwhile its state says what is waited for', async ({ stand }) => {
  const { sdnd } = stand.cluster;
  sdnd.isAway = true;
  const hints: (string | undefined)[] = [];
  const order = stand.over(stand.migrate('beta', ({ hint }) => hints.push(hint)));
  await stand.until(() => stand.cluster.count('sdnd controller.show') > 20);
  assert.match(stand.control.vms.show('web').migration?.hint ?? '', "the overlay's controller does not answer");
  const answers = [...Array.from({ length: 10 }, () => view())];
  sdnd.answers['controller.show'] = () => answers.shift() ?? view('alpha', 'beta');
  sdnd.isAway = false;
  assert.is((await order).step, 'moved');
  assert.equal(answers, []);
  assert.equal([new Set(hints).size, 'hint' in stand.migration()], [2, false]);
});

test('a controller that answers at once is no word to anybody', async ({ stand }) => {
  const hints: (string | undefined)[] = [];
  await stand.over(stand.migrate('beta', ({ hint }) => hints.push(hint)));
  assert.equal([...new Set(hints)], [undefined]);
});

test('a controller that stays away is what the migration fails by', async ({ stand }) => {
  stand.cluster.sdnd.isAway = true;
  const error = await stand.refusal(stand.migrate());
  assert.match(error.message, 'sdnd is away');
  assert.not.ok('hint' in stand.migration());
  for (const call of TOUCHES) assert.is(stand.cluster.count(call), 0, call);
});

test('one that waits for the controller is stopped at once', async ({ stand }) => {
  stand.cluster.sdnd.isAway = true;
  const order = stand.refusal(stand.migrate());
  await stand.until(() => stand.cluster.count('sdnd controller.show') > 1);
  await stand.over(stand.control.migrations.cancel('web'));
  assert.match((await order).message, 'cancelled by the operator');
});

test('a controller with more links than one answer takes refuses nobody', async ({ stand }) => {
  stand.cluster.sdnd.answers['controller.show'] = () => {
    throw new OperationError('FRAME_TOO_LARGE', 'it has too many links to tell');
  };
  assert.is((await stand.over(stand.migrate())).step, 'moved');
});

test.run();
