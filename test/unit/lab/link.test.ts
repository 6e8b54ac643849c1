// The WAN's link model: line rate, queue, travel time, loss and cut, all at times that the test says.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Link, type LinkSettings, NEVER_MS, seededRandom } from '../../../lab/wan/link.ts';

/** 8 Mbit/s is 1,000 bytes a millisecond. */
const SETTINGS: LinkSettings = { delayMs: 50, rateMbit: 8, queueBytes: 10_000, lossPercent: 0, up: true };

function link(change: Partial<LinkSettings> = {}, seed = 1): Link {
  return new Link({ ...SETTINGS, ...change }, seededRandom(seed));
}

function takeAll(from: Link, nowMs: number): number[] {
  const taken: number[] = [];
  for (let frame = from.take(nowMs); frame >= 0; frame = from.take(nowMs)) taken.push(frame);
  return taken;
}

test('a frame passes the line at its rate and then travels', () => {
  const wire = link();
  assert.is(wire.offer(7, 1000, 100), 'held');
  assert.is(wire.dueMs, 151);
  assert.is(wire.take(150.999), -1);
  assert.is(wire.take(151), 7);
  assert.is(wire.dueMs, NEVER_MS);
  assert.equal(wire.counters, { frames: 1, bytes: 1000, drops: 0, lost: 0 });
});

test('frames wait for each other on the line, not on the way', () => {
  const wire = link();
  for (const frame of [1, 2, 3]) wire.offer(frame, 1000, 0);
  assert.equal(takeAll(wire, 51), [1]);
  assert.equal(takeAll(wire, 53), [2, 3]);
});

test('the line is free again after a pause', () => {
  const wire = link();
  wire.offer(1, 5000, 0);
  wire.offer(2, 1000, 500);
  takeAll(wire, 500);
  assert.is(wire.dueMs, 551);
});

test('a full queue drops, and takes frames again when the line has worked it off', () => {
  const wire = link({ queueBytes: 2000 });
  assert.equal(
    [1, 2, 3].map((frame) => wire.offer(frame, 1000, 0)),
    ['held', 'held', 'gone'],
  );
  assert.is(wire.offer(4, 1000, 0.5), 'gone');
  assert.is(wire.offer(5, 1000, 1), 'held');
  assert.equal(takeAll(wire, 1000), [1, 2, 5]);
  assert.is(wire.counters.drops, 2);
});

test('at full load exactly the rate comes out', () => {
  const wire = link({ queueBytes: 3000 });
  for (let frame = 0; frame < 4000; frame++) wire.offer(frame, 1000, frame / 4);
  takeAll(wire, 1049.9);
  assert.ok(wire.counters.bytes > 990_000 && wire.counters.bytes <= 1_000_000, String(wire.counters.bytes));
});

test('a shorter delay does not let later frames overtake', () => {
  const wire = link();
  wire.offer(1, 1000, 0);
  wire.configure({ ...SETTINGS, delayMs: 1 }, 1);
  wire.offer(2, 1000, 1);
  assert.equal(takeAll(wire, 50), []);
  assert.is(wire.take(51), 1);
  assert.is(wire.dueMs, 51);
  assert.is(wire.take(51), 2);
});

test('loss is as configured, drawn from the seed, and takes its time on the line', () => {
  const fates = (seed: number): string => {
    const wire = link({ lossPercent: 30 }, seed);
    return Array.from({ length: 20_000 }, (_, frame) => (wire.offer(frame, 1, frame) === 'held' ? '.' : 'x')).join('');
  };
  const share = fates(5).split('x').length / 20_000;
  assert.ok(share > 0.28 && share < 0.32, String(share));
  assert.is(fates(5), fates(5));
  assert.is.not(fates(5), fates(6));
  const all = link({ lossPercent: 100 });
  all.offer(1, 1000, 0);
  all.configure(SETTINGS, 0);
  all.offer(2, 1000, 0);
  assert.is(all.dueMs, 52);
});

test('a cut loses what is on the way and all that comes, until it is up', () => {
  const wire = link();
  wire.offer(1, 1000, 0);
  wire.offer(2, 1000, 0);
  assert.equal(wire.configure({ ...SETTINGS, up: false }, 10), [1, 2]);
  assert.is(wire.offer(3, 1000, 20), 'gone');
  wire.configure(SETTINGS, 30);
  wire.offer(4, 1000, 30);
  assert.equal(takeAll(wire, 81), [4]);
  assert.equal(wire.counters, { frames: 1, bytes: 1000, drops: 0, lost: 3 });
});

test('order and number hold through growth and wrapping of the ring', () => {
  const wire = link({ queueBytes: 1e9, delayMs: 0, rateMbit: 1000 });
  const taken: number[] = [];
  let next = 0;
  for (let round = 1; round < 60; round++) {
    for (let count = 0; count < round * 7; count++) wire.offer(next++, 100, round);
    for (let count = 0; count < round * 5; count++) taken.push(wire.take(1e6));
  }
  taken.push(...takeAll(wire, 1e6));
  assert.equal(
    taken,
    Array.from({ length: next }, (_, frame) => frame),
  );
  assert.is(wire.heldFrames, 0);
});

test.run();
