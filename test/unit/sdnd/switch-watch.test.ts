// How many switches are compared at once, and how often: one that hangs holds up nobody for long, and who waits comes first.
import { setImmediate as turn } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { SwitchWatch } from '../../../sdnd/controller/switch-watch.ts';
import { TurnedClock } from '../common/turned-clock.ts';

const AT_ONCE = 8;
const TURN_MS = 5_000;

/** Switches that are compared until they are let go, in the order in which they began. */
function stand(entries = 0) {
  const clock = new TurnedClock();
  const watch = new SwitchWatch(clock, () => entries);
  const begun: string[] = [];
  const compare = (node: string): (() => void) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    void watch.inTurn(() => {
      begun.push(node);
      return promise;
    });
    return resolve;
  };
  return { clock, watch, begun, compare };
}

test('eight are compared at once, and the next in the order in which they came', async () => {
  const { begun, compare } = stand();
  const ends = Array.from({ length: AT_ONCE + 2 }, (_, number) => compare(`n${number}`));
  await turn();
  assert.is(begun.length, AT_ONCE);
  ends[3]?.();
  await turn();
  assert.equal(begun.slice(AT_ONCE), ['n8']);
  for (const end of ends) end();
  await turn();
  assert.is(begun.length, AT_ONCE + 2);
});

test('those that hang hold the others up for five seconds, and give nothing back twice', async () => {
  const { clock, begun, compare } = stand();
  const hung = Array.from({ length: AT_ONCE }, (_, number) => compare(`hung${number}`));
  for (let number = 0; number < 2 * AT_ONCE; number++) compare(`n${number}`);
  clock.turn(TURN_MS - 1);
  await turn();
  assert.is(begun.length, AT_ONCE);
  clock.turn(1);
  await turn();
  assert.is(begun.length, 2 * AT_ONCE);
  for (const end of hung) end();
  await turn();
  assert.is(begun.length, 2 * AT_ONCE);
});

test('few entries are read at each look, many in as many seconds as it takes, and none while somebody waits', async () => {
  const few = stand(50_000);
  few.clock.turn(2_500);
  assert.ok(few.watch.isDue(0));
  const many = stand(12_000_000);
  many.clock.turn(590_000);
  assert.not.ok(many.watch.isDue(0));
  many.clock.turn(10_000);
  assert.ok(many.watch.isDue(0));
  const ends = Array.from({ length: AT_ONCE + 1 }, (_, number) => many.compare(`n${number}`));
  assert.not.ok(many.watch.isDue(0));
  for (const end of ends) end();
  await turn();
  assert.ok(many.watch.isDue(0));
});

test.run();
