// Throughput by the second, the end of the work and the way back to the old speed, from points in time; mean and deviation.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { WorkCurve } from '../../bench/dbench/work-curve.ts';
import { spread } from '../../bench/mean.ts';

/** 100 bytes a second for 4 s, 2 s of nothing, then 50 a second for 4 s. */
const CURVE = new WorkCurve([
  [0, 0],
  [4_000, 400],
  [6_000, 400],
  [10_000, 600],
]);

test('work between two points goes on evenly', () => {
  assert.is(CURVE.bytesAt(0), 0);
  assert.is(CURVE.bytesAt(1_500), 150);
  assert.is(CURVE.bytesAt(5_000), 400);
  assert.is(CURVE.bytesAt(8_000), 500);
  assert.is(CURVE.bytesAt(12_000), 600, 'nothing is known beyond the last point');
});

test('a first point after the start has begun at nothing', () => {
  assert.is(new WorkCurve([[2_000, 100]]).bytesAt(1_000), 50);
});

test('the end of the work lies between two points', () => {
  assert.is(CURVE.timeOf(0), 0);
  assert.is(CURVE.timeOf(250), 2_500);
  assert.is(CURVE.timeOf(400), 4_000, 'the first moment');
  assert.is(CURVE.timeOf(550), 9_000);
  assert.is(CURVE.timeOf(601), undefined);
});

test('each whole second has its work, whenever it was told', () => {
  assert.equal(CURVE.perSecond(9_900), [100, 100, 100, 100, 0, 0, 50, 50, 50]);
  assert.equal(
    new WorkCurve([
      [1_500, 300],
      [2_500, 300],
    ]).perSecond(2_500),
    [200, 100],
  );
});

test('a speed is reached when a whole stretch had it', () => {
  assert.is(
    CURVE.secondsUntil(() => 100, 4_000, 10_000, 2_000),
    2,
  );
  assert.is(
    CURVE.secondsUntil(() => 100, 4_500, 10_000, 2_000),
    2,
    'counted from where it is asked',
  );
  assert.is(
    CURVE.secondsUntil(() => 400, 0, 10_000, 4_000),
    0,
  );
  assert.is(
    CURVE.secondsUntil(() => 120, 4_000, 10_000, 2_000),
    undefined,
    'never after the stop',
  );
  assert.is(
    CURVE.secondsUntil(() => 100, 4_000, 7_500, 2_000),
    undefined,
    'the stretch would end after the work',
  );
});

test('what is enough is asked by how far the work was', () => {
  assert.is(
    CURVE.secondsUntil((bytes) => (bytes < 450 ? 500 : 100), 4_000, 10_000, 2_000),
    3,
  );
});

test('how much is done from a point of the work on, at its end in the last stretch', () => {
  assert.is(CURVE.doneAfter(100, 2_000), 200);
  assert.is(CURVE.doneAfter(400, 2_000), 0);
  assert.is(CURVE.doneAfter(590, 2_000), 100);
  assert.is(CURVE.doneAfter(5_000, 2_000), 100);
  assert.is(CURVE.doneAfter(100, 20_000), undefined);
});

test('mean and deviation of a sample', () => {
  assert.is(spread([]), undefined);
  assert.equal(spread([7]), { mean: 7, deviation: 0 });
  assert.equal(spread([2, 4, 6]), { mean: 4, deviation: 2 });
});

test.run();
