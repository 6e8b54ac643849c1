// The rebuild's order: who was asked and answered, the newest kept records, and what is under way.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CatalogueRebuild } from '../../../orchestrator/images/catalogue-rebuild.ts';
import type { RebuildOrder, RebuildReport } from '../../../wire/contracts/rebuild.ts';
import { ManualClock } from '../blockd/manual-clock.ts';
import { quiet } from '../common/members.ts';
import { ControlStand } from './control-stand.ts';
import { CLOSING, LAYER } from './fake-cluster.ts';
import { migrationRecord, vmRecord } from './records.ts';

const REPORT: RebuildReport = {
  ...{ behind: '', isDone: true, incarnation: 1, images: [], snapshots: [], unnamed: [], away: [], notes: [] },
};

interface Context {
  stand: ControlStand;
  clock: ManualClock;
  rebuild: CatalogueRebuild;
  orders: RebuildOrder[];
  doubtful: string[];
}

const test = suite<Context>('rebuild');

test.before.each(async (context) => {
  const stand = await ControlStand.open();
  const { cluster } = stand;
  const { state } = stand.control;
  Object.assign(context, { stand, orders: [], doubtful: [] });
  cluster.catalogue.answers['catalogue.rebuild'] = (order) => {
    context.orders.push(order);
    return REPORT;
  };
  cluster.catalogue.answers['catalogue.state'] = () => ({
    state: { incarnation: 1, serial: 1, behind: '' },
    heard: [],
    doubtful: context.doubtful,
  });
  for (const [index, { node }] of cluster.members.entries()) {
    const kept = { mark: { incarnation: 1, serial: 10 - index }, pins: [], records: [{ key: node, text: '' }] };
    cluster.clients(node).blockd.answers['records.show'] = () => ({ kept });
  }
  const watch = { compare: async (node: string) => void (await cluster.clients(node).blockd.call('store.report', {})) };
  context.clock = new ManualClock();
  context.rebuild = new CatalogueRebuild({ state, cluster, watch, clock: context.clock, log: quiet });
});
test.after.each(({ stand }) => stand.close());

test('every member is asked, also one that gave no sign; who answered, and the newest records, are told', async (context) => {
  const { stand, rebuild, orders } = context;
  stand.cluster.clients('alpha').isAway = true;
  stand.cluster.down.add('gamma');
  await rebuild.rebuild('execute', ['web']);
  const order = orders.at(-1);
  assert.equal(order?.members, ['alpha', 'beta', 'gamma']);
  assert.equal(order?.answered, ['beta', 'gamma']);
  assert.equal([order?.kept?.mark.serial, order?.accept, order?.mode], [9, ['web'], 'execute']);
});

test('what is to be closed first is closed there, and everything is heard anew', async ({ stand, rebuild, orders }) => {
  const image = {
    ...{ image: 'web', verdict: 'uncertain' as const, node: 'beta', reason: '', wouldLose: 'much', isAccepted: false },
    toClose: { node: 'beta', layer: LAYER, epoch: 4 },
  };
  stand.cluster.catalogue.answers['catalogue.rebuild'] = (order) => {
    orders.push(order);
    return { ...REPORT, images: [image, { ...image, image: 'log' }] };
  };
  const closed: unknown[] = [];
  stand.cluster.clients('beta').blockd.answers['image.close'] = (params) => {
    closed.push(params);
    return CLOSING;
  };
  await rebuild.rebuild('execute');
  assert.equal([closed, orders.length], [[], 1]);
  await rebuild.rebuild('execute', ['web']);
  assert.equal(closed, [{ image: 'web', layer: LAYER, epoch: 4 }]);
  assert.equal(
    orders.map(({ mode, accept }) => [mode, accept]),
    [
      ['execute', []],
      ['plan', []],
      ['execute', ['web']],
    ],
  );
  assert.is(stand.cluster.count('beta blockd store.report'), 3);
});

test('migrations that have not ended are told with their images', async ({ stand, rebuild, orders }) => {
  const { state } = stand.control;
  await state.put('vms', 'web', vmRecord());
  const [going, over] = ['00000000000000aa', '00000000000000bb'];
  await state.put('migrations', going, migrationRecord({ migration: going, step: 'memory' }));
  await state.put('migrations', over, migrationRecord({ migration: over, step: 'moved' }));
  await rebuild.rebuild('plan');
  assert.equal(orders[0]?.migrations, [{ migration: going, from: 'alpha', to: 'beta', images: ['web'] }]);
});

test('what is in doubt is tried again when another store is there, and after a minute', async (context) => {
  const { stand, rebuild, orders } = context;
  await rebuild.reconcile();
  assert.is(orders.length, 0, 'nothing is in doubt');
  context.doubtful = ['web'];
  stand.cluster.down.add('beta');
  await rebuild.reconcile();
  await rebuild.reconcile();
  assert.equal(
    orders.map(({ mode }) => mode),
    ['reconcile'],
  );
  stand.cluster.down.delete('beta');
  await rebuild.reconcile();
  assert.is(orders.length, 2);
  await context.clock.advance(59_999);
  await rebuild.reconcile();
  assert.is(orders.length, 2);
  // Of one whose writer stood still for a migration that has been decided since.
  await context.clock.advance(1);
  await rebuild.reconcile();
  assert.is(orders.length, 3);
});

test.run();
