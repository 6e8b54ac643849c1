// What is offered of an image, and under which versions.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Followers } from '../../../blockd/peer/followers.ts';
import type { PeerFrame } from '../../../blockd/peer/peer-frame.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { FollowerWay } from '../../../blockd/transfer/push-way.ts';
import { LAYER, smallImage } from './small-image.ts';

async function stand(atB: readonly number[] = []) {
  const small = await smallImage(atB);
  const followers = new Followers(small.clock);
  const sent: PeerFrame[] = [];
  const follower = followers.join(LAYER, 'b', (frame) => sent.push(frame));
  follower.takes(false);
  follower.begun();
  const settled: [first: number, count: number, isHeld: boolean][] = [];
  const way = new FollowerWay(small.image, followers);
  const push = (first: number, count: number): void =>
    way.push({ place: 'b', first, count }, (part, isHeld) => settled.push([part.first, part.count, isHeld]));
  const write = (block: number, count = 1): Promise<void> | undefined =>
    small.image.write(block * BLOCK_BYTES, Buffer.alloc(count * BLOCK_BYTES, 1), false);
  return { ...small, followers, follower, sent, settled, way, push, write };
}

test('nothing is offered before it is durable here (A1, A2)', async () => {
  const { push, write, sent, settled, image } = await stand();
  await write(0, 2);
  push(0, 2);
  assert.equal(sent, []);
  assert.equal(
    settled.map(([first, , isHeld]) => [first, isHeld]),
    [
      [0, false],
      [1, false],
    ],
  );
  await image.flush();
  push(0, 2);
  assert.is(sent.length, 1);
});

test('blocks that share a version are offered as one, others apart; each is settled once', async () => {
  const { push, write, sent, settled, follower, image, store } = await stand([9]);
  await write(0, 3);
  await write(3);
  await image.flush();
  push(0, 10);
  const runs = sent.flatMap((frame) => (frame.type === 'offer' ? frame.runs : []));
  assert.equal(
    runs.map(({ first, count }) => [first, count]),
    [
      [0, 3],
      [3, 1],
    ],
  );
  for (const { first, high, low } of runs) assert.ok(store.table.equals(first, high, low));
  // Never written, and at another node: there is nothing here to offer.
  assert.equal(
    settled.map(([first]) => first),
    [4, 5, 6, 7, 8, 9],
  );
  follower.settled(0, true);
  follower.settled(1, false);
  assert.equal(settled.slice(-2), [
    [0, 3, true],
    [3, 1, false],
  ]);
});

test('a store that does not follow can take nothing', async () => {
  const { way, push, write, image, followers, follower, settled } = await stand();
  await write(0);
  await image.flush();
  assert.ok(way.mayTake('b'));
  assert.not(way.mayTake('c'));
  followers.leave(follower);
  assert.not(way.mayTake('b'));
  push(0, 1);
  assert.equal(settled, [[0, 1, false]]);
});

test.run();
