// Orders to the WAN emulator: what is let through, and that a refusal names the setting and its limits.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeOrder } from '../../../lab/wan/order.ts';
import { bandwidthDelayBytes, labLinks } from '../../../lab/wan/wan.ts';

test('an order passes as it is', () => {
  const order = { id: 3, order: 'set', from: 0, to: 1, change: { delayMs: 37.5, up: false } };
  assert.equal(decodeOrder(structuredClone(order)), order);
  assert.is(decodeOrder({ id: 4, order: 'report' }).order, 'report');
});

test('settings out of their limits are refused by name', () => {
  const change = (settings: object) => () => decodeOrder({ id: 1, order: 'set', from: 0, to: 1, change: settings });
  assert.throws(change({ delayMs: -1 }), /delayMs is -1, must be 0 to 10000/);
  assert.throws(change({ rateMbit: 0 }), /rateMbit is 0/);
  assert.throws(change({ lossPercent: Number.NaN }), /lossPercent is NaN/);
  assert.throws(() => decodeOrder({ id: 1, order: 'halt' }), /no such order/);
});

test('the lab has both directions of three links, 75, 75 and 150 ms around', () => {
  const around = (a: string, b: string): number => {
    const both = labLinks().filter(({ from, to }) => (from === a && to === b) || (from === b && to === a));
    return both.reduce((sum, { delayMs = 0 }) => sum + delayMs, 0);
  };
  assert.equal([around('alpha', 'beta'), around('gamma', 'beta'), around('gamma', 'alpha')], [75, 75, 150]);
  assert.is(labLinks().length, 6);
  assert.is(bandwidthDelayBytes(200, 150), 3_750_000);
});

test.run();
