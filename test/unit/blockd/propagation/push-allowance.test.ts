// Caps on pushes: bytes per second, and money within any window.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { PushAllowance } from '../../../../blockd/propagation/push-allowance.ts';
import { Prng } from '../../../sim/prng.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

test('without limits everything goes; with a rate of 0 nothing ever does', () => {
  const allowance = new PushAllowance();
  allowance.took(1e12, 5, 0);
  assert.is(allowance.refusal(1e12, 5, 0), undefined);
  allowance.set({ bytesPerSecond: 0 }, 0);
  assert.equal(allowance.refusal(1, 0, DAY_MS), { cap: 'rate', waitMs: Number.POSITIVE_INFINITY });
});

test('the rate holds over time, with a burst of 200 ms at the most (property)', () => {
  for (let seed = 1; seed <= 50; seed++) {
    const prng = new Prng(seed);
    const bytesPerSecond = prng.between(1e5, 1e8);
    const allowance = new PushAllowance();
    allowance.set({ bytesPerSecond }, 0);
    let [nowMs, sent] = [0, 0];
    for (let push = 0; push < 500; push++) {
      const refusal = allowance.refusal(262_144, 0, nowMs);
      if (refusal !== undefined) {
        assert.is(refusal.cap, 'rate');
        nowMs += refusal.waitMs;
        assert.is(allowance.refusal(262_144, 0, nowMs), undefined, 'after the wait it may go');
      }
      allowance.took(262_144, 0, nowMs);
      sent += 262_144;
      if (prng.chance(0.05)) nowMs += prng.between(0, 5_000);
      assert.ok(sent <= ((nowMs + 200) * bytesPerSecond) / 1_000 + 262_144, `seed ${seed}`);
    }
  }
});

test('in no window of a day more than the budget is spent, and nearly all of it can be (property)', () => {
  for (let seed = 1; seed <= 30; seed++) {
    const prng = new Prng(seed);
    const budget = prng.between(0.5, 20);
    const allowance = new PushAllowance();
    allowance.set({ money: { budget, windowMs: DAY_MS } }, 0);
    const spent: { atMs: number; cost: number }[] = [];
    for (let nowMs = 0; nowMs < 4 * DAY_MS; nowMs += prng.between(0, HOUR_MS)) {
      const [bytes, perGb] = [prng.between(1e6, 2e9), prng.pick([0, 0.02, 0.09])];
      if (allowance.refusal(bytes, perGb, nowMs) !== undefined) continue;
      allowance.took(bytes, perGb, nowMs);
      spent.push({ atMs: nowMs, cost: (bytes / 1e9) * perGb });
    }
    for (const { atMs: endMs } of spent) {
      const within = spent.filter(({ atMs }) => atMs > endMs - DAY_MS && atMs <= endMs);
      assert.ok(within.reduce((sum, { cost }) => sum + cost, 0) <= budget + 1e-9, `seed ${seed}`);
    }
  }
});

test('at the money cap it says for how long, and goes on then; what is free goes all the time', () => {
  const allowance = new PushAllowance();
  allowance.set({ money: { budget: 0.09, windowMs: DAY_MS } }, 0);
  assert.is(allowance.refusal(1e9, 0.09, 0), undefined);
  allowance.took(1e9, 0.09, 0);
  const refusal = allowance.refusal(1e9, 0.09, HOUR_MS);
  assert.is(refusal?.cap, 'money');
  assert.is(allowance.refusal(1e9, 0, HOUR_MS), undefined);
  const again = HOUR_MS + (refusal?.waitMs ?? 0);
  assert.ok(again >= DAY_MS && again <= DAY_MS + DAY_MS / 48);
  assert.is(allowance.refusal(1e9, 0.09, again), undefined);
  assert.is(allowance.refusal(2e9, 0.09, again)?.waitMs, Number.POSITIVE_INFINITY, 'more than the budget never goes');
});

test('new limits do not forget what was spent', () => {
  const allowance = new PushAllowance();
  allowance.set({ money: { budget: 1, windowMs: DAY_MS } }, 0);
  allowance.took(1e9, 0.8, 0);
  allowance.set({ money: { budget: 1, windowMs: HOUR_MS }, bytesPerSecond: 1e6 }, 1_000);
  assert.is(allowance.spent(2_000), 0.8);
  assert.is(allowance.refusal(1e9, 0.8, 2_000)?.cap, 'money');
});

test.run();
