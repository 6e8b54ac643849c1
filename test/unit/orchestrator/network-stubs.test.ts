// Addresses that stand for a resource: what may be one, what the overlay's controller hears of it, and from which nodes the
// resource is reached.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Admission } from '../../../orchestrator/admission.ts';
import { EgressOrders } from '../../../orchestrator/network/egress.ts';
import { guestNetwork } from '../../../orchestrator/network/guest-network.ts';
import { NetworkStubs } from '../../../orchestrator/network/network-stubs.ts';
import { type GuestNetworkPlan, STUBS_MAX } from '../../../wire/contracts/guest-network.ts';
import type { StubOrder } from '../../../wire/contracts/network-stubs.ts';
import { refusal } from '../../refusal.ts';
import { ControlStand } from './control-stand.ts';
import { memberRecord, vmRecord } from './records.ts';

const test = suite<{ stand: ControlStand; told: GuestNetworkPlan[] }>('network stubs');
const OUTSIDE = { device: 'eth1', addresses: ['198.51.100.7', '198.51.100.8'], nextHop: '02:99:00:00:00:01' };
const GAMMA = memberRecord({ node: 'gamma', cloud: 'home', outside: OUTSIDE });
const ORDERS: StubOrder = {
  ...{ name: 'orders', address: '10.88.0.200', to: '203.0.113.10', place: 'home', policy: 'move' },
  service: { protocol: 'tcp', port: 5432, toPort: 5433 },
};
const EXIT = { node: 'gamma', port: 'eth1', address: '198.51.100.7', nextHop: OUTSIDE.nextHop };

test.before.each(async (context) => {
  const stand = await ControlStand.open();
  const told: GuestNetworkPlan[] = [];
  stand.cluster.sdnd.answers['networks.set'] = ({ networks }) => {
    told.push(...networks);
    return {};
  };
  const { state } = stand.control;
  await state.put('members', 'gamma', GAMMA);
  await state.put('members', 'alpha', memberRecord());
  await state.put('vms', 'web', vmRecord());
  Object.assign(context, { stand, told });
});
test.after.each(({ stand }) => stand.close());

function stubsOf(stand: ControlStand): NetworkStubs {
  const { state, network } = stand.control;
  const plan = guestNetwork();
  const cluster = { nodeOf: () => GAMMA };
  return new NetworkStubs({ state, network, admission: new Admission(state, plan), cluster, plan });
}

test('switches are told the address, the resource, and how guests leave at the nodes of its place', async ({
  stand,
  told,
}) => {
  const stubs = stubsOf(stand);
  const view = { ...ORDERS, nodes: ['gamma'], trouble: '' };
  assert.equal(await stubs.create(ORDERS), view);
  assert.equal(await stubs.create(ORDERS), view, 'the same again is nothing');
  const { policy: _, place: __, ...asTold } = ORDERS;
  assert.equal(told.at(-1)?.stubs, [{ ...asTold, nodes: ['gamma'] }]);
  assert.equal(told.at(-1)?.stubExits, [EXIT]);
  await stand.stop();
  await stand.start();
  assert.equal(stubsOf(stand).list(), [view], 'kept over a restart');
  await stubsOf(stand).delete('orders');
  assert.equal([told.at(-1)?.stubs, stubsOf(stand).list()], [undefined, []]);
  const { code, remedy } = await refusal(stubsOf(stand).delete('orders'));
  assert.equal([code, remedy], ['STUB_UNKNOWN', 'there are none']);
});

test("where the network's own way out is, guests are seen by its address", async ({ stand, told }) => {
  const { state, network } = stand.control;
  await stubsOf(stand).create(ORDERS);
  const plan = guestNetwork();
  const cluster = { nodeOf: () => GAMMA };
  const admission = new Admission(state, plan);
  await new EgressOrders({ state, network, admission, cluster, plan }).set({ at: 'home', address: '198.51.100.8' });
  assert.equal(told.at(-1)?.stubExits, [{ ...EXIT, address: '198.51.100.8' }]);
});

test('of a place with several nodes those that lead outside reach it, which may change', async ({ stand, told }) => {
  const { state, network } = stand.control;
  await state.put('members', 'gate', memberRecord({ node: 'gate', cloud: 'home' }));
  const { nodes, trouble } = await stubsOf(stand).create(ORDERS);
  assert.equal([nodes, trouble], [['gamma'], 'not from gate, which does not lead outside']);
  await state.put('members', 'gamma', memberRecord({ node: 'gamma', cloud: 'home' }));
  await network.tellNetwork();
  assert.equal([told.at(-1)?.stubs?.[0]?.nodes, told.at(-1)?.stubExits], [[], []]);
  assert.is(stubsOf(stand).list()[0]?.trouble, 'no node of home says that it leads outside');
  const refused = await refusal(stubsOf(stand).create({ ...ORDERS, name: 'more', address: '10.88.0.201' }));
  assert.is(refused.code, 'NO_WAY_OUT');
});

test("it is an address of the network, and nobody's; no VM gets it while it stands", async ({ stand }) => {
  const stubs = stubsOf(stand);
  const codeOf = async (change: Partial<StubOrder>): Promise<string> =>
    (await refusal(stubs.create({ ...ORDERS, ...change }))).code;
  assert.is(await codeOf({ address: '10.99.0.1' }), 'ADDRESS_OUTSIDE');
  assert.is(await codeOf({ address: '10.88.0.1' }), 'ADDRESS_RESERVED');
  assert.is(await codeOf({ address: '10.88.0.10' }), 'ADDRESS_TAKEN');
  const wrong = ['10.88.0.9', '127.0.0.1', '0.0.0.0', '224.0.0.1', '300.0.0.1'];
  for (const to of [...wrong, '169.254.169.254', '168.63.129.16', '100.100.100.200'])
    assert.is(await codeOf({ to }), 'RESOURCE_BAD', to);
  assert.is(await codeOf({ name: 'web' }), 'VM_EXISTS', 'guests would find the VM by that name');
  assert.equal(stubs.list(), []);
  await stubs.create(ORDERS);
  const admission = new Admission(stand.control.state);
  const claim = { owner: 'db', ip: ORDERS.address, mac: '02:00:00:00:00:09' };
  assert.throws(() => admission.checkAddress(claim), /stands for stub orders/);
  assert.throws(() => admission.checkName('orders'), /there is a stub orders already/);
});

test('one port of an address leads to one resource, others to others; a whole address to one', async ({ stand }) => {
  const stubs = stubsOf(stand);
  await stubs.create(ORDERS);
  assert.is((await refusal(stubs.create({ ...ORDERS, to: '203.0.113.11' }))).code, 'STUB_EXISTS');
  assert.is((await refusal(stubs.create({ ...ORDERS, name: 'again' }))).code, 'ADDRESS_TAKEN');
  const { service: _, ...whole } = ORDERS;
  assert.is((await refusal(stubs.create({ ...whole, name: 'whole' }))).code, 'ADDRESS_TAKEN');
  for (const [name, protocol, port] of [
    ['udp', 'udp', 5432],
    ['www', 'tcp', 80],
  ] as const)
    await stubs.create({ ...ORDERS, name, service: { protocol, port, toPort: port } });
  assert.equal(
    stubs.list().map(({ name }) => name),
    ['orders', 'udp', 'www'],
  );
});

test('there are no more than so many', async ({ stand }) => {
  const stubs = stubsOf(stand);
  const { state } = stand.control;
  for (let port = 1; port <= STUBS_MAX; port++) {
    const order = { ...ORDERS, name: `s${port}`, service: { protocol: 'tcp' as const, port, toPort: port } };
    await state.put('stubs', order.name, order);
  }
  assert.is((await refusal(stubs.create({ ...ORDERS, address: '10.88.0.201' }))).code, 'STUBS_FULL');
});

test("a stub is kept, or deleted, also while the overlay's controller is away, and that is said", async ({ stand }) => {
  const stubs = stubsOf(stand);
  stand.cluster.sdnd.isAway = true;
  const { code, message } = await refusal(stubs.create(ORDERS));
  assert.is(code, 'OVERLAY_UNTOLD');
  assert.match(message, /^stub orders is kept, but /);
  assert.is(stubs.list().length, 1);
  assert.match((await refusal(stubs.delete('orders'))).message, /^stub orders is deleted, but /);
  assert.equal(stubs.list(), []);
});

test.run();
