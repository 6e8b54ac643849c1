// What became of pushed blocks at their destination.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ArrivalLedger, USEFUL_MS } from '../../../../blockd/propagation/arrival-ledger.ts';
import { Prng } from '../../../sim/prng.ts';

test('a read within ten minutes of the arrival makes a block useful, once', () => {
  const ledger = new ArrivalLedger(100);
  ledger.pushed(10, 4);
  ledger.read(10, 1, 0, 0);
  assert.is(ledger.counts(0).useful, 0, 'the guest is not here yet');
  ledger.arrived(1_000);
  ledger.read(10, 2, 0, 2_000);
  ledger.read(10, 2, 0, 3_000);
  ledger.read(12, 1, 0, 1_000 + USEFUL_MS);
  assert.equal(ledger.counts(2_000), { useful: 2, wasted: 0, pending: 2, missed: 0 });
  assert.equal(ledger.counts(1_000 + USEFUL_MS), { useful: 2, wasted: 2, pending: 0, missed: 0 });
});

test('what is overwritten before it was read was wasted, at either end', () => {
  const ledger = new ArrivalLedger(100);
  ledger.pushed(0, 3);
  ledger.overwritten(0, 1);
  ledger.arrived(0);
  ledger.overwritten(1, 1);
  ledger.read(0, 3, 1, 5);
  assert.equal(ledger.counts(10), { useful: 1, wasted: 2, pending: 0, missed: 1 });
});

test('misses count in the first minute only', () => {
  const ledger = new ArrivalLedger(100);
  ledger.arrived(0);
  ledger.read(5, 3, 3, 59_999);
  ledger.read(9, 2, 2, 60_000);
  assert.is(ledger.counts(60_000).missed, 3);
  assert.not(ledger.isFirstMinuteOver(59_999));
  assert.ok(ledger.isFirstMinuteOver(60_000));
});

test('every pushed block is useful, wasted or pending, and only one of them (property)', () => {
  for (let seed = 1; seed <= 100; seed++) {
    const prng = new Prng(seed);
    const ledger = new ArrivalLedger(64);
    const state = new Map<number, 'pending' | 'useful' | 'wasted'>();
    let settled = { useful: 0, wasted: 0 };
    for (let step = 0; step < 300; step++) {
      const block = prng.integer(64);
      if (step === 150) ledger.arrived(150);
      const draw = prng.integer(3);
      const wasPending = state.get(block) === 'pending';
      if (draw === 0) {
        ledger.pushed(block, 1);
        state.set(block, 'pending');
      } else if (draw === 1) {
        ledger.overwritten(block, 1);
        if (wasPending) settled = { ...settled, wasted: settled.wasted + 1 };
        if (wasPending) state.delete(block);
      } else {
        ledger.read(block, 1, 0, step);
        if (wasPending && step >= 150) {
          settled = { ...settled, useful: settled.useful + 1 };
          state.delete(block);
        }
      }
      const pending = [...state.values()].filter((one) => one === 'pending').length;
      assert.equal(ledger.counts(step), { ...settled, pending, missed: 0 }, `seed ${seed}, step ${step}`);
    }
  }
});

test.run();
