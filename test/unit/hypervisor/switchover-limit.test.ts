// The limit of a migration's last pass: as ordered at first, then growing, never without bound, never below the order.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { downtimeLimitMs } from '../../../hypervisor/migration/switchover-limit.ts';

test('the first passes get what was ordered', () => {
  for (const pass of [0, 1, 4, 5]) assert.is(downtimeLimitMs(50, pass), 50);
});

test('then it grows with the passes and stops at half a second', () => {
  assert.is(downtimeLimitMs(50, 6), 75);
  assert.is(downtimeLimitMs(50, 8), 113);
  assert.is(downtimeLimitMs(50, 1_000), 500);
});

test('a longer order is kept', () => {
  assert.is(downtimeLimitMs(2_000, 3), 2_000);
  assert.is(downtimeLimitMs(2_000, 30), 2_000);
});

test.run();
