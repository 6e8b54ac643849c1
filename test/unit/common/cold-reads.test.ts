// How many reads wait for the disk at once.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ReadLane } from '../../../common/disk/cold-reads.ts';
import { failure } from './members.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('as many as may begin at once, the others in their order; one that fails makes room too', async () => {
  const lane = new ReadLane(2);
  const begun: number[] = [];
  const ends = Array.from({ length: 5 }, () => Promise.withResolvers<void>());
  const reads = ends.map(({ promise }, index) =>
    lane.run(() => {
      begun.push(index);
      return promise;
    }),
  );
  const failed = failure(reads[1] ?? Promise.resolve());
  await turn();
  assert.equal(begun, [0, 1]);
  ends[1]?.reject(Object.assign(new Error('the disk is broken'), { code: 'EIO' }));
  assert.is((await failed).code, 'EIO');
  await turn();
  assert.equal(begun, [0, 1, 2]);
  for (const { resolve } of ends) resolve();
  await Promise.all(reads.filter((_, index) => index !== 1));
  assert.equal(begun, [0, 1, 2, 3, 4]);
  const again = ends.map(() => Promise.withResolvers<void>());
  let running = 0;
  const more = again.map(({ promise }) =>
    lane.run(() => {
      running++;
      return promise;
    }),
  );
  await turn();
  assert.is(running, 2, 'none too many has become free');
  for (const { resolve } of again) resolve();
  await Promise.all(more);
});

test.run();
