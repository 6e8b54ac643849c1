// One image's propagation as its node sees it: settings, announcements, caps and sweeps together.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DEFAULT_SETTINGS } from '../../../../blockd/propagation/default-settings.ts';
import { Propagator } from '../../../../blockd/propagation/propagator.ts';
import type { PropagatorParts, PushOrder } from '../../../../blockd/propagation/propagator-parts.ts';
import { WINDOW_MS } from '../../../../blockd/propagation/s-tuner.ts';
import { SchemaCheck } from '../../../../common/schema-check.ts';
import { PropagationMemory, PropagationSettings } from '../../../../wire/contracts/propagation.ts';
import { Prng } from '../../../sim/prng.ts';

/** By then there was a sweep, wherever its chance has put it. */
const SWEPT_MS = 1.25 * WINDOW_MS;
const PROACTIVE: PropagationSettings = { ...DEFAULT_SETTINGS, policy: { mode: 'proactive' } };

function propagatorOf(settings: PropagationSettings, changes: Partial<PropagatorParts> = {}): Propagator {
  const prng = new Prng(1);
  const parts = { blocks: 10_000, place: 'oslo', hasData: () => false, isHeld: () => false, nowMs: 0 };
  const propagator = new Propagator({ ...parts, random: () => prng.next(), ...changes });
  propagator.setPlaces(['oslo', 'paris', 'rome'], [{ from: 'oslo', to: 'rome', perGb: 0.1 }]);
  propagator.configure(settings, 0);
  return propagator;
}

/** Writes and reads blocks so that they are worth a push. */
function heat(propagator: Propagator, first: number, count: number): void {
  propagator.noteWrite(first, count);
  for (let time = 0; time < 3; time++) propagator.noteRead(first, count);
}

const sum = (orders: readonly PushOrder[]): number => orders.reduce((total, { count }) => total + count, 0);

test('the settings that it starts with are what the contract takes', () => {
  const check = new SchemaCheck(PropagationSettings);
  assert.ok(check.accepts(DEFAULT_SETTINGS));
  assert.ok(check.accepts({ ...PROACTIVE, s: 'auto', money: { budget: 2, windowSeconds: 86_400 } }));
  assert.not(check.accepts({ ...PROACTIVE, s: 'often' }));
});

test('what was written just now waits for the next sweep, so that no block goes more than once a minute', () => {
  const propagator = propagatorOf(PROACTIVE);
  heat(propagator, 0, 8);
  assert.equal(propagator.tick(1_000), []);
  const orders = propagator.tick(SWEPT_MS);
  assert.is(sum(orders), 8 * new Set(orders.map(({ place }) => place)).size);
  propagator.noteWrite(0, 8);
  assert.equal(propagator.tick(SWEPT_MS + 100), []);
});

test('on-demand pushes nothing, also after an announcement', () => {
  const propagator = propagatorOf(DEFAULT_SETTINGS);
  heat(propagator, 0, 8);
  propagator.announce('paris');
  assert.equal(propagator.tick(SWEPT_MS), []);
});

test('an announced migration turns everything there, at once; called off, it is as before', () => {
  const propagator = propagatorOf(PROACTIVE);
  heat(propagator, 0, 200);
  propagator.announce('rome');
  const orders = [propagator.tick(100), propagator.tick(200)].flat();
  assert.ok(orders.every(({ place }) => place === 'rome'));
  assert.is(sum(orders), 200);
  heat(propagator, 0, 8);
  propagator.announce(undefined);
  assert.equal(propagator.tick(300), []);
  assert.ok(propagator.tick(SWEPT_MS).some(({ place }) => place === 'paris'));
});

test('while the memory waits for them, blocks that were hardly read go too, and more at once; then no more', () => {
  const propagator = propagatorOf(PROACTIVE);
  propagator.noteWrite(0, 2_000);
  propagator.announce('rome');
  assert.is(sum(propagator.tick(100)), 0, 'S keeps them back');
  propagator.setAwaited(true);
  assert.is(sum(propagator.tick(200)), 2_000, 'more than 2 MiB are under way');
  propagator.noteWrite(2_000, 8);
  propagator.setAwaited(false);
  assert.is(sum(propagator.tick(300)), 0);
});

test('without an announced place nothing is waited for', () => {
  const propagator = propagatorOf(PROACTIVE);
  propagator.noteWrite(0, 8);
  propagator.setAwaited(true);
  assert.equal(propagator.tick(SWEPT_MS), []);
});

test('where the user says that it goes gets most', () => {
  const transitions = [
    { from: 'oslo', to: 'paris', probability: 0.9 },
    { from: 'oslo', to: 'rome', probability: 0.1 },
  ];
  const propagator = propagatorOf({ ...PROACTIVE, transitions }, { blocks: 200_000 });
  const to = new Map<string, number>();
  for (let block = 0; block < 100; block++) heat(propagator, block * 16, 1);
  for (const { place } of propagator.tick(SWEPT_MS).slice(0, 50)) to.set(place, (to.get(place) ?? 0) + 1);
  assert.ok((to.get('paris') ?? 0) > 35 && (to.get('rome') ?? 0) > 0, JSON.stringify([...to]));
  assert.equal(
    propagator.status(SWEPT_MS).destinations.map(({ place }) => place),
    ['paris', 'rome'],
  );
});

test('a place that is improbable gets nothing', () => {
  const transitions = [
    { from: 'oslo', to: 'paris', probability: 0.98 },
    { from: 'oslo', to: 'rome', probability: 0.02 },
  ];
  const propagator = propagatorOf({ ...PROACTIVE, transitions });
  heat(propagator, 0, 500);
  assert.ok(propagator.tick(SWEPT_MS).every(({ place }) => place === 'paris'));
});

test('at a cap it pauses and says which; a place that costs nothing goes on', () => {
  const money = { budget: 0.000_05, windowSeconds: 3_600 };
  const propagator = propagatorOf({ ...PROACTIVE, money });
  heat(propagator, 0, 640);
  const orders = propagator.tick(SWEPT_MS);
  const toRome = sum(orders.filter(({ place }) => place === 'rome')) * 4096;
  assert.ok(toRome * 1e-10 <= money.budget);
  assert.ok(sum(orders.filter(({ place }) => place === 'paris')) > 300);
  assert.is(propagator.status(SWEPT_MS).paused?.cap, 'money');
  propagator.configure({ ...PROACTIVE, rateBytesPerSecond: 0 }, SWEPT_MS);
  assert.equal(propagator.tick(SWEPT_MS + 100), []);
  assert.is(propagator.status(SWEPT_MS + 100).paused?.cap, 'rate');
});

test('no more is under way to a place than fills the link, and a failed push goes again', () => {
  const propagator = propagatorOf(PROACTIVE, { hasData: () => true });
  heat(propagator, 0, 2_000);
  propagator.announce('paris');
  const orders = propagator.tick(100);
  assert.is(sum(orders), 512);
  assert.equal(propagator.tick(200), []);
  for (const order of orders) propagator.settled(order, false);
  let total = 0;
  for (let turn = 3; turn < 20; turn++) {
    for (const order of propagator.tick(turn * 100)) {
      total += order.count;
      propagator.settled(order, true);
    }
  }
  assert.is(total, 2_000);
});

test('zeros are not pushed, a whole image of them costs nothing', () => {
  const propagator = propagatorOf(PROACTIVE, { blocks: 2 ** 24 });
  heat(propagator, 64, 8);
  propagator.noteZero(0, 2 ** 24);
  propagator.announce('paris');
  assert.equal(propagator.tick(100), []);
});

test('S may change at any time, and a higher one stops what waits', () => {
  const propagator = propagatorOf({ ...PROACTIVE, s: 100 });
  heat(propagator, 0, 8);
  propagator.announce('paris');
  assert.equal(propagator.tick(100), []);
  propagator.configure({ ...PROACTIVE, s: 2 }, 150);
  assert.is(sum(propagator.tick(200)), 8);
  assert.is(propagator.status(200).s, 2);
});

test('what was learnt goes with the VM and is what the contract takes', () => {
  const propagator = propagatorOf({ ...PROACTIVE, s: 'auto' });
  heat(propagator, 0, 8);
  for (let minute = 1; minute < 12; minute++) {
    propagator.tick(minute * SWEPT_MS);
    propagator.noteRead(100, 8);
  }
  const memory: unknown = JSON.parse(JSON.stringify(propagator.memoryFor('rome', 660_000)));
  const check = new SchemaCheck(PropagationMemory);
  assert.ok(check.accepts(memory));
  if (!check.accepts(memory)) return;
  assert.equal(memory.moves, [{ from: 'oslo', to: 'rome', count: 1 }]);
  const next = propagatorOf({ ...PROACTIVE, s: 'auto' }, { place: 'rome', memory });
  assert.is(next.status(0).s, propagator.status(0).s);
});

test.run();
