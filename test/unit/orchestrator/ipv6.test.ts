// IPv6 of the guests' network: a prefix that is drawn or given, what follows from it, and what the overlay's controller hears.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Admission } from '../../../orchestrator/admission.ts';
import { guestNetwork } from '../../../orchestrator/network/guest-network.ts';
import { Ipv6Orders } from '../../../orchestrator/network/ipv6.ts';
import { Network } from '../../../orchestrator/network/network.ts';
import { SecurityGroups } from '../../../orchestrator/network/security-groups.ts';
import { refusal } from '../../refusal.ts';
import { quiet } from '../common/members.ts';
import { ControlStand } from './control-stand.ts';
import { vmRecord } from './records.ts';

const test = suite<{ stand: ControlStand; told: string[]; orders: Ipv6Orders }>('IPv6');
const PLAN = guestNetwork({ name: 'main', subnet: '10.88.0.0/24', moreSubnets: ['10.88.1.0/24'] });
const FAR = { ...vmRecord().spec, vm: 'db', ip: '10.88.1.9', mac: '02:88:00:00:00:14' };
const NONE = { prefix: null, mode: 'self-made', subnets: [], addresses: [] };
const DOOR = { owner: 'door', node: 'alpha', port: 'p0', mac: '02:99:00:00:00:01', ip: '10.88.0.7', epoch: 1 };

test.before.each(async (context) => {
  const stand = await ControlStand.open();
  const told: string[] = [];
  stand.cluster.sdnd.answers['networks.set'] = ({ networks }) => {
    told.push(
      ...networks.map(({ subnets, ipv6Addresses = '' }) => {
        return `${subnets.map(({ ipv6 }) => ipv6 ?? 'none').join(' ')} ${ipv6Addresses}`.trim();
      }),
    );
    return {};
  };
  const { state } = stand.control;
  await state.put('vms', 'web', vmRecord());
  await state.put('vms', 'db', vmRecord({ vm: 'db', spec: FAR }));
  await state.put('addresses', 'door', DOOR);
  Object.assign(context, { stand, told, orders: ordersOf(stand) });
});
test.after.each(({ stand }) => stand.close());

function ordersOf({ control, cluster }: ControlStand): Ipv6Orders {
  const { state } = control;
  const parts = { state, cluster, admission: new Admission(state, PLAN), plan: PLAN, log: quiet };
  const network = new Network({ ...parts, groups: new SecurityGroups(parts) });
  // Of what is drawn 40 bits are used.
  return new Ipv6Orders({ ...parts, network, drawGlobalId: () => 0xffff_1234_5678_9an });
}

test('without a prefix one is drawn, of which each subnet has its part, and each guest an address', async ({
  told,
  orders,
}) => {
  assert.equal(orders.show(), NONE);
  const view = await orders.set({});
  assert.is(view.prefix, 'fd12:3456:789a::/48');
  assert.equal(view.subnets, [
    { subnet: '10.88.0.0/24', prefix: 'fd12:3456:789a::/64', router: 'fd12:3456:789a::1' },
    { subnet: '10.88.1.0/24', prefix: 'fd12:3456:789a:1::/64', router: 'fd12:3456:789a:1::1' },
  ]);
  assert.equal(view.addresses, [
    { owner: 'db', ip: '10.88.1.9', ipv6: 'fd12:3456:789a:1:88:ff:fe00:14' },
    { owner: 'door', ip: '10.88.0.7', ipv6: 'fd12:3456:789a:0:99:ff:fe00:1' },
    { owner: 'web', ip: '10.88.0.10', ipv6: 'fd12:3456:789a::ff:fe00:1' },
  ]);
  assert.equal(told, ['fd12:3456:789a:: fd12:3456:789a:1::']);
});

test('a prefix that is given is taken, and stays when none is said', async ({ told, orders }) => {
  assert.is((await orders.set({ prefix: 'FD12:3456:0789::/48' })).prefix, 'fd12:3456:789::/48');
  assert.is((await orders.set({})).prefix, 'fd12:3456:789::/48');
  assert.is((await orders.set({ prefix: 'fd00::/48' })).subnets[1]?.router, 'fd00:0:0:1::1');
  assert.equal(told.at(-1), 'fd00:: fd00:0:0:1::');
});

test('how guests come by their addresses is told, and stays when only a prefix is said', async ({ told, orders }) => {
  assert.is((await orders.set({ prefix: 'fd00::/48' })).mode, 'self-made');
  assert.is((await orders.set({ addresses: 'leased' })).mode, 'leased');
  assert.equal(await orders.set({ prefix: 'fd01::/48' }), orders.show());
  assert.is(orders.show().mode, 'leased');
  await orders.set({ addresses: 'self-made' });
  assert.equal(told, [
    'fd00:: fd00:0:0:1::',
    'fd00:: fd00:0:0:1:: leased',
    'fd01:: fd01:0:0:1:: leased',
    'fd01:: fd01:0:0:1:: self-made',
  ]);
});

test('what is no unique local prefix of 48 bits is refused', async ({ told, orders }) => {
  const bad = [
    '2001:db8::/48',
    'fc00::/48',
    'fe80::/48',
    'fd00::/56',
    'fd00::/64',
    'fd00:0:0:1::/48',
    'fd00::1/48',
    'x/48',
    'fd00::',
  ];
  for (const prefix of bad) {
    const { code, remedy } = await refusal(orders.set({ prefix }));
    assert.equal([code, /fd12:3456:789a::\/48/.test(remedy)], ['NETWORK_BAD', true], prefix);
  }
  assert.equal([told, orders.show().prefix], [[], null]);
});

test('it is kept over a restart, until it is taken away', async ({ stand, told, orders }) => {
  await orders.set({ prefix: 'fd12:3456:789a::/48' });
  await stand.stop();
  await stand.start();
  assert.is(ordersOf(stand).show().addresses.length, 3);
  assert.equal(await ordersOf(stand).remove(), NONE);
  assert.equal(told.at(-1), 'none none');
});

test("a prefix is kept, or removed, also while the overlay's controller is away, and that is said", async ({
  stand,
  orders,
}) => {
  stand.cluster.sdnd.isAway = true;
  const { code, message } = await refusal(orders.set({ prefix: 'fd12:3456:789a::/48' }));
  assert.is(code, 'OVERLAY_UNTOLD');
  assert.match(message, /^the prefix is kept, but /);
  assert.is(orders.show().addresses.length, 3);
  assert.match((await refusal(orders.remove())).message, /^the prefix is removed, but /);
  assert.is(orders.show().prefix, null);
});

test.run();
