// The members' places in the encrypted underlay, as the controller keeps them and tells of them.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { OperationError } from '../../../common/errors.ts';
import { Underlay, type UnderlayParts } from '../../../orchestrator/network/underlay.ts';
import type { UnderlayMember, UnderlayPlace } from '../../../wire/contracts/underlay.ts';

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
  } as UnderlayParts['state'];
  const silent = new Set<string>();
  const unknown = new Set<string>();
  const isAway = (node: string): boolean | undefined => (unknown.has(node) ? undefined : silent.has(node));
  const underlay = new Underlay({ state, isAway });
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
  return { told, join, settle, table, silent, unknown, underlay };
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

test('who can be sent to and is silent is told of as no relay, once, until it is heard again', async () => {
  const { told, join, settle, silent, unknown, underlay } = stand();
  const outer = { address: '192.0.2.1', port: 51_820 };
  join('alpha', { ...place(1), outer });
  join('beta', place(2));
  await settle();
  told.length = 0;
  unknown.add('alpha');
  underlay.look();
  assert.equal(told, [], 'nothing is told that is not known');
  unknown.clear();
  for (const node of ['alpha', 'beta']) silent.add(node);
  underlay.look();
  underlay.look();
  assert.equal(told, ['alpha: alpha key-1; beta key-2, without alpha', 'beta: alpha key-1; beta key-2, without alpha']);
  assert.equal(underlay.away, ['alpha']);
  told.length = 0;
  join('gamma', place(3));
  await settle();
  assert.is(told.at(-1), 'gamma: alpha key-1; beta key-2; gamma key-3, without alpha');
  told.length = 0;
  silent.clear();
  underlay.look();
  assert.is(told[0], 'alpha: alpha key-1; beta key-2; gamma key-3');
});

test('nobody takes an address or a key that another has', async () => {
  const { join, settle, table } = stand();
  join('alpha', place(1));
  await settle();
  for (const bad of [{ ...place(1), keys: ['key-9'] as [string] }, place(2, 'key-1')]) {
    const error = await Promise.resolve(join('beta', bad).over).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    assert.instance(error, OperationError);
    assert.is((error as OperationError).code, 'PLACE_TAKEN');
  }
  assert.equal([...table.keys()], ['alpha']);
});

test.run();
