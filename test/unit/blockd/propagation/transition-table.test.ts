// Where a VM goes next: given, learnt, and drawn.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { drawDestination, TransitionTable } from '../../../../blockd/propagation/transition-table.ts';
import { Prng } from '../../../sim/prng.ts';

const PLACES = ['oslo', 'paris', 'rome', 'tokyo'];

test('without a word all other places are alike', () => {
  const row = new TransitionTable().destinations('oslo', PLACES);
  assert.equal(
    row.map(({ place, probability }) => [place, probability.toFixed(3)]),
    [
      ['paris', '0.333'],
      ['rome', '0.333'],
      ['tokyo', '0.333'],
    ],
  );
  assert.equal(new TransitionTable().destinations('oslo', ['oslo']), []);
});

test('what is given counts in proportion, among the places that exist', () => {
  const table = new TransitionTable();
  table.give([
    { from: 'oslo', to: 'paris', probability: 0.2 },
    { from: 'oslo', to: 'tokyo', probability: 0.6 },
    { from: 'oslo', to: 'atlantis', probability: 0.2 },
    { from: 'oslo', to: 'oslo', probability: 1 },
  ]);
  const row = table.destinations('oslo', PLACES);
  assert.equal(
    row.map(({ place, probability }) => [place, probability.toFixed(2)]),
    [
      ['tokyo', '0.75'],
      ['paris', '0.25'],
      ['rome', '0.00'],
    ],
  );
});

test('moves outweigh what was given, in time; later ones count more', () => {
  const table = new TransitionTable();
  table.give([{ from: 'oslo', to: 'paris', probability: 1 }]);
  table.learn('oslo', 'tokyo');
  assert.is(table.destinations('oslo', PLACES)[0]?.place, 'paris');
  for (let move = 0; move < 8; move++) table.learn('oslo', 'tokyo');
  assert.is(table.destinations('oslo', PLACES)[0]?.place, 'tokyo');
  for (let move = 0; move < 30; move++) table.learn('oslo', 'rome');
  assert.is(table.destinations('oslo', PLACES)[0]?.place, 'rome');
  assert.is(table.destinations('paris', PLACES)[0]?.probability.toFixed(3), '0.333', 'other rows know nothing of it');
});

test('of two habits the later one counts more, though the earlier one was longer', () => {
  const table = new TransitionTable();
  for (let move = 0; move < 60; move++) table.learn('oslo', 'tokyo');
  for (let move = 0; move < 40; move++) table.learn('oslo', 'rome');
  assert.is(table.destinations('oslo', PLACES)[0]?.place, 'rome');
});

test('what was learnt travels', () => {
  const table = new TransitionTable();
  for (const to of ['rome', 'rome', 'tokyo']) table.learn('oslo', to);
  const again = new TransitionTable(JSON.parse(JSON.stringify(table.learnt())));
  assert.equal(again.destinations('oslo', PLACES), table.destinations('oslo', PLACES));
});

test('every row adds up to 1 and leaves out the place itself (property)', () => {
  for (let seed = 1; seed <= 200; seed++) {
    const prng = new Prng(seed);
    const table = new TransitionTable();
    const place = (): string => PLACES[prng.integer(PLACES.length)] ?? 'oslo';
    if (prng.chance(0.7))
      table.give(Array.from({ length: 6 }, () => ({ from: place(), to: place(), probability: prng.next() })));
    for (let move = 0; move < prng.integer(20); move++) table.learn(place(), place());
    const from = place();
    const row = table.destinations(from, PLACES);
    const sum = row.reduce((total, { probability }) => total + probability, 0);
    assert.ok(Math.abs(sum - 1) < 1e-9, `seed ${seed}: ${sum}`);
    assert.not(row.some((one) => one.place === from));
    assert.ok(row.every((one, index) => index === 0 || one.probability <= (row[index - 1]?.probability ?? 0)));
  }
});

test('draws follow the probabilities', () => {
  const prng = new Prng(9);
  const row = [
    { place: 'paris', probability: 0.7 },
    { place: 'rome', probability: 0.2 },
    { place: 'tokyo', probability: 0.1 },
  ];
  const drawn = new Map<string | undefined, number>();
  for (let draw = 0; draw < 10_000; draw++) {
    const place = drawDestination(row, prng.next())?.place;
    drawn.set(place, (drawn.get(place) ?? 0) + 1);
  }
  for (const { place, probability } of row)
    assert.ok(Math.abs((drawn.get(place) ?? 0) - probability * 10_000) < 200, `${place}: ${drawn.get(place)}`);
  assert.is(drawDestination([], 0.5), undefined);
  assert.is(drawDestination(row, 0.999999)?.place, 'tokyo');
});

test.run();
