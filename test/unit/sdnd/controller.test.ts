// The controller's commands with switches made of the codec: durable before any switch hears, answered after barriers,
// never held up by a switch that hangs or is away.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { codeOf, messageOf } from '../../../common/errors.ts';
import type { Peer } from '../../../common/membership/identity.ts';
import { Overlay } from '../../../sdnd/controller/overlay.ts';
import { Fixture, isSettled, settle } from './controller-fixture.ts';
import { addressOf, bindingOf, NODES } from './overlay-maker.ts';

const MIGRATION = '0000000000000001';
const OTHER = '0000000000000002';
const LAST = '0000000000000003';

test('a command is in the journal, then on every switch that is there', async () => {
  const fixture = new Fixture();
  await fixture.connect('n0', 'n1');
  await fixture.begin();
  assert.equal(
    fixture.journal.map(({ kind }) => kind),
    ['members', 'bound'],
  );
  assert.ok(fixture.flowsAt('n0') > 5 && fixture.flowsAt('n1') > 3);
  await fixture.connect('n2');
  assert.ok(fixture.flowsAt('n2') > 3);
  fixture.close();
});

test('an agent that begins anew is told of its guests again: it may have lost them', async () => {
  const fixture = new Fixture();
  await fixture.connect('n0', 'n1');
  await fixture.begin();
  await fixture.tellAll();
  await settle();
  fixture.told.splice(0);
  const end = new AbortController();
  const agent = { peer: { node: 'n0', role: 'node' }, progress: () => undefined, signal: end.signal } as const;
  const session = fixture.controller.handlers()['links.join']({ links: [] }, agent);
  await settle();
  assert.equal(
    fixture.told.map(({ node }) => node),
    ['n0'],
  );
  end.abort();
  await session;
  fixture.close();
});

test('a command is carried out though there is no room to shorten the journal', async () => {
  const fixture = new Fixture([], 2 ** 30);
  await fixture.connect('n0', 'n1');
  await fixture.begin();
  assert.equal(
    fixture.journal.map(({ kind }) => kind),
    ['members', 'bound'],
  );
  assert.ok(fixture.flowsAt('n0') > 5 && fixture.flowsAt('n1') > 3);
  fixture.close();
});

test('a migration needs its destination: its switch, its port', async () => {
  const fixture = new Fixture();
  await fixture.connect('n0', 'n1');
  await fixture.begin();
  for (const to of [bindingOf('g0', 'n2', 2), { ...bindingOf('g0', 'n1', 2), port: 'vm-none' }]) {
    const prepared = fixture.call('migration.prepare', { migration: MIGRATION, to });
    const outcome = prepared.catch((error: unknown) => codeOf(error));
    await fixture.pass(4_500);
    assert.not.ok(await isSettled(outcome));
    await fixture.pass(1_000);
    assert.is(await outcome, 'DESTINATION_NOT_READY');
  }
  assert.not.ok(fixture.journal.some(({ kind }) => kind === 'prepared'));
  fixture.close();
});

test('a destination whose switch refuses the flows, or does not answer, is not ready, and may be tried again', async () => {
  const fixture = new Fixture();
  await fixture.connect('n0', 'n1');
  await fixture.begin();
  const source = fixture.flowKeysAt('n0');
  const stuck = fixture.switches.get('n1');
  assert.ok(stuck);
  const prepare = (migration: string): Promise<unknown> =>
    fixture.call('migration.prepare', { migration, to: bindingOf('g0', 'n1', 2) });
  stuck.peer.isFull = true;
  const refusal = await prepare(MIGRATION).catch((error: unknown) => error);
  assert.is(codeOf(refusal), 'DESTINATION_NOT_READY');
  assert.match(messageOf(refusal), /FLOW_MOD_FAILED TABLE_FULL/);
  assert.is(await prepare(MIGRATION).catch(codeOf), 'MIGRATION_OVER', 'asked once more it is not prepared either');
  stuck.peer.isFull = false;
  stuck.hangs = true;
  const unanswered = prepare(OTHER).catch(codeOf);
  await fixture.pass(6_500);
  assert.is(await unanswered, 'DESTINATION_NOT_READY');
  assert.equal(fixture.flowKeysAt('n0'), source);
  stuck.channel.close('it is restarted');
  await fixture.connect('n1');
  await prepare(LAST);
  fixture.close();
});

test('a preparation that waits for its port when the cancel comes has no effect', async () => {
  const fixture = new Fixture();
  await fixture.connect('n0', 'n1');
  await fixture.begin();
  const to = bindingOf('g0', 'n2', 2);
  const preparing = fixture.call('migration.prepare', { migration: MIGRATION, to }).catch(codeOf);
  await settle();
  await fixture.call('migration.cancel', { migration: MIGRATION });
  await fixture.connect('n2');
  assert.is(await preparing, 'MIGRATION_OVER');
  assert.not.ok(fixture.journal.some(({ kind }) => kind === 'prepared'));
  fixture.close();
});

test('a switch that hangs holds nobody up for more than two seconds', async () => {
  const fixture = new Fixture();
  await fixture.connect('n0', 'n1', 'n2');
  await fixture.begin();
  await fixture.call('binding.set', { binding: bindingOf('g1', 'n2') });
  await fixture.call('migration.prepare', { migration: MIGRATION, to: bindingOf('g0', 'n1', 2) });
  const stuck = fixture.switches.get('n2');
  assert.ok(stuck);
  stuck.hangs = true;
  const completed = fixture.call('migration.complete', { migration: MIGRATION });
  assert.not.ok(await isSettled(completed));
  await fixture.pass(2_000);
  await completed;
  const { bindings } = (await fixture.call('binding.list', {})) as { bindings: { node: string }[] };
  assert.is(bindings[0]?.node, 'n1');
  fixture.close();
});

test('a switch that is away holds nobody up and is brought up to date when it is back', async () => {
  const fixture = new Fixture();
  await fixture.connect('n0', 'n1', 'n2');
  await fixture.begin();
  await fixture.call('binding.set', { binding: bindingOf('g1', 'n2') });
  await fixture.call('migration.prepare', { migration: MIGRATION, to: bindingOf('g0', 'n1', 2) });
  const before = [...(fixture.switches.get('n2')?.peer.flows.keys() ?? [])];
  fixture.switches.get('n2')?.channel.close('the wire is cut');
  await fixture.call('migration.complete', { migration: MIGRATION });
  assert.equal([...(fixture.switches.get('n2')?.peer.flows.keys() ?? [])], before);
  await fixture.connect('n2');
  assert.equal(
    [...(fixture.switches.get('n2')?.peer.flows.keys() ?? [])].filter(
      (key) => key.includes('ethSrc') && key.includes('tun'),
    ).length,
    1,
  );
  fixture.close();
});

test('late frames are sent on from the old place for five seconds, and no longer', async () => {
  const fixture = new Fixture();
  await fixture.connect('n0', 'n1', 'n2');
  await fixture.begin();
  const sentOn = (): number => fixture.flowKeysAt('n0').filter((key) => /ethDst.*reg0:1/.test(key)).length;
  await fixture.call('migration.prepare', { migration: MIGRATION, to: bindingOf('g0', 'n1', 2) });
  await fixture.call('migration.complete', { migration: MIGRATION });
  assert.is(sentOn(), 1);
  await fixture.pass(4_500);
  assert.is(sentOn(), 1);
  await fixture.pass(500);
  assert.is(sentOn(), 0);
  fixture.close();
});

/** A life in which a guest runs at n0 and is prepared for n1; n1's flows before that, and with it. */
async function prepared(): Promise<{ life: Fixture; alone: string[]; both: string[] }> {
  const life = new Fixture();
  await life.connect('n0', 'n1', 'n2');
  await life.begin();
  const alone = life.flowKeysAt('n1');
  await life.call('migration.prepare', { migration: MIGRATION, to: bindingOf('g0', 'n1', 2) });
  const both = life.flowKeysAt('n1');
  assert.ok(both.length > alone.length + 4);
  return { life, alone, both };
}

test('killed in a migration that is taken back: its flows go once all was told, at a switch that returns late', async () => {
  const { life, alone, both } = await prepared();
  const next = new Fixture(life.journal);
  await next.call('migration.cancel', { migration: MIGRATION });
  await next.connectFrom(life);
  assert.equal(next.flowKeysAt('n1'), both);
  await next.tellAll();
  assert.equal(next.flowKeysAt('n1'), alone);
  const later = new Fixture([...life.journal, ...next.journal]);
  await later.tellAll();
  await later.connectFrom(life);
  assert.equal(later.flowKeysAt('n1'), alone);
  for (const fixture of [life, next, later]) fixture.close();
});

test('a guest that was unbound while its switch was away leaves nothing there, also after a restart', async () => {
  const { life } = await prepared();
  const next = new Fixture(life.journal);
  await next.call('binding.remove', { owner: 'g0' });
  const overlay = new Overlay([...life.journal, ...next.journal]);
  const last = new Fixture(overlay.records());
  await last.tellAll();
  await last.connectFrom(life);
  for (const node of ['n0', 'n1', 'n2']) {
    assert.not.ok(last.flowKeysAt(node).some((key) => /eth(Src|Dst)|arpTpa/.test(key)));
  }
  for (const fixture of [life, next, last]) fixture.close();
});

test('with a lost journal the flows of a guest that nobody told of are kept, whoever says that all was told', async () => {
  const { life } = await prepared();
  await life.call('migration.complete', { migration: MIGRATION });
  const lost = new Fixture();
  await lost.call('members.set', { members: NODES.map((node) => ({ node, address: addressOf(node) })) });
  await lost.tellAll();
  await lost.connectFrom(life);
  assert.equal(lost.flowKeysAt('n1'), life.flowKeysAt('n1'));
  for (const fixture of [life, lost]) fixture.close();
});

test('with a lost journal no guest loses a flow while all are told, one after the other', async () => {
  const bindings = ['g0', 'g1', 'g2', 'g3', 'g4'].map((owner, index) =>
    bindingOf(owner, index % 2 === 0 ? 'n0' : 'n1'),
  );
  const life = new Fixture();
  await life.connect('n0', 'n1');
  await life.begin();
  for (const binding of bindings) await life.call('binding.set', { binding });
  const lost = new Fixture();
  await lost.connectFrom(life);
  await lost.call('members.set', { members: NODES.map((node) => ({ node, address: addressOf(node) })) });
  for (const binding of bindings) {
    await lost.call('binding.set', { binding });
    for (const node of ['n0', 'n1']) assert.equal(lost.flowKeysAt(node), life.flowKeysAt(node), binding.owner);
  }
  await lost.tellAll();
  for (const node of ['n0', 'n1']) assert.equal(lost.flowKeysAt(node), life.flowKeysAt(node));
  for (const fixture of [life, lost]) fixture.close();
});

test('what was told to an earlier life is not told', async () => {
  const { life } = await prepared();
  const next = new Fixture([...life.journal, { kind: 'term', term: 7 }]);
  assert.is(await next.call('state.told', { term: 6 }).catch(codeOf), 'TERM_STALE');
  await next.call('migration.cancel', { migration: MIGRATION });
  await next.connectFrom(life);
  assert.equal(next.flowKeysAt('n1'), life.flowKeysAt('n1'));
  for (const fixture of [life, next]) fixture.close();
});

test('a migration that is prepared already waits for no switch when that is told again', async () => {
  const { life } = await prepared();
  const next = new Fixture(life.journal);
  const again = next.call('migration.prepare', { migration: MIGRATION, to: bindingOf('g0', 'n1', 2) });
  assert.ok(await isSettled(again));
  for (const fixture of [life, next]) fixture.close();
});

test('a migration that stands is known, and its flows stay, though its destination was dead when a lost journal was told', async () => {
  const { life } = await prepared();
  const lost = new Fixture();
  await lost.connect('n0');
  await lost.begin();
  const to = bindingOf('g0', 'n1', 2);
  const told = lost.call('migration.prepare', { migration: MIGRATION, to, isStanding: true });
  assert.ok(await isSettled(told), 'nobody waits for a switch that is dead');
  await lost.tellAll();
  // It is back, with what it was given for the guest that may be there.
  await lost.connectFrom(life);
  assert.equal(lost.flowKeysAt('n1'), life.flowKeysAt('n1'));
  await lost.call('migration.complete', { migration: MIGRATION });
  for (const fixture of [life, lost]) fixture.close();
});

test('only the destination, or the orchestrator, completes a migration', async () => {
  const fixture = new Fixture();
  await fixture.connect('n0', 'n1');
  await fixture.begin();
  await fixture.call('migration.prepare', { migration: MIGRATION, to: bindingOf('g0', 'n1', 2) });
  const complete = (peer: Peer): Promise<unknown> => fixture.call('migration.complete', { migration: MIGRATION }, peer);
  const outcome = await complete({ node: 'n0', role: 'node' }).catch((error: unknown) => codeOf(error));
  assert.is(outcome, 'NOT_ALLOWED');
  await complete({ node: 'n1', role: 'node' });
  await complete({ node: 'n1', role: 'node' });
  fixture.close();
});

test.run();
