// The overlay's flows under every order of their arrival: no loop, no leak, nothing twice, no black hole.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type NetResult, runNetSeed, runNetSeeds } from './net-run.ts';

/** Of these, and two more, every planted bug is shown by one. */
const FIRST_SEED = 100;
const SEEDS = 30;
const TWO_MORE = [145, 377];

test('worlds of guests that move: every frame after every flow-mod', () => {
  const failures: string[] = [];
  const failed = ({ seed, violations, trace }: NetResult): void => {
    failures.push(`seed ${seed}: ${violations[0]}\n${trace.slice(-12).join('\n')}`);
  };
  const { walks } = runNetSeeds(FIRST_SEED, SEEDS, failed);
  for (const seed of TWO_MORE) runNetSeeds(seed, 1, failed);
  assert.equal(failures, []);
  assert.ok(walks > 200_000, `${walks} walks`);
});

test('a seed tells its whole story again', () => {
  assert.equal(runNetSeed(5), runNetSeed(5));
});

test.run();
