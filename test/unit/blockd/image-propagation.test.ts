// The propagation of an image at its writer: what the requests tell, and what follows from settings and members.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeHeat, encodeHeat } from '../../../blockd/propagation/heat-summary.ts';
import { NEW_TUNER } from '../../../blockd/propagation/s-tuner.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { MEMBERS, PROACTIVE, stand, use } from './image-propagation-stand.ts';
import { settle } from './manual-clock.ts';
import { BLOCKS } from './small-image.ts';

/** By then there was a sweep. */
const SWEPT_MS = 80_000;

test('what is written and read goes to the likely place after the next sweep, and no zeros do', async () => {
  const one = await stand();
  one.propagation.begin();
  await use(one, 0, 6);
  await one.image.zero(0, 2 * BLOCK_BYTES, false);
  await one.clock.advance(SWEPT_MS);
  assert.is(one.way.blocks, 4);
  assert.ok(one.way.pushed.every(({ order }) => order.place === 'b' && order.first >= 2));
});

test('where the image was read and written is told by cells, while it is written here and others are there', async () => {
  const one = await stand();
  assert.is(await one.propagation.heat(4), null, 'it is not written yet');
  one.propagation.begin();
  await use(one, 4, 4);
  const cold = [0, 0];
  assert.equal(await one.propagation.heat(4), {
    cellBlocks: BLOCKS / 4,
    reads: [0, 12, ...cold],
    writes: [0, 4, ...cold],
  });
  one.propagation.end();
  assert.is(await one.propagation.heat(4), null);
  const alone = await stand();
  alone.members = MEMBERS.slice(0, 1);
  alone.propagation.begin();
  assert.is(await alone.propagation.heat(4), null);
});

test('on demand nothing goes, until the policy is changed while the image is written', async () => {
  const one = await stand({ ...PROACTIVE, policy: { mode: 'on-demand' } });
  one.propagation.begin();
  await use(one, 0, 4);
  await one.clock.advance(SWEPT_MS);
  assert.is(one.way.blocks, 0);
  one.settings = PROACTIVE;
  await one.clock.advance(SWEPT_MS);
  assert.is(one.way.blocks, 4);
});

test('while the image still comes here nothing goes elsewhere, unless a move is announced', async () => {
  const one = await stand();
  one.pull.isUnderWay = true;
  one.propagation.begin();
  await use(one, 0, 4);
  await one.clock.advance(SWEPT_MS);
  assert.is(one.way.blocks, 0);
  one.way.coming = 'b';
  await one.clock.advance(SWEPT_MS);
  assert.is(one.way.blocks, 4);
});

test('what is pushed ahead stands back with the pace; an announced move does not wait', async () => {
  const one = await stand();
  one.pace.share = 0;
  one.propagation.begin();
  await use(one, 0, 4);
  await one.clock.advance(SWEPT_MS);
  assert.is(one.way.blocks, 0);
  one.pace.share = 1 / 8;
  await one.clock.advance(SWEPT_MS);
  assert.is(one.way.blocks, 4);
  one.pace.share = 0;
  one.way.coming = 'b';
  await use(one, 4, 4);
  await one.clock.advance(1_000);
  assert.is(one.way.blocks, 8);
});

test('a memory waits for what was only written, until it is there', async () => {
  const one = await stand();
  one.propagation.begin();
  await one.image.write(0, new Uint8Array(8 * BLOCK_BYTES), false);
  await one.image.flush();
  one.way.coming = 'b';
  await one.clock.advance(1_000);
  assert.is(one.way.blocks, 0);
  let missing: number | null | undefined;
  void one.propagation.lead('b', 60_000).then((blocks) => {
    missing = blocks;
  });
  await one.clock.advance(900);
  assert.is(one.way.blocks, 8);
  assert.is(missing, undefined, 'the guest may be about to write more');
  await one.clock.advance(1_000);
  assert.is(missing, 0);
});

test('an order to lead that comes late, where the image is not written any more, begins nothing', async () => {
  const one = await stand();
  one.way.coming = 'b';
  assert.is(await one.propagation.lead('b', 60_000), null);
  one.propagation.begin('c');
  assert.is.not(one.image.notes, undefined, 'what came of the arrival is counted');
  await use(one, 0, 4);
  await one.clock.advance(1_000);
  assert.is(one.way.blocks, 4);
});

type Stand = Awaited<ReturnType<typeof stand>>;
const ENDS: readonly (readonly [string, (one: Stand) => void])[] = [
  [
    'the move is off',
    ({ way }) => {
      way.coming = undefined;
    },
  ],
  ['the image is not written here any more', ({ propagation }) => propagation.end()],
];

for (const [what, happen] of ENDS) {
  test(`nothing is waited for once ${what}`, async () => {
    const one = await stand();
    one.propagation.begin();
    one.way.coming = 'b';
    let isOver = false;
    void one.propagation.lead('b', 60_000).then(() => {
      isOver = true;
    });
    await one.clock.advance(200);
    assert.not(isOver);
    happen(one);
    await one.clock.advance(200);
    assert.ok(isOver);
  });
}

test('the next place is told again where the image is used, as long as it is coming', async () => {
  const one = await stand({ ...PROACTIVE, policy: { mode: 'on-demand' } });
  one.propagation.begin();
  const summaries = (): number => one.way.told.filter(([, { type }]) => type === 'heat').length;
  one.way.coming = 'b';
  await one.clock.advance(1_000);
  assert.is(summaries(), 1);
  await use(one, 0, 1);
  await one.clock.advance(4_000);
  const last = one.way.told.at(-1)?.[1];
  assert.equal(last?.type === 'heat' ? [...(decodeHeat(BLOCKS, last.summary) ?? [])] : undefined, [0]);
  one.way.coming = undefined;
  await one.clock.advance(1_000);
  const told = summaries();
  await one.clock.advance(20_000);
  assert.is(summaries(), told);
});

test('a store that stands alone notes nothing; one that gets members does', async () => {
  const one = await stand();
  one.members = [];
  one.propagation.begin();
  assert.is(one.image.notes, undefined);
  assert.is(one.propagation.status(), null);
  one.members = MEMBERS;
  await one.clock.advance(1_000);
  assert.is.not(one.image.notes, undefined);
  assert.equal(
    one.propagation.status()?.destinations.map(({ node }) => node),
    ['b'],
  );
});

test('to a place that takes nothing nothing is pushed and nothing is spent', async () => {
  const prices = [{ from: 'a-cloud', to: 'b-cloud', perGb: 1 }];
  const one = await stand({ ...PROACTIVE, prices, money: { budget: 1, windowSeconds: 3_600 } });
  one.way.open.clear();
  one.propagation.begin();
  await use(one, 0, 4);
  await one.clock.advance(SWEPT_MS);
  assert.is(one.way.blocks, 0);
  assert.is(one.propagation.status()?.spent, 0);
  assert.is(one.propagation.status()?.destinations[0]?.follows, false);
  one.way.open.add('b');
  await one.clock.advance(SWEPT_MS);
  assert.is(one.way.blocks, 4);
  assert.is(one.propagation.status()?.spent, (4 * BLOCK_BYTES) / 1e9);
});

test('what was not taken goes again, what was is counted', async () => {
  const one = await stand();
  one.propagation.begin();
  await use(one, 0, 4);
  await one.clock.advance(SWEPT_MS);
  for (const { settled } of one.way.pushed.splice(0)) settled(false);
  assert.is(one.propagation.counters.failedBlocks, 4);
  await one.clock.advance(SWEPT_MS);
  assert.is(one.way.blocks, 4);
  for (const { settled } of one.way.pushed.splice(0)) settled(true);
  await one.clock.advance(SWEPT_MS);
  assert.is(one.way.blocks, 0);
  const { offeredBlocks, pushedBlocks } = one.propagation.counters;
  assert.equal([offeredBlocks, pushedBlocks], [8, 4]);
});

test('what came here from a place does not go back there until it is written', async () => {
  const one = await stand(PROACTIVE, [8, 9]);
  one.propagation.begin();
  const reading = one.image.readLater(8 * BLOCK_BYTES, 2 * BLOCK_BYTES);
  await settle();
  one.source.give(9);
  await reading;
  await one.image.write(9 * BLOCK_BYTES, Buffer.alloc(BLOCK_BYTES, 2), false);
  for (let time = 0; time < 4; time++) assert.ok(one.image.tryRead(8 * BLOCK_BYTES, Buffer.alloc(2 * BLOCK_BYTES)));
  await one.clock.advance(SWEPT_MS);
  assert.equal(
    one.way.pushed.map(({ order }) => [order.first, order.count]),
    [[9, 1]],
  );
});

test('a place that the image goes to hears at once what was learnt, then where it is read', async () => {
  const one = await stand();
  one.propagation.begin();
  await use(one, 0, 4);
  one.way.coming = 'c';
  one.way.watcher();
  await one.clock.advance(1_000);
  assert.equal(
    one.way.told.map(([node, { type }]) => [node, type]),
    [
      ['c', 'memory'],
      ['c', 'heat'],
    ],
  );
  const [memory, heat] = one.way.told.map(([, frame]) => frame);
  assert.equal(memory?.type === 'memory' && memory.memory.moves, [{ from: 'a', to: 'c', count: 1 }]);
  assert.equal(heat?.type === 'heat' && [...(decodeHeat(BLOCKS, heat.summary) ?? [])], [0]);
  assert.ok(one.way.pushed.length > 0 && one.way.pushed.every(({ order }) => order.place === 'c'));
  one.way.coming = undefined;
  one.way.watcher();
  assert.equal(
    one.propagation.status()?.destinations.map(({ node }) => node),
    ['b'],
  );
  one.propagation.end();
  assert.equal(one.remembered.at(-1)?.moves, [], 'it did not go');
});

test('of what was pushed here before the image came, what is read within ten minutes was useful', async () => {
  const one = await stand(PROACTIVE, [8, 9, 10, 11]);
  one.arrival.pushed(0, 4);
  const tuner = { ...NEW_TUNER, predicted: 1_000 };
  one.arrival.heardMemory({ tuner, moves: [{ from: 'c', to: 'a', count: 1 }] });
  assert.ok(one.arrival.heardHeat(encodeHeat([[], [0]])));
  one.propagation.begin('c');
  assert.equal(
    one.preferred.map((regions) => [...regions]),
    [[0]],
  );
  await use(one, 0, 1);
  assert.ok(one.image.tryRead(BLOCK_BYTES, Buffer.alloc(2 * BLOCK_BYTES)));
  const reading = one.image.readLater(8 * BLOCK_BYTES, 2 * BLOCK_BYTES);
  await settle();
  one.source.give(9);
  await reading;
  await one.clock.advance(61_000);
  const { usefulBlocks, wastedBlocks, missedBlocks } = one.propagation.counters;
  assert.equal([usefulBlocks, wastedBlocks, missedBlocks], [2, 1, 2]);
  await one.clock.advance(540_000);
  assert.equal([one.propagation.counters.usefulBlocks, one.propagation.counters.wastedBlocks], [2, 2]);
  one.propagation.end();
  const kept = one.remembered.at(-1);
  assert.equal(kept?.moves, [{ from: 'c', to: 'a', count: 1 }]);
  assert.ok((kept?.tuner.correction ?? 1) < 1, 'far fewer were missed than was expected');
});

test("when it ends nobody hears of requests, and what comes back late is nobody's", async () => {
  const one = await stand();
  one.propagation.begin();
  await use(one, 0, BLOCKS);
  await one.clock.advance(SWEPT_MS);
  one.propagation.end();
  assert.is(one.image.notes, undefined);
  const pushed = one.way.pushed.splice(0);
  for (const { settled } of pushed) settled(false);
  await one.clock.advance(SWEPT_MS);
  assert.is(one.way.blocks, 0);
  one.propagation.begin();
  for (const { settled } of pushed) settled(true);
  await use(one, 0, 1);
  await one.clock.advance(SWEPT_MS);
  assert.ok(one.way.blocks >= 1);
});

test.run();
