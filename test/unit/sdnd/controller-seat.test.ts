// Who is active: standing by and taking over, what is told before anything is changed, step by step down, and one switch that
// says anything.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { codeOf } from '../../../common/errors.ts';
import type { Binding } from '../../../wire/contracts/sdnd.ts';
import { settle } from './controller-fixture.ts';
import { addressOf, bindingOf, NODES } from './overlay-maker.ts';
import { SeatWorld } from './seat-world.ts';

const test = suite<{ world: SeatWorld }>('controller seat');

test.before.each(async (context) => {
  context.world = new SeatWorld(['x', 'y']);
  context.world.connect();
  await settle();
});
test.after.each(({ world }) => world.close());

const MEMBERS = { members: NODES.map((node) => ({ node, address: addressOf(node) })) };
const MIGRATION = 'a'.repeat(16);

async function tell(world: SeatWorld, name: string, term: number, bindings: readonly Binding[]): Promise<void> {
  await world.call(name, 'members.set', MEMBERS);
  for (const binding of bindings) await world.call(name, 'binding.set', { binding });
  await world.call(name, 'state.told', { term });
  await settle();
}

async function takeOver(world: SeatWorld, name: string, term: number, bindings: readonly Binding[]): Promise<void> {
  await world.call(name, 'controller.take', { term, links: [] });
  await tell(world, name, term, bindings);
}

async function refusal(call: Promise<unknown>): Promise<string | undefined> {
  return call.then(
    () => undefined,
    (error: unknown) => codeOf(error),
  );
}

test('standing by, it has sessions and ports, and refuses what is the active one’s to do', async ({ world }) => {
  assert.equal(await world.call('y', 'controller.show', {}), {
    ...{ role: 'standby', term: 0, links: [], isMoving: false },
    switches: [...NODES],
  });
  assert.is(await refusal(world.call('y', 'members.set', MEMBERS)), 'NOT_ACTIVE');
  assert.is(await refusal(world.call('y', 'switch.verify', {})), 'NOT_ACTIVE');
  assert.equal(world.changes, []);
});

test('who takes over changes nothing before all was told, and then only what differs', async ({ world }) => {
  const places = [bindingOf('g0', 'n0'), bindingOf('g1', 'n1')];
  await takeOver(world, 'x', 1, places);
  const before = NODES.map((node) => world.flowsAt(node));
  assert.ok(world.changes.splice(0).length > 0);
  await world.call('y', 'controller.take', { term: 2, links: [] });
  await world.call('y', 'members.set', MEMBERS);
  for (const binding of places.slice(0, 1)) await world.call('y', 'binding.set', { binding });
  await settle();
  assert.equal(world.changes, []);
  await tell(world, 'y', 2, places);
  assert.equal(world.changes, []);
  await world.call('y', 'binding.set', { binding: bindingOf('g2', 'n2') });
  assert.ok(world.changes.length > 0 && world.changes.every(({ term }) => term === 2n));
  assert.not.equal(
    NODES.map((node) => world.flowsAt(node)),
    before,
  );
});

test('agents hear whom to probe from a controller that was told all, and until then go on as before', async ({
  world,
}) => {
  await world.call('x', 'controller.take', { term: 1, links: [] });
  const told: string[][] = [];
  const progress = ({ peers }: { readonly peers: readonly { readonly node: string }[] }): void => {
    told.push(peers.map(({ node }) => node));
  };
  const signal = new AbortController().signal;
  void world
    .seat('x')
    .handlers()
    ['links.join']({ links: [] }, { peer: { node: 'n0', role: 'node' }, progress, signal });
  await world.call('x', 'members.set', MEMBERS);
  world.clock.turn(1_000);
  assert.equal(told, []);
  await tell(world, 'x', 1, [bindingOf('g0', 'n0')]);
  world.clock.turn(1_000);
  assert.equal(told, [['n1', 'n2', 'n3']]);
});

test('what one knew in an earlier reign moves no guest back', async ({ world }) => {
  await takeOver(world, 'x', 1, [bindingOf('g0', 'n0')]);
  await world.call('x', 'controller.yield', { term: 2 });
  world.connect();
  await settle();
  await takeOver(world, 'y', 2, [bindingOf('g0', 'n0')]);
  await world.call('y', 'migration.prepare', { migration: MIGRATION, to: bindingOf('g0', 'n1', 2) });
  await world.call('y', 'migration.complete', { migration: MIGRATION });
  world.clock.turn(6_000);
  await settle();
  const after = NODES.map((node) => world.flowsAt(node));
  await world.call('y', 'controller.yield', { term: 3 });
  world.connect();
  await settle();
  world.changes.splice(0);
  await takeOver(world, 'x', 3, [bindingOf('g0', 'n1', 2)]);
  assert.equal(world.changes, []);
  assert.equal(
    NODES.map((node) => world.flowsAt(node)),
    after,
  );
});

test('told to yield it ends what was begun, and is slave where it was master', async ({ world }) => {
  await takeOver(world, 'x', 1, [bindingOf('g0', 'n0')]);
  const begun = world.call('x', 'binding.set', { binding: bindingOf('g1', 'n1') });
  const { links } = await world.call('x', 'controller.yield', { term: 2 });
  assert.equal(links, []);
  assert.is(await refusal(begun), undefined);
  assert.is(await refusal(world.call('x', 'binding.set', { binding: bindingOf('g2', 'n2') })), 'NOT_ACTIVE');
  assert.ok(world.changes.some(({ node }) => node === 'n1'));
  assert.equal((await world.call('x', 'controller.show', {})).switches, []);
  world.connect();
  await settle();
  assert.is(world.seat('x').role().role, 'slave');
  assert.equal((await world.call('x', 'controller.show', {})).switches, [...NODES]);
});

test('chosen again while it still ends what it began, it sends nothing of the time before', async ({ world }) => {
  await takeOver(world, 'x', 1, [bindingOf('g0', 'n0')]);
  // Its port is waited for, and so is the end of what was begun.
  const to = { ...bindingOf('g0', 'n1', 2), port: 'elsewhere' };
  const begun = refusal(world.call('x', 'migration.prepare', { migration: MIGRATION, to }));
  const yielded = refusal(world.call('x', 'controller.yield', { term: 2 }));
  await settle();
  await takeOver(world, 'x', 3, [bindingOf('g0', 'n1', 2)]);
  world.connect();
  await settle();
  world.changes.splice(0);
  for (let second = 0; second < 7; second++) {
    world.clock.turn(1_000);
    await settle();
  }
  assert.equal(world.changes, []);
  assert.is((await world.call('x', 'controller.show', {})).role, 'active');
  assert.equal((await world.call('x', 'controller.show', {})).switches, [...NODES]);
  assert.equal([await begun, await yielded], ['DESTINATION_NOT_READY', undefined]);
});

test('with a full disk it yields all the same, and does not take over', async ({ world }) => {
  await takeOver(world, 'x', 1, [bindingOf('g0', 'n0')]);
  world.full.add('x');
  assert.is(await refusal(world.call('x', 'binding.set', { binding: bindingOf('g1', 'n1') })), 'JOURNAL_FAILED');
  assert.is(await refusal(world.call('x', 'controller.yield', { term: 2 })), undefined);
  assert.is(await refusal(world.call('x', 'controller.take', { term: 3, links: [] })), 'JOURNAL_FAILED');
  assert.is((await world.call('x', 'controller.show', {})).role, 'standby');
  world.full.clear();
  assert.is(await refusal(world.call('x', 'controller.take', { term: 4, links: [] })), undefined);
});

test('no term is taken that is not above all that were heard of, also after a restart', async ({ world }) => {
  await takeOver(world, 'x', 5, []);
  assert.is(await refusal(world.call('x', 'controller.take', { term: 5, links: [] })), undefined);
  assert.is(await refusal(world.call('x', 'controller.take', { term: 4, links: [] })), 'TERM_STALE');
  await world.call('x', 'controller.yield', { term: 9 });
  assert.is(await refusal(world.call('x', 'controller.take', { term: 9, links: [] })), 'TERM_STALE');
  world.kill('x');
  world.mend('orchestrator', 'x');
  assert.equal((await world.call('x', 'controller.show', {})).role, 'standby');
  assert.is(await refusal(world.call('x', 'controller.take', { term: 9, links: [] })), 'TERM_STALE');
  assert.is(await refusal(world.call('x', 'controller.take', { term: 10, links: [] })), undefined);
});

test('relieved without hearing of it, it stands by once most nodes obey the other; one of them alone is not enough', async ({
  world,
}) => {
  await takeOver(world, 'x', 1, [bindingOf('g0', 'n0')]);
  world.seat('x').outranked('n3');
  assert.is((await world.call('x', 'controller.show', {})).role, 'active');
  world.cut('y', 'n0');
  await takeOver(world, 'y', 2, [bindingOf('g0', 'n0')]);
  for (let second = 0; second < 4; second++) {
    world.clock.turn(1_000);
    await settle();
  }
  assert.is((await world.call('x', 'controller.show', {})).role, 'standby');
  world.connect();
  await settle();
  assert.ok((await world.call('x', 'controller.show', {})).switches.includes('n0'));
});

test('one switch of a higher term ends no reign that begins, also where it answers first', async ({ world }) => {
  for (const [at, liar] of NODES.entries()) {
    const election = world.switches.get(liar)?.election;
    assert.ok(election);
    election.generationId = 1n << 60n;
    await world.call('x', 'controller.take', { term: at + 1, links: [] });
    await settle();
    assert.is((await world.call('x', 'controller.show', {})).role, 'active');
    assert.is(await refusal(tell(world, 'x', at + 1, [bindingOf('g0', 'n0')])), undefined);
    // All but this one: each is asked for the first time, as at the beginning.
    election.generationId = undefined;
    world.connect();
    await settle();
  }
});

test('a command that was begun before most nodes were lost is not answered as done', async ({ world }) => {
  await takeOver(world, 'x', 1, [bindingOf('g0', 'n0')]);
  const begun = refusal(world.call('x', 'binding.set', { binding: bindingOf('g1', 'n1') }));
  for (const node of NODES) world.seat('x').outranked(node);
  assert.is(await begun, 'NOT_ACTIVE');
});

test('the only one goes on with its journal, and stays whatever switches say', async ({ world }) => {
  const alone = new SeatWorld(['x']);
  alone.seat('x').beginAlone();
  alone.connect();
  await settle();
  await alone.call('x', 'members.set', MEMBERS);
  for (const node of NODES) alone.seat('x').outranked(node);
  assert.is((await alone.call('x', 'controller.show', {})).role, 'active');
  await alone.call('x', 'binding.set', { binding: bindingOf('g0', 'n0') });
  assert.ok(alone.changes.length > 0);
  alone.close();
  assert.equal(world.changes, []);
});

test.run();
