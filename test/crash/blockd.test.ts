// All sequences of up to three steps on an image of four blocks, a crash before each of their disk steps, each loss of
// what was unsynced: no flushed write is lost, no version names two contents, no number comes twice (S1, S3), also where
// the disk was full (S9) or a sync failed and only the daemon was restarted (S2).
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { enumerate, sequences } from './image-crashes.ts';
import { STEPS } from './image-world.ts';

for (const length of [1, 2, 3]) {
  test(`every crash in sequences of ${length}`, async () => {
    let checked = 0;
    for (const steps of sequences(length)) checked += await enumerate(steps, {});
    console.log(`${STEPS.length ** length} sequences, ${checked} crashes`);
    assert.ok(checked >= STEPS.length ** length);
  });
}

test('every crash after a sync that failed over flushed data, and a restart', async () => {
  let checked = 0;
  for (const [before, after] of sequences(2)) {
    if (before === undefined || after === undefined) continue;
    checked += await enumerate(['write', 'flush', before, 'restart', after], {});
  }
  console.log(`${STEPS.length ** 2} sequences, ${checked} crashes`);
  assert.ok(checked > 0);
});

test('every crash when each barrier writes a checkpoint', async () => {
  let checked = 0;
  for (const steps of [...sequences(1), ...sequences(2)]) checked += await enumerate(steps, { checkpointBytes: 0 });
  console.log(`${checked} crashes`);
  assert.ok(checked > 0);
});

test.run();
