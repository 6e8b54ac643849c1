// The overlay's flows under every order of their arrival: no loop, no leak, nothing twice, no black hole.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type NetResult, runNetSeed, runNetSeeds } from './net-run.ts';

/** Of these, and two more, every planted bug is shown by one. */
const FIRST_SEED = 100;
const SEEDS = 30;
/** A switch has more to hear of in them, so each takes twice the time. */
const STUB_SEEDS = 4;
const TWO_MORE = [145, 377];

function noteIn(failures: string[]): (result: NetResult) => void {
  return ({ seed, violations, trace }) => {
    failures.push(`seed ${seed}: ${violations[0]}\n${trace.slice(-12).join('\n')}`);
  };
}

test('worlds of guests that move: every frame after every flow-mod', () => {
  const failures: string[] = [];
  const { walks } = runNetSeeds(FIRST_SEED, SEEDS, noteIn(failures));
  for (const seed of TWO_MORE) runNetSeeds(seed, 1, noteIn(failures));
  assert.equal(failures, []);
  assert.ok(walks > 200_000, `${walks} walks`);
});

test('networks with stubs: where the resource is, its guests speak with it; elsewhere their agent alone is told', () => {
  const failures: string[] = [];
  runNetSeeds(FIRST_SEED, STUB_SEEDS, noteIn(failures), { hasStubs: true });
  assert.equal(failures, []);
});

test('a seed tells its whole story again', () => {
  assert.equal(runNetSeed(5), runNetSeed(5));
});

test.run();
