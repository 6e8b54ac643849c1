// Security groups under every order of flow-mods, moves and changes: what they allow comes, all else never.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GroupStory } from './net-groups.ts';
import { Prng } from './prng.ts';

const SEEDS = 10;

test('worlds of guests in groups: what a rule allows comes, all else never, and connections stay over moves', () => {
  const failures: string[] = [];
  let looks = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const story = new GroupStory(new Prng(seed));
    const { violations, trace } = story.world;
    try {
      story.run();
    } catch (error) {
      story.world.fail(error instanceof Error ? (error.stack ?? error.message) : String(error));
    }
    looks += story.looks;
    if (violations.length > 0) failures.push(`seed ${seed}: ${violations[0]}\n${trace.slice(-8).join('\n')}`);
  }
  assert.equal(failures, []);
  assert.ok(looks > 5_000, `${looks} looks`);
});

test.run();
