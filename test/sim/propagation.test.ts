// The tuned S beside fixed ones, played out in little; `supercloud bench propagation` has the whole grid. Nothing here
// depends on the machine: the same seed gives the same figures.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { compare, staysOf } from '../bench/propagation.ts';
import { PropagationTrial } from '../bench/propagation-trial.ts';
import { database, webAndMail } from '../bench/propagation-workloads.ts';

const SEED = 1;
const staysMs = staysOf(SEED, 3);
const durationMs = staysMs.reduce((sum, one) => sum + one, 120_000);

for (const make of [database, webAndMail]) {
  test(`${make.name}: the tuned S costs less than S = 1 and at most a fifth more than the best fixed one`, () => {
    const trace = make(SEED, durationMs);
    const { tuned, best, paper, reached } = compare(trace, [0, 1 / 64, 1], { staysMs, seed: SEED, pull: 'none' });
    assert.ok(reached, `tuned ${tuned.score}, best ${best.score} at ${best.s}, paper's ${paper.score}`);
  });
}

test('the same seed gives the same figures', () => {
  const trace = webAndMail(2, 1_500_000);
  const play = (): unknown =>
    new PropagationTrial(trace, { s: 'auto', staysMs: [1_200_000], seed: 2, pull: 'hottest' }).run();
  assert.equal(play(), play());
});

test('the pull leaves fewer blocks to wait for, and fewer still when it begins with the hottest', () => {
  const trace = webAndMail(3, 1_500_000);
  const missed = (pull: 'none' | 'in-order' | 'hottest'): number =>
    new PropagationTrial(trace, { s: 64, staysMs: [1_200_000], seed: 3, pull }).run()[0]?.missed ?? 0;
  const [none, inOrder, hottest] = [missed('none'), missed('in-order'), missed('hottest')];
  assert.ok(hottest < inOrder && inOrder <= none, `${hottest}, ${inOrder}, ${none}`);
});

test.run();
