// How many reads of the disk are under way beside those who wait for nothing but the thread.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ReadWindow } from '../../../common/disk/read-window.ts';

/** A window of at most 8, asked every 10 ms of a thread that is awake for such a share of its time. */
function sizes(window: { nowMs: number; use: number }, use: readonly number[]): number[] {
  const read = new ReadWindow(
    8,
    () => window.use,
    () => window.nowMs,
  );
  return use.map((share) => {
    window.use = share;
    window.nowMs += 10;
    return read.next();
  });
}

test('a thread with time to spare has one more each time, up to the most', () => {
  assert.equal(
    sizes(
      { nowMs: 0, use: 0 },
      Array.from({ length: 9 }, () => 0.5),
    ),
    [2, 3, 4, 5, 6, 7, 8, 8, 8],
  );
});

test('a busy thread has half as many each time, and one at least', () => {
  const idle = [0, 0, 0, 0, 0];
  assert.equal(sizes({ nowMs: 0, use: 0 }, [...idle, 0.9, 0.9, 0.9, 1, 0.2]).slice(idle.length), [3, 1, 1, 1, 2]);
});

test('between two looks at the thread the size stays', () => {
  let looks = 0;
  let nowMs = 100;
  const use = (): number => {
    looks++;
    return 0;
  };
  const window = new ReadWindow(8, use, () => nowMs);
  assert.is(window.next(), 2);
  nowMs += 4;
  assert.is(window.next(), 2);
  assert.is(looks, 1);
  nowMs += 1;
  assert.is(window.next(), 3);
});

test('the share of a real thread that does not sleep is taken for a busy one', () => {
  let nowMs = 0;
  const window = new ReadWindow(8, undefined, () => nowMs);
  const endMs = performance.now() + 20;
  while (performance.now() < endMs) nowMs += 10;
  assert.is(window.next(), 1);
});

test.run();
