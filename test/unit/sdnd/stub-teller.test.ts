// What the orchestrator hears of guests that ask for what is elsewhere: at once, then seldom, and again soon where it was not
// heard.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { OperationError } from '../../../common/errors.ts';
import { StubTeller } from '../../../sdnd/agent/stub-teller.ts';
import { quiet } from '../common/members.ts';
import { TurnedClock } from '../common/turned-clock.ts';

/** Calls that end when a test says so. */
function stand() {
  const clock = new TurnedClock();
  const told: string[] = [];
  let end: (failure?: OperationError) => void = () => undefined;
  const call = (vm: string, stub: string): Promise<void> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    told.push(`${vm} ${stub}`);
    end = (failure) => (failure === undefined ? resolve() : reject(failure));
    return promise;
  };
  const answered = async (failure?: OperationError): Promise<void> => {
    end(failure);
    await new Promise(setImmediate);
  };
  return { clock, told, answered, teller: new StubTeller({ call, clock, log: quiet }) };
}

test('once while the call is under way and for a while after it, however often the guest sends', async () => {
  const { clock, told, answered, teller } = stand();
  for (let frame = 0; frame < 100; frame++) teller.asked('web', 'orders');
  clock.turn(60_000);
  teller.asked('web', 'orders');
  assert.equal(told, ['web orders']);
  await answered();
  clock.turn(4_999);
  teller.asked('web', 'orders');
  assert.is(told.length, 1);
  clock.turn(1);
  teller.asked('web', 'orders');
  assert.is(told.length, 2);
});

test('each guest and each stub by itself', () => {
  const { told, teller } = stand();
  for (const [vm, stub] of [
    ['web', 'orders'],
    ['web', 'store'],
    ['db', 'orders'],
  ] as const)
    teller.asked(vm, stub);
  assert.equal(told, ['web orders', 'web store', 'db orders']);
});

test('an orchestrator that is away hears of it soon', async () => {
  const { clock, told, answered, teller } = stand();
  teller.asked('web', 'orders');
  await answered(new OperationError('UNREACHABLE', 'it is away'));
  teller.asked('web', 'orders');
  assert.is(told.length, 1);
  clock.turn(1_000);
  teller.asked('web', 'orders');
  assert.is(told.length, 2);
});

test('it remembers no more than so many, and forgets those that it may tell again', async () => {
  const { clock, told, answered, teller } = stand();
  for (let guest = 0; guest < 2_000; guest++) {
    teller.asked(`g${guest}`, 'orders');
    await answered();
  }
  assert.is(told.length, 1_024);
  clock.turn(5_000);
  teller.asked('g2000', 'orders');
  assert.is(told.at(-1), 'g2000 orders');
});

test.run();
