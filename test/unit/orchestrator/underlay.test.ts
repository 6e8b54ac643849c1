// The members' places in the encrypted underlay, as the controller keeps them and tells of them.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { codeOf } from '../../../common/errors.ts';
import { Underlay, type UnderlayParts } from '../../../orchestrator/network/underlay.ts';
import type { UnderlayMember, UnderlayPlace } from '../../../wire/contracts/underlay.ts';
import { TurnedClock } from '../common/turned-clock.ts';

function place(index: number, key = `key-${index}`): UnderlayPlace {
  const inner = { address: `10.77.0.${index}`, port: 51_820 };
  return { cloud: 'one', address: `10.99.0.${index}`, keys: [key], inner };
}

function stand() {
  const table = new Map<string, UnderlayMember>();
  const state = {
    all: () => [...table.values()],
    get: (_table: string, node: string) => table.get(node),
    put: async (_table: string, node: string, member: UnderlayMember) => void table.set(node, member),
    remove: async (_table: string, node: string) => void table.delete(node),
  } as UnderlayParts['state'];
  const clock = new TurnedClock();
  const up = new Set<string>();
  const underlay = new Underlay({ state, cluster: { isUp: (node) => up.has(node) }, node: 'k', clock });
  const told: string[] = [];
  const join = (node: string, at: UnderlayPlace) => {
    const end = new AbortController();
    const tell = ({ members, away = ['?'] }: { members: UnderlayMember[]; away?: string[] }): void => {
      const words = members.map((member) => `${member.node} ${member.keys.join()}`).join('; ');
      told.push(`${node}: ${words}${away.map((one) => (one === '?' ? '' : `, without ${one}`)).join('')}`);
    };
    const peer = { node, role: 'node' as const };
    const over = underlay.handlers()['underlay.join'](at, { peer, progress: tell, signal: end.signal } as never);
    return { end, over };
  };
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  return { told, join, settle, table, clock, underlay, up };
}

test('a node hears of all at once and of each change, as long as its call lives', async () => {
  const { told, join, settle } = stand();
  const alpha = join('alpha', place(1));
  await settle();
  join('beta', place(2));
  await settle();
  assert.equal(told, ['alpha: alpha key-1', 'alpha: alpha key-1; beta key-2', 'beta: alpha key-1; beta key-2']);
  told.length = 0;
  alpha.end.abort();
  assert.equal(await alpha.over, {});
  join('beta', place(2, 'another'));
  await settle();
  assert.equal(told, ['beta: alpha key-1; beta another', 'beta: alpha key-1; beta another']);
});

test('the same place again tells nobody else', async () => {
  const { told, join, settle } = stand();
  join('alpha', place(1));
  join('beta', place(2));
  await settle();
  told.length = 0;
  join('beta', place(2));
  await settle();
  assert.equal(told, ['beta: alpha key-1; beta key-2']);
});

test('who can be sent to and has no call for long is told of as no relay, once, until it calls again', async () => {
  const { told, join, settle, clock, underlay } = stand();
  const outer = { address: '192.0.2.1', port: 51_820 };
  const alpha = join('alpha', { ...place(1), outer });
  join('beta', place(2));
  join('delta', { ...place(4), outer });
  await settle();
  told.length = 0;
  underlay.look();
  assert.equal([underlay.away, told], [undefined, []], 'nothing is told that is not known yet');
  clock.turn(10_000);
  alpha.end.abort();
  await settle();
  underlay.look();
  assert.equal(underlay.away, []);
  clock.turn(10_000);
  told.length = 0;
  underlay.look();
  underlay.look();
  const members = 'alpha key-1; beta key-2; delta key-4';
  assert.equal(told, [`beta: ${members}, without alpha`, `delta: ${members}, without alpha`]);
  told.length = 0;
  join('gamma', place(3));
  await settle();
  assert.is(told.at(-1), `gamma: ${members}; gamma key-3, without alpha`);
  join('alpha', { ...place(1), outer });
  await settle();
  underlay.look();
  assert.equal(underlay.away, []);
});

test("the controller's own node relays only where no other does", async () => {
  const { join, settle, clock, underlay } = stand();
  const outer = { address: '192.0.2.1', port: 51_820 };
  join('k', { ...place(1), outer });
  const other = join('alpha', { ...place(2), outer });
  await settle();
  clock.turn(10_000);
  underlay.look();
  assert.equal(underlay.away, ['k']);
  other.end.abort();
  await settle();
  clock.turn(10_000);
  underlay.look();
  assert.equal(underlay.away, ['alpha']);
});

/** What becomes of a call: '' as long as it lives. */
function outcomeOf({ over }: { over: Promise<unknown> | unknown }): { code: string | undefined } {
  const outcome: { code: string | undefined } = { code: '' };
  Promise.resolve(over).catch((error: unknown) => {
    outcome.code = codeOf(error);
  });
  return outcome;
}

test('nobody takes an address or a key that another has', async () => {
  const { join, settle, table } = stand();
  join('alpha', place(1));
  await settle();
  for (const bad of [place(1, 'key-9'), place(2, 'key-1')]) {
    const outcome = outcomeOf(join('beta', bad));
    await settle();
    assert.is(outcome.code, 'PLACE_TAKEN');
  }
  assert.equal([...table.keys()], ['alpha']);
});

test('a machine that was set up anew under another name has its address once the old one is gone', async () => {
  const { told, join, settle, table, clock, up } = stand();
  const old = join('alpha', place(1));
  join('beta', place(2));
  await settle();
  up.add('alpha');
  const asked = async (node: string, at: UnderlayPlace): Promise<string | undefined> => {
    const outcome = outcomeOf(join(node, at));
    await settle();
    return outcome.code;
  };
  clock.turn(60_000);
  assert.is(await asked('delta', place(1, 'key-9')), 'PLACE_TAKEN', 'it is in session');
  old.end.abort();
  await settle();
  clock.turn(60_000);
  assert.is(await asked('delta', place(1, 'key-9')), 'PLACE_TAKEN', 'its agents are heard');
  up.delete('alpha');
  assert.is(await asked('delta', place(1)), 'PLACE_TAKEN', 'a key stays its own');
  told.length = 0;
  assert.is(await asked('delta', place(1, 'key-9')), '');
  assert.equal([...table.keys()].sort(), ['beta', 'delta']);
  assert.equal(told, ['beta: beta key-2; delta key-9', 'delta: beta key-2; delta key-9']);
  assert.is(await asked('alpha', place(1)), 'PLACE_TAKEN', 'the old one is back');
});

test('after a start nobody is gone who may not have called yet', async () => {
  const { join, settle, table, clock } = stand();
  table.set('alpha', { node: 'alpha', ...place(1) });
  const early = outcomeOf(join('delta', place(1, 'key-9')));
  await settle();
  assert.is(early.code, 'PLACE_TAKEN');
  clock.turn(10_000);
  const late = outcomeOf(join('delta', place(1, 'key-9')));
  await settle();
  assert.equal([late.code, [...table.keys()]], ['', ['delta']]);
});

test.run();
