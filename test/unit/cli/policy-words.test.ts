// The words in which a person says an image's policy.
import { InvalidArgumentError } from 'commander';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  describeCopies,
  describePolicy,
  describeSchedule,
  policyOf,
  schedule,
} from '../../../cli/commands/policy-words.ts';
import { codeOf } from '../../../common/errors.ts';
import type { PropagationPolicy } from '../../../wire/contracts/propagation.ts';

const SYNC = { mode: 'sync', copies: 2, scope: 'world', whenDegraded: 'wait' } as const;
const DEMAND: PropagationPolicy = { mode: 'on-demand' };
const isUsage = (error: Error): boolean => codeOf(error) === 'USAGE';

test('what is not said stays, or is two copies in two clouds that are waited for', () => {
  assert.is(policyOf(SYNC, {}), undefined);
  assert.equal(policyOf(DEMAND, { policy: 'proactive' }), { mode: 'proactive' });
  assert.equal(policyOf(DEMAND, { policy: 'sync' }), SYNC);
  assert.equal(policyOf(SYNC, { copies: 3 }), { ...SYNC, copies: 3 });
  assert.equal(policyOf({ ...SYNC, scope: 'cloud' }, { policy: 'sync-write', whenDegraded: 'continue' }), {
    ...{ mode: 'sync-write', copies: 2, scope: 'cloud', whenDegraded: 'continue' },
  });
});

test('recovery points by policy say how much may be lost, and where they are', () => {
  const known = { mode: 'async', rpoSeconds: 30, place: 'beta' } as const;
  assert.equal(policyOf(DEMAND, { policy: 'async', rpo: 30, place: 'beta' }), known);
  assert.equal(policyOf(known, { rpo: 60 }), { ...known, rpoSeconds: 60 });
  assert.equal(policyOf(known, { place: 'gamma' }), { ...known, place: 'gamma' });
  assert.is(policyOf(known, {}), undefined);
  assert.equal(policyOf(known, { policy: 'on-demand' }), DEMAND);
  assert.throws(() => policyOf(DEMAND, { policy: 'async', rpo: 30 }), isUsage);
  assert.throws(() => policyOf(DEMAND, { policy: 'async', rpo: 30, place: 'beta', copies: 2 }), isUsage);
  assert.throws(() => policyOf(DEMAND, { rpo: 30 }), isUsage);
  assert.is(describePolicy(known), 'async: at most 30 s are lost, shipped to beta');
});

test('how long a migration waits for blocks is said of proactive only, and kept', () => {
  const known = { mode: 'proactive', leadSeconds: 30 } as const;
  assert.equal(policyOf(DEMAND, { policy: 'proactive', lead: 30 }), known);
  assert.equal(policyOf(known, { lead: 0 }), { mode: 'proactive', leadSeconds: 0 });
  assert.equal(policyOf(known, { policy: 'proactive' }), known);
  assert.throws(() => policyOf(DEMAND, { lead: 30 }), isUsage);
  assert.throws(() => policyOf(known, { policy: 'async', rpo: 30, place: 'beta', lead: 30 }), isUsage);
  assert.throws(() => policyOf(known, { copies: 2 }), isUsage);
  assert.match(describePolicy(known), 'up to 30 s');
});

test('a schedule is how often, where and how many', () => {
  assert.equal(schedule('6h:beta:7'), { everySeconds: 21_600, place: 'beta', keep: 7 });
  assert.is(schedule('none'), null);
  for (const text of ['', '30s:beta:7', '6h:beta:0', '6h:beta', '6w:beta:7', '6h:Beta:7', '6h:beta:61']) {
    assert.throws(
      () => schedule(text),
      (error: unknown) => error instanceof InvalidArgumentError,
    );
  }
  assert.equal(describeSchedule(schedule('1m:beta:2')), ['snapshots    each 60 s to beta, the newest 2 are kept']);
  assert.equal(describeSchedule(null), []);
});

test('copies of a policy that has none are refused', () => {
  assert.throws(() => policyOf(DEMAND, { copies: 2 }), isUsage);
  assert.throws(() => policyOf(SYNC, { policy: 'proactive', scope: 'cloud' }), isUsage);
});

test('policies and copies are shown in words', () => {
  assert.is(describePolicy(DEMAND), 'on-demand');
  assert.is(describePolicy(SYNC), 'sync: 2 copies in as many clouds; waits without them');
  assert.is(
    describePolicy({ ...SYNC, scope: 'cloud', whenDegraded: 'continue' }),
    "sync: 2 copies in as many nodes of the writer's cloud; goes on without them, and says so",
  );
  const stores = [{ node: 'b', reachable: false, durableSequence: null, reason: 'nothing listens there' }];
  const shown = { copies: 2, safeOn: 1, forming: false, degraded: true, waitingFlushes: 0, stores };
  assert.equal(describeCopies(shown), [
    'safe on  1 of 2; flushes are answered with fewer',
    'copy     b: nothing listens there',
  ]);
  assert.match(describeCopies({ ...shown, degraded: false, waitingFlushes: 3 })[0] ?? '', '3 flushes wait');
  assert.match(describeCopies({ ...shown, degraded: false, forming: true })[0] ?? '', 'forming');
  const whole = [{ node: 'b', reachable: true, durableSequence: 7, reason: '' }];
  assert.match(describeCopies({ ...shown, safeOn: 2, stores: whole })[1] ?? '', 'has everything');
});

test.run();
