// What a migration makes ready side by side: what one piece needs of another is there first, one that fails ends the
// others, and exactly what was begun is taken back, never beside a piece that is still at work.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { OperationError } from '../../../common/errors.ts';
import type { CallOptions } from '../../../common/rpc/client.ts';
import { ControlStand } from './control-stand.ts';
import { machineState } from './fake-cluster.ts';
import { vmRecord } from './records.ts';

const test = suite<{ stand: ControlStand }>('what is made ready side by side');

test.before.each(async (context) => {
  const stand = await ControlStand.open();
  context.stand = stand;
  await stand.control.state.put('vms', 'web', vmRecord());
  stand.cluster.clients('alpha').hypervisor.answers['machine.list'] = () => ({ machines: [machineState()] });
});
test.after.each(({ stand }) => stand.close());

/** Has a call fail, or wait until its caller gives it up. */
type Behaviour = (params: unknown, options: CallOptions<unknown>) => Promise<never>;

/** A call that makes something: what takes that back, and how a test has it behave. */
interface Made {
  readonly call: string;
  readonly undo: string;
  readonly set: (stand: ControlStand, behaviour: Behaviour) => void;
}

const PORT: Made = {
  call: 'beta switch port.attach',
  undo: 'beta switch port.detach',
  set: ({ cluster }, behaviour) => {
    cluster.clients('beta').switchAgent.answers['port.attach'] = behaviour;
  },
};
const FLOWS: Made = {
  call: 'sdnd migration.prepare',
  undo: 'sdnd migration.cancel',
  set: ({ cluster }, behaviour) => {
    cluster.sdnd.answers['migration.prepare'] = behaviour;
  },
};
const STANDBY: Made = {
  call: 'beta blockd standby.start',
  undo: 'beta blockd standby.cancel',
  set: ({ cluster }, behaviour) => {
    cluster.clients('beta').blockd.answers['standby.start'] = behaviour;
  },
};
const TABLES: Made = {
  call: 'beta blockd standby.ready',
  undo: STANDBY.undo,
  set: ({ cluster }, behaviour) => {
    cluster.clients('beta').blockd.answers['standby.ready'] = behaviour;
  },
};
const MACHINE: Made = {
  call: 'beta hypervisor migration.incoming',
  undo: 'beta hypervisor hold.refuse',
  set: ({ cluster }, behaviour) => {
    cluster.clients('beta').hypervisor.answers['migration.incoming'] = behaviour;
  },
};
/** As the catalogue is asked. */
const WAY = { from: 'alpha', to: 'beta' };
const UNDOS = [PORT, FLOWS, STANDBY, MACHINE].map(({ undo }) => undo);

/** Resolves never, rejects when it is given up; says which calls were. */
function underWay(givenUp: string[], call: string): Behaviour {
  return (_params, { signal }) =>
    new Promise((_resolve, reject) => {
      signal?.addEventListener('abort', () => {
        givenUp.push(call);
        reject(new OperationError('CANCELLED', 'given up'));
      });
    });
}

const PAIRS = [
  { fails: PORT, other: STANDBY, begun: [PORT, STANDBY] },
  { fails: STANDBY, other: PORT, begun: [PORT, STANDBY] },
  { fails: STANDBY, other: FLOWS, begun: [PORT, STANDBY, FLOWS] },
  { fails: PORT, other: TABLES, begun: [PORT, STANDBY] },
  { fails: FLOWS, other: TABLES, begun: [PORT, STANDBY, FLOWS, MACHINE] },
  { fails: FLOWS, other: MACHINE, begun: [PORT, STANDBY, FLOWS, MACHINE] },
  { fails: TABLES, other: MACHINE, begun: [PORT, STANDBY, FLOWS, MACHINE] },
  { fails: TABLES, other: PORT, begun: [PORT, STANDBY] },
  { fails: MACHINE, other: TABLES, begun: [PORT, STANDBY, FLOWS, MACHINE] },
  { fails: MACHINE, other: FLOWS, begun: [PORT, STANDBY, FLOWS, MACHINE] },
];

for (const { fails, other, begun } of PAIRS) {
  test(`${fails.call} fails while ${other.call} is under way: both are taken back, and the VM runs on`, async ({
    stand,
  }) => {
    const { cluster } = stand;
    const givenUp: string[] = [];
    other.set(stand, underWay(givenUp, other.call));
    fails.set(stand, async () => {
      await stand.until(() => cluster.count(other.call) === 1);
      throw new OperationError('DISK_BROKEN', 'what failed first');
    });
    const error = await stand.refusal(stand.migrate());
    assert.is(error.code, 'MIGRATION_FAILED');
    assert.match(error.message, 'what failed first');
    assert.equal(givenUp, [other.call]);
    assert.equal(stand.migration().toUndo, []);
    const undone = UNDOS.filter((undo) => cluster.count(undo) === 1);
    assert.equal(
      undone,
      UNDOS.filter((undo) => begun.some((made) => made.undo === undo)),
    );
    assert.is(cluster.count('catalogue transfer.finish'), 1);
    assert.is(cluster.count('alpha hypervisor migration.outgoing'), 0);
    assert.is(stand.control.vms.record('web').node, 'alpha');
    await stand.control.reports.ask('alpha');
    assert.is(stand.control.vms.show('web').state, 'running');
  });
}

test('nothing is taken back while a piece is still at work', async ({ stand }) => {
  const { cluster } = stand;
  const started = Promise.withResolvers<{ socket: string }>();
  cluster.clients('beta').blockd.answers['standby.start'] = () => started.promise;
  PORT.set(stand, async () => {
    throw new OperationError('NO_PORT', 'there is none');
  });
  const order = stand.refusal(stand.migrate());
  await stand.until(() => cluster.count(STANDBY.call) === 1);
  for (let waited = 0; waited < 20; waited++) await stand.until(() => true);
  stand.clock.turn(5_000);
  assert.is(stand.migration().step, 'prepare');
  for (const undo of UNDOS) assert.is(cluster.count(undo), 0);
  started.resolve({ socket: '/nbd' });
  await order;
  assert.is(cluster.count(TABLES.call), 0);
  assert.is(cluster.count(STANDBY.undo), 1);
});

test('what a call makes is in the journal before it is made', async ({ stand }) => {
  const { cluster } = stand;
  const seen = new Map<string, readonly string[]>();
  const noted = <T>(what: string, answer: T): (() => T) => {
    return () => {
      seen.set(what, stand.migration().toUndo);
      return answer;
    };
  };
  const beta = cluster.clients('beta');
  const { heads } = await cluster.catalogue.call('transfer.begin', { ...{ migration: 'm', images: [] }, ...WAY });
  cluster.catalogue.answers['transfer.begin'] = noted('transfer', { heads });
  cluster.sdnd.answers['migration.prepare'] = noted('flows', {});
  beta.switchAgent.answers['port.attach'] = noted('port', { port: 'tap1' });
  beta.blockd.answers['standby.start'] = noted('standby', { socket: '/nbd' });
  beta.hypervisor.answers['migration.incoming'] = noted('machine', {});
  assert.is((await stand.over(stand.migrate())).step, 'moved');
  for (const what of ['transfer', 'port', 'standby', 'flows', 'machine'])
    assert.ok(seen.get(what)?.includes(what), what);
  assert.equal(seen.get('transfer'), ['transfer']);
  assert.not.ok(seen.get('port')?.includes('machine'));
  assert.equal(stand.migration().toUndo, []);
});

test('a controller that ends while pieces are under way: the next one takes back what was begun, and no more', async ({
  stand,
}) => {
  const { cluster } = stand;
  const ends = Promise.withResolvers<never>();
  TABLES.set(stand, () => ends.promise);
  PORT.set(stand, () => ends.promise);
  const order = stand.refusal(stand.migrate());
  await stand.until(() => cluster.count(TABLES.call) === 1 && cluster.count(PORT.call) === 1);
  stand.control.stopping.abort();
  ends.reject(new OperationError('CONNECTION_LOST', 'the client is closed'));
  assert.is((await order).code, 'STOPPING');
  await stand.stop();
  await stand.start();
  assert.equal([...stand.migration().toUndo].sort(), ['port', 'standby', 'transfer']);
  await stand.over(stand.control.migrations.recover());
  assert.is(stand.migration().step, 'failed');
  assert.equal(stand.migration().toUndo, []);
  assert.equal(
    UNDOS.map((undo) => cluster.count(undo)),
    [1, 0, 1, 0],
  );
});

test('the record says how long each step took, and that they overlapped', async ({ stand }) => {
  const { cluster } = stand;
  const beta = cluster.clients('beta');
  const after = <T>(ms: number, answer: T): (() => Promise<T>) => {
    return () => new Promise((resolve) => stand.clock.setTimer(ms, () => resolve(answer)));
  };
  beta.switchAgent.answers['port.attach'] = after(300, { port: 'tap1' });
  beta.blockd.answers['standby.start'] = after(300, { socket: '/nbd' });
  beta.blockd.answers['standby.ready'] = after(2_000, {});
  beta.hypervisor.answers['migration.incoming'] = after(1_000, {});
  const { stepTimes } = await stand.over(stand.migrate());
  const took = new Map(stepTimes.map(({ step, tookMs }) => [step, tookMs]));
  assert.equal([...took.keys()].sort(), [
    'complete',
    'hold',
    'machine',
    'memory',
    'port',
    'precheck',
    'standby',
    'stream',
    'switches',
    'tables',
    'transfer',
  ]);
  assert.ok(Number(took.get('tables')) >= 2_000);
  assert.ok(Number(took.get('machine')) >= 1_000);
  assert.is(took.get('hold'), 40);
  assert.is(took.get('stream'), 5);
  const [machine, tables] = ['machine', 'tables'].map((name) => stepTimes.find(({ step }) => step === name));
  if (machine === undefined || tables === undefined) throw new Error('a step has no time');
  assert.ok(
    machine.atMs < tables.atMs + tables.tookMs && tables.atMs < machine.atMs + machine.tookMs,
    'they overlapped',
  );
  await stand.stop();
  await stand.start();
  assert.equal(stand.migration().stepTimes, stepTimes);
});

test.run();
