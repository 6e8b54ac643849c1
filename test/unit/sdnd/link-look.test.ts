// A closer look at a link: what comes through and how long it may be, each way for itself.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LONG_BYTES, TopologyWorld } from './topology-world.ts';

const LOOK_MS = 2_000;
const isFar = (): boolean => false;

/** Both look; what each hears. */
function looked(world: TopologyWorld) {
  const [alpha, beta] = [world.look('alpha', 'beta', LOOK_MS), world.look('beta', 'alpha', LOOK_MS)];
  world.run(LOOK_MS);
  return { byAlpha: alpha?.figures, byBeta: beta?.figures };
}

test('both ends hear the longest frame, also of a peer that is probed seldom', () => {
  const { byAlpha, byBeta } = looked(new TopologyWorld(['alpha', 'beta'], isFar));
  for (const figures of [byAlpha, byBeta]) {
    assert.is(figures?.longestBytes, LONG_BYTES);
    assert.ok((figures?.heard ?? 0) >= 18, String(figures?.heard));
  }
});

test('a way that is cut is silent for its receiver alone', () => {
  const world = new TopologyWorld(['alpha', 'beta'], isFar);
  world.way('alpha', 'beta').isCut = true;
  const { byAlpha, byBeta } = looked(world);
  assert.equal(byBeta, { heard: 0, longestBytes: 0 });
  assert.is(byAlpha?.longestBytes, LONG_BYTES);
});

test('where long frames do not come, the longest that does is known, and not what came a minute ago', () => {
  const world = new TopologyWorld(['alpha', 'beta']);
  world.run(5_000);
  assert.is(world.figures('alpha', 'beta')?.provedBytes, LONG_BYTES);
  world.way('alpha', 'beta').bytesMax = 1_220;
  const { byAlpha, byBeta } = looked(world);
  assert.is(byBeta?.longestBytes, 1_214);
  assert.is(byAlpha?.longestBytes, LONG_BYTES);
});

test('it ends, and a second look while one is under way makes it last', () => {
  const world = new TopologyWorld(['alpha', 'beta'], isFar);
  world.look('alpha', 'beta', LOOK_MS);
  world.run(LOOK_MS / 2);
  world.look('alpha', 'beta', LOOK_MS);
  world.run(LOOK_MS);
  const { sent } = world;
  world.run(LOOK_MS);
  assert.ok(world.sent - sent <= 1, 'nothing more is sent');
  assert.ok(sent >= 29, String(sent));
});

test('a node without a tunnel to the other has nothing to look at', () => {
  assert.is(new TopologyWorld(['alpha', 'beta']).look('alpha', 'gamma', LOOK_MS), undefined);
});

test.run();
