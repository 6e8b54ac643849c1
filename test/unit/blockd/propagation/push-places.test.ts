// Which nodes stand for the places that a person names.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DEFAULT_SETTINGS } from '../../../../blockd/propagation/default-settings.ts';
import { drawsFrom } from '../../../../blockd/propagation/draws.ts';
import { PushPlaces } from '../../../../blockd/propagation/push-places.ts';

const member = (node: string, cloud?: string) => ({
  node,
  address: '10.0.0.1',
  ...(cloud === undefined ? {} : { cloud }),
});
const MEMBERS = [
  member('k', 'home'),
  member('a1', 'alpha'),
  member('a2', 'alpha'),
  member('b1', 'beta'),
  member('lone'),
];

test('each other cloud has one node, the first; a node of an unknown cloud stands for itself', () => {
  assert.equal(new PushPlaces(MEMBERS, 'a2').nodes(DEFAULT_SETTINGS), ['k', 'b1', 'lone']);
  assert.equal(new PushPlaces([member('a1', 'alpha'), member('a2', 'alpha')], 'a1').nodes(DEFAULT_SETTINGS), []);
  assert.equal(new PushPlaces([], 'a1').nodes(DEFAULT_SETTINGS), []);
});

test('a node that a person names is one too, in the own cloud as well, but never this one', () => {
  const transitions = ['a1', 'a2', 'nowhere'].map((to) => ({ from: 'alpha', to, probability: 0.5 }));
  assert.equal(new PushPlaces(MEMBERS, 'a2').nodes({ ...DEFAULT_SETTINGS, transitions }), ['k', 'b1', 'lone', 'a1']);
});

test('what is said of clouds is said of their nodes, the own cloud being this node', () => {
  const places = new PushPlaces(MEMBERS, 'a2');
  const transitions = [
    { from: 'alpha', to: 'beta', probability: 0.7 },
    { from: 'beta', to: 'alpha', probability: 0.5 },
    { from: 'alpha', to: 'nowhere', probability: 0.3 },
  ];
  assert.equal(places.transitions({ ...DEFAULT_SETTINGS, transitions }), [
    { from: 'a2', to: 'b1', probability: 0.7 },
    { from: 'b1', to: 'a2', probability: 0.5 },
  ]);
  const prices = [
    { from: 'alpha', to: 'beta', perGb: 0.09 },
    { from: 'beta', to: 'home', perGb: 0.5 },
    { from: 'a2', to: 'lone', perGb: 0.01 },
  ];
  assert.equal(places.prices({ ...DEFAULT_SETTINGS, prices }, ['k', 'b1', 'lone']), [
    { from: 'a2', to: 'b1', perGb: 0.09 },
    { from: 'a2', to: 'lone', perGb: 0.01 },
  ]);
});

test('draws are the same again for a seed, and spread over their range', () => {
  const draws = drawsFrom(7);
  const again = drawsFrom(7);
  const seen = Array.from({ length: 1_000 }, draws);
  assert.equal(Array.from({ length: 1_000 }, again), seen);
  const quarters = [0, 0, 0, 0];
  for (const one of seen) quarters[Math.floor(one * 4)] = (quarters[Math.floor(one * 4)] ?? 0) + 1;
  assert.ok(
    quarters.every((count) => count > 200 && count < 300),
    quarters.join(),
  );
});

test.run();
