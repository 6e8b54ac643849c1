// When layers are sealed so that no more than the RPO is lost.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type RecoveryView, recoveryStep } from '../../../orchestrator/images/recovery-step.ts';
import { Prng } from '../../sim/prng.ts';

test('the first point is sealed at once, and until it has arrived everything would be lost', () => {
  const view: RecoveryView = { rpoMs: 30_000, safeAtMs: undefined, isShipping: false, lastShipMs: 0 };
  assert.equal(recoveryStep(view, 500), { seal: true, isLate: true });
  assert.equal(recoveryStep({ ...view, isShipping: true }, 600), { seal: false, isLate: true }, 'one at a time');
});

test('with shipping under half the RPO no moment would lose more than the RPO (property)', () => {
  for (let seed = 1; seed <= 200; seed++) {
    const prng = new Prng(seed);
    const rpoMs = prng.between(1_000, 100_000);
    const shipMs = prng.between(0, rpoMs * 0.4);
    let view: RecoveryView = { rpoMs, safeAtMs: 0, isShipping: false, lastShipMs: shipMs };
    let since = 0;
    let seals = 0;
    for (let nowMs = 0; nowMs < rpoMs * 20; nowMs += rpoMs / 200) {
      if (view.isShipping && nowMs - since >= shipMs)
        view = { ...view, safeAtMs: since, isShipping: false, lastShipMs: nowMs - since };
      const step = recoveryStep(view, nowMs);
      assert.not(step.isLate, `seed ${seed}: ${nowMs} of ${rpoMs}`);
      if (!step.seal) continue;
      seals++;
      since = nowMs;
      view = { ...view, isShipping: true };
    }
    assert.ok(seals >= 20 && seals <= 60, `seed ${seed}: ${seals} layers`);
  }
});

test('when shipping takes too long it is late, and says so', () => {
  const view: RecoveryView = { rpoMs: 10_000, safeAtMs: 0, isShipping: true, lastShipMs: 8_000 };
  assert.not(recoveryStep(view, 9_000).isLate);
  assert.ok(recoveryStep(view, 11_000).isLate);
  assert.ok(recoveryStep({ ...view, isShipping: false }, 11_000).seal);
});

test.run();
