// How far background work stands back: by what the processors have left, while the guest is at work, and never all the way.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { PACE_LOOK_MS, PaceTurns, PullPace, SHARE_MIN } from '../../../blockd/transfer/pull-pace.ts';

/** A guest, a clock and processors that the test turns. */
function stand() {
  const counters = { reads: 0, writes: 0, flushes: 0 };
  const guest = { counters, isWaiting: false };
  const now = { ms: 0, idle: 1 };
  const pace = new PullPace(guest, { nowMs: () => now.ms }, { idleShare: () => now.idle });
  /** The shares of so many looks, the guest at work or not. */
  const looks = (count: number, isAtWork: boolean): number[] =>
    Array.from({ length: count }, () => {
      now.ms += PACE_LOOK_MS;
      if (isAtWork) counters.reads++;
      return pace.share;
    });
  return { counters, guest, now, pace, looks };
}

test('it takes the whole rate while processors are idle, whatever the guest does', () => {
  const { looks, now } = stand();
  assert.equal(looks(3, true), [1, 1, 1]);
  now.idle = 0.5;
  assert.equal(looks(3, true), [1, 1, 1]);
});

test('it stands back while the guest is at work and processors are short, to an eighth and no further', () => {
  const { looks, now } = stand();
  now.idle = 0.05;
  assert.equal(looks(5, true), [1 / 2, 1 / 4, 1 / 8, 1 / 8, 1 / 8]);
  assert.is(SHARE_MIN, 1 / 8);
});

test('a guest that rests is not waited for; one that waits for a block is at work', () => {
  const { looks, now, guest } = stand();
  now.idle = 0;
  looks(3, true);
  assert.equal(looks(2, false), [1, 1]);
  guest.isWaiting = true;
  assert.equal(looks(2, false), [1 / 2, 1 / 4]);
});

test('writes and flushes are work too', () => {
  const { looks, now, counters } = stand();
  now.idle = 0;
  counters.writes++;
  assert.equal(looks(1, false), [1 / 2]);
  counters.flushes++;
  assert.equal(looks(1, false), [1 / 4]);
});

test('it comes back step by step, and stays where little is left', () => {
  const { looks, now } = stand();
  now.idle = 0;
  looks(3, true);
  now.idle = 0.25;
  assert.equal(looks(2, true), [1 / 8, 1 / 8]);
  now.idle = 0.6;
  assert.equal(looks(3, true), [2 / 8, 3 / 8, 4 / 8]);
});

test('between two looks it stays as it is', () => {
  const { looks, now, pace, counters } = stand();
  now.idle = 0;
  looks(1, true);
  now.ms += PACE_LOOK_MS - 1;
  counters.reads++;
  assert.is(pace.share, 1 / 2);
});

test('without a word of processors it never stands back', () => {
  const guest = { counters: { reads: 1, writes: 0, flushes: 0 }, isWaiting: true };
  assert.is(new PullPace(guest, { nowMs: () => 1_000 }).share, 1);
});

test('of many turns as many are taken as the share says', () => {
  const taken = (share: number): number => {
    const turns = new PaceTurns();
    return Array.from({ length: 80 }, () => turns.take(share)).filter(Boolean).length;
  };
  assert.equal([taken(1), taken(1 / 2), taken(1 / 8), taken(0)], [80, 40, 10, 0]);
});

test.run();
