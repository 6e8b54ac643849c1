// Stores that follow, as their writer offers them blocks: each offer is settled once, whatever becomes of its store.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Followers } from '../../../blockd/peer/followers.ts';
import type { PeerFrame } from '../../../blockd/peer/peer-frame.ts';
import { ManualClock } from './manual-clock.ts';

const LAYER = 'l00000000000000aa';
const RUN = { first: 7, count: 2, high: 256, low: 4 };

function joined() {
  const clock = new ManualClock();
  const followers = new Followers(clock);
  const sent: PeerFrame[] = [];
  const settled: boolean[] = [];
  const follower = followers.join(LAYER, 'b', (frame) => sent.push(frame));
  const offer = (): void => follower.offer(LAYER, [RUN], (isHeld) => settled.push(isHeld));
  return { clock, followers, follower, sent, settled, offer };
}

test('it is offered blocks once it says that it takes them and has been told the table', () => {
  const { followers, follower, sent, settled, offer } = joined();
  follower.takes(false);
  offer();
  assert.equal([sent, settled], [[], [false]]);
  follower.begun();
  offer();
  assert.equal(sent, [{ type: 'offer', id: 0, layer: LAYER, runs: [RUN] }]);
  assert.is(followers.find(LAYER, 'b'), follower);
  assert.is(followers.find(LAYER, 'c'), undefined);
});

test('an answer settles its offer, once; one to nothing that was offered is none', () => {
  const { follower, settled, offer } = joined();
  follower.takes(false);
  follower.begun();
  offer();
  offer();
  assert.ok(follower.settled(1, true));
  assert.ok(follower.settled(1, false), 'late or again');
  assert.equal(settled, [true]);
  assert.ok(follower.settled(0, false));
  assert.equal(settled, [true, false]);
  assert.not(follower.settled(2, true));
});

test('a store that says nothing, or goes, has not got what it was offered', async () => {
  const { clock, followers, follower, settled, offer } = joined();
  follower.takes(true);
  follower.begun();
  offer();
  await clock.advance(60_000);
  assert.equal(settled, [false]);
  offer();
  followers.leave(follower);
  offer();
  assert.equal(settled, [false, false, false]);
  assert.is(followers.find(LAYER, 'b'), undefined);
  await clock.advance(60_000);
  assert.is(settled.length, 3);
});

test('of two streams of one store the newer counts, also when the older ends last', () => {
  const { followers, follower, settled, offer } = joined();
  follower.takes(false);
  follower.begun();
  offer();
  const newer = followers.join(LAYER, 'b', () => undefined);
  assert.equal(settled, [false]);
  followers.leave(follower);
  assert.is(followers.find(LAYER, 'b'), newer);
});

test('whoever watches hears when a store may take something, is about to write, and goes', () => {
  const { followers, follower } = joined();
  let calls = 0;
  const unwatch = followers.watch(() => calls++);
  follower.begun();
  follower.takes(false);
  assert.is(followers.comingTo(LAYER), undefined);
  follower.takes(true);
  assert.is(followers.comingTo(LAYER), 'b');
  followers.leave(follower);
  assert.is(followers.comingTo(LAYER), undefined);
  assert.is(calls, 4);
  unwatch();
  followers.join(LAYER, 'b', () => undefined).begun();
  assert.is(calls, 4);
});

test.run();
