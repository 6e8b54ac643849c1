// Stories of two controllers under faults, seed after seed: terms never go back at a switch, no guest is moved back, and in the
// end one is active and every switch has what the orchestrator wants.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Random } from '../openflow/random.ts';
import { SeatStory } from './seat-story.ts';

const SEEDS = 20;
const STEPS = 25;

test('after any cuts, kills, lost journals and hand-overs', async () => {
  let reigns = 0;
  for (let seed = 0; seed < SEEDS; seed++) {
    const story = new SeatStory(new Random(seed));
    await story.run(STEPS);
    assert.equal(story.violations, [], `seed ${seed}`);
    reigns += story.chosen.length;
  }
  assert.ok(reigns > 2 * SEEDS, `${reigns} reigns`);
});

test.run();
