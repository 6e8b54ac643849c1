// The way out of the guests' network: who may be one, what leads in, and what the overlay's controller hears of it.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { OperationError } from '../../../common/errors.ts';
import { EgressOrders } from '../../../orchestrator/network/egress.ts';
import { guestNetwork } from '../../../orchestrator/network/guest-network.ts';
import type { GuestNetworkPlan } from '../../../wire/contracts/guest-network.ts';
import { refusal } from '../../refusal.ts';
import { ControlStand } from './control-stand.ts';
import { memberRecord, vmRecord } from './records.ts';

const test = suite<{ stand: ControlStand; told: GuestNetworkPlan['egress'][]; orders: EgressOrders }>('way out');
const OUTSIDE = { device: 'eth1', addresses: ['198.51.100.7', '198.51.100.8'], nextHop: '02:99:00:00:00:01' };
const GAMMA = memberRecord({ node: 'gamma', cloud: 'home', outside: OUTSIDE });

test.before.each(async (context) => {
  const stand = await ControlStand.open();
  const told: GuestNetworkPlan['egress'][] = [];
  stand.cluster.sdnd.answers['networks.set'] = ({ networks }) => {
    told.push(...networks.map(({ egress }) => egress));
    return {};
  };
  const { state } = stand.control;
  await state.put('members', 'gamma', GAMMA);
  await state.put('members', 'alpha', memberRecord());
  await state.put('vms', 'web', vmRecord());
  Object.assign(context, { stand, told, orders: ordersOf(stand) });
});
test.after.each(({ stand }) => stand.close());

function ordersOf(stand: ControlStand): EgressOrders {
  const { state, network } = stand.control;
  const nodeOf = (cloud: string) => (cloud === 'home' || cloud === 'gamma' ? GAMMA : memberRecord());
  const admission = { inTurn: async <T>(work: () => Promise<T> | T) => work() };
  return new EgressOrders({ state, network, admission, cluster: { nodeOf }, plan: guestNetwork() });
}

test('a node that leads outside, under its first address or the one that is asked for, by its device and next hop', async ({
  told,
  orders,
}) => {
  const { egress, trouble, nodes } = await orders.set({ at: 'home' });
  assert.equal(egress, { node: 'gamma', address: '198.51.100.7', forwards: [] });
  assert.is(trouble, '');
  assert.equal(nodes, [{ node: 'gamma', ...OUTSIDE }]);
  await orders.set({ at: 'gamma', address: '198.51.100.8' });
  const frames = { port: 'eth1', nextHop: OUTSIDE.nextHop, forwards: [] };
  assert.equal(told, [
    { node: 'gamma', address: '198.51.100.7', ...frames },
    { node: 'gamma', address: '198.51.100.8', ...frames },
  ]);
});

test('no other node, and under no other address', async ({ told, orders }) => {
  const { code, remedy } = await refusal(orders.set({ at: 'alpha' }));
  assert.is(code, 'NO_WAY_OUT');
  assert.match(remedy, /gamma/);
  assert.is((await refusal(orders.set({ at: 'gamma', address: '198.51.100.9' }))).code, 'NO_WAY_OUT');
  assert.equal([told, orders.show().egress], [[], null]);
});

test('name servers outside are told with it, and stay until others, or none, are said', async ({ told, orders }) => {
  await orders.set({ at: 'gamma', resolvers: ['9.9.9.9', '198.51.100.53'] });
  await orders.set({ at: 'gamma', address: '198.51.100.8' });
  assert.equal(
    told.map((egress) => egress?.resolvers),
    Array(2).fill(['9.9.9.9', '198.51.100.53']),
  );
  await orders.set({ at: 'gamma', resolvers: [] });
  assert.is(told.at(-1)?.resolvers, undefined);
});

test("a port leads in to a VM by its name, and stays when only the node's address changes", async ({
  told,
  orders,
}) => {
  const port = { protocol: 'tcp', port: 8080, toPort: 80 } as const;
  await orders.set({ at: 'gamma', forwards: [{ ...port, to: 'web' }] });
  await orders.set({ at: 'gamma', address: '198.51.100.8' });
  assert.equal(
    told.map((egress) => egress?.forwards),
    Array(2).fill([{ ...port, to: '10.88.0.10' }]),
  );
  await orders.set({ at: 'gamma', forwards: [] });
  assert.equal(told.at(-1)?.forwards, []);
  assert.is((await refusal(orders.set({ at: 'gamma', forwards: [{ ...port, to: 'db' }] }))).code, 'VM_UNKNOWN');
});

test('a port that leads to a VM ends with it, whoever has its address next, and leads to the next one of its name', async ({
  stand,
  told,
  orders,
}) => {
  const { state, vms, network } = stand.control;
  const ports = [
    { protocol: 'tcp', port: 8080, to: 'web', toPort: 80 },
    { protocol: 'udp', port: 53, to: '10.88.0.20', toPort: 53 },
  ] as const;
  const byAddress = { protocol: 'udp', port: 53, to: '10.88.0.20', toPort: 53 };
  await orders.set({ at: 'gamma', forwards: ports });
  await vms.delete('web');
  assert.equal(told.at(-1)?.forwards, [byAddress]);
  assert.is(orders.show().trouble, 'there is no VM web, to which tcp 8080 leads');
  await state.put('vms', 'db', vmRecord({ vm: 'db' }));
  await network.tellNetwork();
  assert.equal(told.at(-1)?.forwards, [byAddress]);
  const { spec } = vmRecord();
  await state.put('vms', 'web', vmRecord({ spec: { ...spec, ip: '10.88.0.30' } }));
  await network.tellNetwork();
  assert.equal(told.at(-1)?.forwards, [{ protocol: 'tcp', port: 8080, toPort: 80, to: '10.88.0.30' }, byAddress]);
  assert.is(orders.show().trouble, '');
});

test('what the node says anew is told anew; where it leads outside no more there is no way out, and a sentence', async ({
  stand,
  told,
  orders,
}) => {
  await orders.set({ at: 'gamma' });
  const { state, network } = stand.control;
  await state.put('members', 'gamma', { ...GAMMA, outside: { ...OUTSIDE, device: 'eth2' } });
  await network.tellNetwork();
  assert.is(told.at(-1)?.port, 'eth2');
  await state.put('members', 'gamma', { ...GAMMA, outside: { ...OUTSIDE, addresses: ['198.51.100.8'] } });
  await network.tellNetwork();
  assert.is(told.at(-1), undefined);
  assert.match(orders.show().trouble, /^node gamma says no more that 198\.51\.100\.7 leads to it/);
});

test('it is kept over a restart, until it is taken away', async ({ stand, told, orders }) => {
  await orders.set({ at: 'gamma' });
  await stand.stop();
  await stand.start();
  assert.is(ordersOf(stand).show().egress?.node, 'gamma');
  await ordersOf(stand).remove();
  assert.equal(
    told.map((egress) => egress?.node),
    ['gamma', undefined],
  );
  assert.is(ordersOf(stand).show().egress, null);
});

test("an order is kept also while the overlay's controller is away, and that is said", async ({
  stand,
  told,
  orders,
}) => {
  let isAway = true;
  stand.cluster.sdnd.answers['networks.set'] = ({ networks }) => {
    if (isAway) throw new OperationError('UNREACHABLE', 'away');
    told.push(...networks.map(({ egress }) => egress));
    return {};
  };
  const { code, message } = await refusal(orders.set({ at: 'gamma' }));
  assert.is(code, 'OVERLAY_UNTOLD');
  assert.match(message, /^the way out is kept, but .* has not heard of it: away$/);
  assert.is(orders.show().egress?.node, 'gamma');
  isAway = false;
  await stand.control.network.tellNetwork();
  assert.is(told.at(-1)?.node, 'gamma');
});

test.run();
