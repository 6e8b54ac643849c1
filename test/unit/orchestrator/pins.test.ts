// Pins: only where all of it is, let go of everywhere else; and the events of VMs that wait for what is pinned elsewhere.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { OperationError } from '../../../common/errors.ts';
import { Pins } from '../../../orchestrator/images/pins.ts';
import { StubEvents } from '../../../orchestrator/network/stub-events.ts';
import type { Params } from '../../../wire/contract.ts';
import type { catalogueContract } from '../../../wire/contracts/catalogue.ts';
import type { LayerPin, ReportedLayer } from '../../../wire/contracts/store-report.ts';
import { quiet } from '../common/members.ts';
import { ControlStand } from './control-stand.ts';
import { CLOSING, head, LAYER, storeImage } from './fake-cluster.ts';
import { memberRecord, vmRecord } from './records.ts';

type Order = Params<typeof catalogueContract, 'pin.set'>;

const test = suite<{ stand: ControlStand; pins: Pins; orders: Order[]; pinned: LayerPin[] }>('pins');

test.before.each(async (context) => {
  const stand = await ControlStand.open();
  const { cluster } = stand;
  const { state } = stand.control;
  Object.assign(context, { stand, orders: [], pinned: [] });
  for (const member of [...cluster.members, memberRecord({ node: 'alpha2', cloud: 'alpha', address: '10.0.0.9' })]) {
    await state.put('members', member.node, member);
  }
  cluster.catalogue.answers['pin.set'] = (order) => {
    context.orders.push(order);
    const { pin } = order;
    context.pinned = pin === null ? [] : [{ layer: LAYER, ...pin }];
    return { alsoHeld: [] };
  };
  cluster.catalogue.answers['pin.list'] = () => ({ mark: { incarnation: 1, serial: 3 }, pins: context.pinned });
  cluster.catalogue.answers['image.head'] = () => head();
  cluster.catalogue.answers['image.list'] = () => ({ heads: [head()] });
  const watch = { look: () => Promise.resolve() };
  context.pins = new Pins({ state, cluster, watch, log: quiet });
});
test.after.each(({ stand }) => stand.close());

function holds(stand: ControlStand, node: string, change: Partial<ReportedLayer> = {}, serial = 3): void {
  const { digest, entries, lastSequence } = CLOSING;
  const layer: ReportedLayer = {
    ...{ layer: LAYER, image: 'web', bytes: 4096, role: 'replica', generation: 1, below: [], epoch: 0, ends: [] },
    ...{
      closing: CLOSING,
      table: { digest, entries, lastSequence },
      migration: null,
      localBlocks: 7,
      missingBlocks: 0,
    },
    ...change,
  };
  stand.cluster.clients(node).blockd.answers['store.report'] = () => {
    return { layers: [layer], unusable: [], members: [], kept: { incarnation: 1, serial } };
  };
}

test('it is pinned to a cloud that has all of it, by a node that has; the others let go', async (context) => {
  const { stand, pins, orders } = context;
  holds(stand, 'alpha2');
  holds(stand, 'beta');
  const made = await stand.over(pins.pin({ kind: 'image', name: 'web' }, 'alpha'));
  assert.equal(made, { pin: { place: 'alpha', nodes: ['alpha', 'alpha2'] }, alsoHeld: [], stillAt: [] });
  assert.equal([orders[0]?.holder, orders[0]?.epoch], ['alpha2', head().epoch]);
  assert.is(stand.cluster.count('beta blockd layer.drop'), 1);
  assert.is(stand.cluster.count('alpha2 blockd layer.drop'), 0);
});

const lacking: readonly [string, Partial<ReportedLayer>, RegExp][] = [
  ['some blocks are elsewhere', { missingBlocks: 256 }, /alpha lacks 1.0 MB of it/],
  ['another state', { table: { digest: 'cd'.repeat(16), entries: 7, lastSequence: 7 } }, /in another state/],
  ['another layer', { layer: 'l00000000000000bb' }, /alpha has nothing of layer/],
];
for (const [why, change, reason] of lacking) {
  test(`it is not pinned where less than all of it is: ${why}`, async ({ stand, pins, orders }) => {
    holds(stand, 'alpha', change);
    holds(stand, 'beta');
    const error = await stand.refusal(pins.pin({ kind: 'image', name: 'web' }, 'alpha'));
    assert.is(error.code, 'PIN_INCOMPLETE');
    assert.match(error.message, reason);
    assert.equal(orders, []);
  });
}

test('an image that is open is pinned to where it is open, once everything is there', async (context) => {
  const { stand, pins } = context;
  stand.cluster.catalogue.answers['image.head'] = () => head({ writer: 'beta', epoch: 3 });
  holds(stand, 'beta', {
    role: 'writer',
    missingBlocks: 9,
    table: { digest: 'ee'.repeat(16), entries: 9, lastSequence: 9 },
  });
  assert.is((await stand.refusal(pins.pin({ kind: 'image', name: 'web' }, 'alpha'))).code, 'IMAGE_OPEN');
  assert.is((await stand.refusal(pins.pin({ kind: 'image', name: 'web' }, 'beta'))).code, 'PIN_INCOMPLETE');
  holds(stand, 'beta', { role: 'writer', table: { digest: 'ee'.repeat(16), entries: 9, lastSequence: 9 } });
  await stand.over(pins.pin({ kind: 'image', name: 'web' }, 'beta'));
});

test('who is away or still uses it lets go later', async (context) => {
  const { stand, pins } = context;
  const { cluster } = stand;
  holds(stand, 'alpha');
  holds(stand, 'beta');
  holds(stand, 'gamma');
  cluster.down.add('beta');
  cluster.clients('gamma').blockd.answers['layer.drop'] = () => {
    throw new OperationError('LAYER_IN_USE', 'it is open');
  };
  const { stillAt } = await stand.over(pins.pin({ kind: 'image', name: 'web' }, 'alpha'));
  assert.equal(stillAt, ['beta', 'gamma']);
  cluster.down.delete('beta');
  cluster.clients('gamma').blockd.answers['layer.drop'] = () => ({});
  assert.equal(await pins.repeat(), []);
  const asked = cluster.heard.length;
  await pins.repeat();
  assert.is(cluster.heard.length, asked + 1, 'who has let go is not asked again');
});

test('nobody lets go before a node of the place has it all and minds the pin', async (context) => {
  const { stand, pins } = context;
  holds(stand, 'alpha', {}, 2);
  holds(stand, 'beta');
  assert.equal((await stand.over(pins.pin({ kind: 'image', name: 'web' }, 'alpha'))).stillAt, ['beta']);
  holds(stand, 'alpha', { missingBlocks: 1 });
  assert.equal(await pins.repeat(), ['beta']);
  assert.is(stand.cluster.count('beta blockd layer.drop'), 0);
  holds(stand, 'alpha');
  assert.equal(await pins.repeat(), []);
  assert.is(stand.cluster.count('beta blockd layer.drop'), 1);
});

test('an older state at another node of the place is no reason to let go', async (context) => {
  const { stand, pins } = context;
  const { cluster } = stand;
  const older = { digest: 'cd'.repeat(16), entries: 5, lastSequence: 5 };
  holds(stand, 'alpha');
  holds(stand, 'alpha2', { table: older });
  holds(stand, 'beta');
  cluster.catalogue.answers['pin.set'] = ({ pin }) => {
    context.pinned = pin === null ? [] : [{ layer: LAYER, ...pin }];
    // The only node of the place that has it as it is now.
    cluster.down.add('alpha');
    return { alsoHeld: [] };
  };
  assert.equal((await stand.over(pins.pin({ kind: 'image', name: 'web' }, 'alpha'))).stillAt, ['beta']);
  cluster.catalogue.answers['image.list'] = () => ({ heads: [head({ writer: 'alpha', epoch: 3 })] });
  assert.equal(await pins.repeat(), ['beta']);
  assert.is(cluster.count('beta blockd layer.drop'), 0);
  cluster.down.delete('alpha');
  holds(stand, 'alpha', { role: 'writer', table: { ...older, digest: 'ee'.repeat(16) } });
  assert.equal(await pins.repeat(), []);
  assert.is(cluster.count('beta blockd layer.drop'), 1);
});

test('a VM that waits is told of once, with how many requests, until it has moved or is gone', async ({ stand }) => {
  const { state } = stand.control;
  const events = new StubEvents({ state, clock: stand.clock, log: quiet });
  await state.put('vms', 'web', vmRecord({ node: 'beta' }));
  const stub = { place: 'alpha', waiting: 2 };
  await events.see('web', [storeImage()]);
  await events.see('web', [storeImage({ stub: { ...stub, waiting: 0 } })]);
  assert.equal(events.list(), [], 'a stub that nobody reads is no news');
  await events.see('web', [storeImage({ stub })]);
  stand.clock.turn(5_000);
  await events.see('web', [storeImage({ stub: { ...stub, waiting: 3 } })]);
  const known = events.list();
  const [asked] = known.map(({ atMs: _, ...event }) => event);
  assert.equal(asked, { vm: 'web', node: 'beta', image: 'web', place: 'alpha', waiting: 3, endedMs: null });
  assert.is(known.length, 1);
  await state.put('vms', 'web', vmRecord({ node: 'alpha' }));
  await events.see('web', [storeImage()]);
  assert.is(typeof events.list()[0]?.endedMs, 'number');
  await state.put('vms', 'db', vmRecord({ vm: 'db', node: 'beta' }));
  stand.clock.turn(5_000);
  await events.see('db', [storeImage({ stub })]);
  await state.remove('vms', 'db');
  await events.tidy();
  assert.is(events.list().filter(({ endedMs }) => endedMs === null).length, 0);
});

test.run();
