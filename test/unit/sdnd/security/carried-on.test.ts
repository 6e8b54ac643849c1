// What came with a guest that moved stays with it when the overlay's controller is restarted, killed or relieved, before the
// move, in the middle of it or after it: the switches themselves know it, and the old place is asked again.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CARRIED_SEC, Table } from '../../../../sdnd/pipeline.ts';
import { carriedIn } from '../../../../sdnd/security/carried-flows.ts';
import type { GuestConnection } from '../../../../wire/contracts/security-groups.ts';
import { Fixture, isSettled, settle } from '../controller-fixture.ts';
import { addressOf, bindingOf, NODES, portsOf, viewOf, wantedFlows } from '../overlay-maker.ts';
import { SeatWorld } from '../seat-world.ts';

const MIGRATION = '0000000000000001';
const GUEST = bindingOf('g0', 'n0');
const NEAR = { address: GUEST.ip, port: 40_000 };
const GROUPS = [{ name: 'web', rules: [], members: ['g0'] }];
const MEMBERS = { members: NODES.map((node) => ({ node, address: addressOf(node) })) };

function opened(port: number): GuestConnection {
  return { protocol: 'tcp', from: NEAR, to: { address: '203.0.113.9', port } };
}

/** Entries by which a switch takes answers that a guest gets on TCP connections. */
function answers(keys: readonly string[]): number {
  return keys.filter((key) => key.includes(`table=${Table.groupsIn} `) && key.includes('tcpFlags')).length;
}

test('connections are read back out of the entries for the answers on them, as they were and for as long', () => {
  const connections: GuestConnection[] = [
    opened(443),
    { protocol: 'udp', from: { address: '203.0.113.9', port: 53 }, to: { address: GUEST.ip, port: 5000 } },
    {
      protocol: 'tcp',
      from: { address: 'fe80:0:0:0:88:ff:fe00:1', port: 1 },
      to: { address: 'fe80:0:0:0:0:0:0:9', port: 2 },
    },
  ];
  const view = { ...viewOf([GUEST], [], [], new Map([['g0', connections]])), groups: GROUPS };
  const flows = wantedFlows(view, { node: 'n0', ports: portsOf('n0') });
  const carried = carriedIn(flows.map((flow) => ({ ...flow, durationSec: 100 })));
  assert.equal(
    carried.map(({ connection }) => connection),
    connections,
  );
  for (const { tenant, mac, leftSec } of carried)
    assert.equal({ tenant, mac, leftSec }, { tenant: 1, mac: GUEST.mac, leftSec: CARRIED_SEC - 100 });
});

/** A life in which a guest is prepared to move from n0 to n1, with one connection. */
async function prepared(): Promise<Fixture> {
  const life = new Fixture();
  await life.connect('n0', 'n1');
  await life.begin();
  await life.call('groups.set', { groups: GROUPS });
  life.connections.set('n0', [opened(443)]);
  await life.call('migration.prepare', { migration: MIGRATION, to: bindingOf('g0', 'n1', 2) });
  await settle();
  assert.is(answers(life.flowKeysAt('n1')), 1);
  return life;
}

/** The next life, with the switches as they are; what its journal says is the earlier one's. */
async function after(life: Fixture): Promise<Fixture> {
  const next = new Fixture(life.journal);
  await next.connectFrom(life);
  life.close();
  return next;
}

test('a controller that is restarted after a move keeps what came with the guest, as long as it would have', async () => {
  const life = await prepared();
  await life.call('migration.complete', { migration: MIGRATION });
  await settle();
  const next = await after(life);
  assert.is(answers(next.flowKeysAt('n1')), 1, 'before it is told all');
  await next.tellAll();
  await next.pass(10_000);
  assert.is(answers(next.flowKeysAt('n1')), 1);
  await next.pass(CARRIED_SEC * 1_000);
  assert.is(answers(next.flowKeysAt('n1')), 0);
  next.close();
});

test('restarted in the middle of a move it asks the old place again, and keeps what is there already', async () => {
  const life = await prepared();
  const next = await after(life);
  next.connections.set('n0', [opened(444)]);
  assert.is(answers(next.flowKeysAt('n1')), 1);
  await next.tellAll();
  await settle();
  assert.is(answers(next.flowKeysAt('n1')), 2);
  next.close();
});

test('of a move that ended while it was away it asks the old place once it is told', async () => {
  const life = await prepared();
  const next = await after(life);
  next.connections.set('n0', [opened(444)]);
  await next.call('binding.set', { binding: bindingOf('g0', 'n1', 2) });
  await settle();
  assert.is(answers(next.flowKeysAt('n1')), 2);
  next.close();
});

async function tell(world: SeatWorld, name: string, term: number, more: () => Promise<unknown>): Promise<void> {
  await world.call(name, 'controller.take', { term, links: [] });
  await world.call(name, 'members.set', MEMBERS);
  await world.call(name, 'groups.set', { groups: GROUPS });
  await more();
  await world.call(name, 'state.told', { term });
  await settle();
}

/** x has prepared the move of a guest, of which n0 tells one connection. */
async function seats(): Promise<SeatWorld> {
  const world = new SeatWorld(['x', 'y']);
  world.connect();
  await settle();
  world.connectionsAt = async (node) => (node === 'n0' ? [opened(443)] : []);
  await tell(world, 'x', 1, () => world.call('x', 'binding.set', { binding: GUEST }));
  await world.call('x', 'migration.prepare', { migration: MIGRATION, to: bindingOf('g0', 'n1', 2) });
  await settle();
  assert.is(answers(world.flowsAt('n1')), 1);
  return world;
}

test('another one that takes over after a move keeps what came with the guest, killed or relieved', async () => {
  for (const isKilled of [true, false]) {
    const world = await seats();
    await world.call('x', 'migration.complete', { migration: MIGRATION });
    await settle();
    world.connectionsAt = async () => [];
    if (isKilled) world.kill('x');
    else await world.call('x', 'controller.yield', { term: 2 });
    await tell(world, 'y', 2, () => world.call('y', 'binding.set', { binding: bindingOf('g0', 'n1', 2) }));
    assert.is(answers(world.flowsAt('n1')), 1, isKilled ? 'killed' : 'relieved');
    world.close();
  }
});

test('another one that takes over in the middle of a move asks the old place too', async () => {
  const world = await seats();
  world.connectionsAt = async (node) => (node === 'n0' ? [opened(443), opened(444)] : []);
  world.kill('x');
  await tell(world, 'y', 2, async () => {
    await world.call('y', 'binding.set', { binding: GUEST });
    await world.call('y', 'migration.prepare', { migration: MIGRATION, to: bindingOf('g0', 'n1', 2) });
  });
  assert.is(answers(world.flowsAt('n1')), 2);
  world.close();
});

test('who is relieved first brings what it has asked for to the switches', async () => {
  const world = await seats();
  const { promise, resolve } = Promise.withResolvers<readonly GuestConnection[]>();
  world.connectionsAt = () => promise;
  await world.call('x', 'migration.complete', { migration: MIGRATION });
  const yielded = world.call('x', 'controller.yield', { term: 2 });
  assert.not.ok(await isSettled(yielded));
  resolve([opened(443), opened(444)]);
  await yielded;
  assert.is(answers(world.flowsAt('n1')), 2);
  world.close();
});

test.run();
