// Every operation of one client held at each of its disk steps beside every operation of another, a crash before each disk
// step from then on, each loss of what was unsynced and a kill: what was answered as durable to either is there, what was
// answered outlives the daemon, no version names two contents (S1, S3). `supercloud sim --subject clients` has longer courses.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { OPERATIONS, type Operation } from './clients-world.ts';
import { type Course, coursesOf, crashHeldAnywhere } from './two-clients.ts';

const BEFORE: readonly (readonly Operation[])[] = [[], ['write'], ['write', 'flush']];

/** What of one client's is held over a layer with data, and beside a checkpoint. */
const OTHERS: readonly (Pick<Course, 'before' | 'kind'> & { readonly held: readonly Operation[] })[] = [
  { before: ['part'], held: ['trim', 'zero'], kind: { isLayered: true } },
  { before: ['write'], held: ['flush'], kind: { checkpointBytes: 0 } },
];

for (const { before, held, kind } of OTHERS) {
  test(`every crash of ${held.join(' and ')} beside another's, ${before} before: ${JSON.stringify(kind)}`, async () => {
    let crashes = 0;
    for (const course of coursesOf(before, kind)) {
      if (held.includes(course.held)) crashes += await crashHeldAnywhere(course);
    }
    console.log(`${crashes} crashes`);
    assert.ok(crashes > 100);
  });
}

test('every crash where a journal that has just taken the place of another is gone on with after a kill', async () => {
  // Which step it is depends on how long the journal's records are.
  const kind = { isLayered: true, checkpointBytes: 544 };
  const crashes = await crashHeldAnywhere({ before: [], held: 'fua', meanwhile: ['zero', 'write'], kind });
  console.log(`${crashes} crashes`);
  assert.ok(crashes > 100);
});

for (const before of BEFORE) {
  test(`every crash of two clients' operations side by side, ${before.join(' and ') || 'nothing'} before`, async () => {
    let crashes = 0;
    const courses = coursesOf(before);
    for (const course of courses) crashes += await crashHeldAnywhere(course);
    console.log(`${courses.length} pairs, ${crashes} crashes`);
    assert.ok(crashes > 10 * OPERATIONS.length ** 2);
  });
}

test.run();
