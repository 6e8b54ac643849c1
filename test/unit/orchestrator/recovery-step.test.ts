// When layers are sealed so that no more than the RPO is lost.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type RecoveryView, recoveryStep } from '../../../orchestrator/recovery-step.ts';
import { Prng } from '../../sim/prng.ts';

test('the first point is sealed at once, and until it has arrived everything would be lost', () => {
  const view: RecoveryView = { rpoMs: 30_000, safeAtMs: undefined, shippingSinceMs: undefined, lastShipMs: 0 };
  assert.equal(recoveryStep(view, 500), { seal: true, lostMs: Number.POSITIVE_INFINITY, isLate: true, againMs: 500 });
  assert.not(recoveryStep({ ...view, shippingSinceMs: 500 }, 600).seal, 'one at a time');
});

test('with shipping under half the RPO no moment would lose more than the RPO (property)', () => {
  for (let seed = 1; seed <= 200; seed++) {
    const prng = new Prng(seed);
    const rpoMs = prng.between(1_000, 100_000);
    const shipMs = prng.between(0, rpoMs * 0.4);
    let view: RecoveryView = { rpoMs, safeAtMs: 0, shippingSinceMs: undefined, lastShipMs: shipMs };
    let seals = 0;
    for (let nowMs = 0; nowMs < rpoMs * 20; nowMs += rpoMs / 200) {
      const since = view.shippingSinceMs;
      if (since !== undefined && nowMs - since >= shipMs)
        view = { ...view, safeAtMs: since, shippingSinceMs: undefined, lastShipMs: nowMs - since };
      const step = recoveryStep(view, nowMs);
      assert.not(step.isLate, `seed ${seed}: ${step.lostMs} of ${rpoMs}`);
      if (!step.seal) continue;
      seals++;
      view = { ...view, shippingSinceMs: nowMs };
    }
    assert.ok(seals >= 20 && seals <= 60, `seed ${seed}: ${seals} layers`);
  }
});

test('when shipping takes too long it is late, and says so', () => {
  const view: RecoveryView = { rpoMs: 10_000, safeAtMs: 0, shippingSinceMs: 4_000, lastShipMs: 8_000 };
  assert.not(recoveryStep(view, 9_000).isLate);
  assert.ok(recoveryStep(view, 11_000).isLate);
  assert.ok(recoveryStep({ ...view, shippingSinceMs: undefined }, 11_000).seal);
});

test.run();
