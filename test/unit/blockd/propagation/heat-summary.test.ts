// What a destination hears of the source's heat, and the order in which it fetches.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BlockHeat } from '../../../../blockd/propagation/block-heat.ts';
import {
  decodeHeat,
  encodeHeat,
  HeatSurvey,
  heatLevelOf,
  REGION_BLOCKS,
} from '../../../../blockd/propagation/heat-summary.ts';
import { PullOrder } from '../../../../blockd/propagation/pull-order.ts';
import { Prng } from '../../../sim/prng.ts';

/** What the lowest level begins with. */
const LEAST_HEAT = 1 / 16;

function summaryOf(heat: BlockHeat): Uint8Array {
  const survey = new HeatSurvey(heat);
  while (!survey.step(7));
  return survey.summary();
}

test('levels rise with reads and stay within their bounds', () => {
  let before = 0;
  for (let reads = 1 / 32; reads < 1e5; reads *= 1.1) {
    const level = heatLevelOf(reads);
    assert.ok(level >= before && level < 32);
    before = level;
  }
  assert.is(heatLevelOf(0), 0);
  assert.is(before, 31);
});

test('regions come hottest first, by all their reads; cold ones are left out (property)', () => {
  for (let seed = 1; seed <= 30; seed++) {
    const prng = new Prng(seed);
    const blocks = 1 + prng.integer(50_000);
    const heat = new BlockHeat(blocks, () => true);
    const reads = new Map<number, number>();
    for (let event = 0; event < 3_000; event++) {
      const block = Math.floor(blocks * prng.next() ** 3);
      heat.addRead(block);
      reads.set(block, (reads.get(block) ?? 0) + 1);
    }
    const written = Array.from({ length: 100 }, () => prng.integer(blocks));
    for (const block of written) heat.addWrite(block);
    const sums = new Map<number, number>();
    for (const [block, count] of reads) {
      const region = Math.floor(block / REGION_BLOCKS);
      sums.set(region, (sums.get(region) ?? 0) + count);
    }
    // What was only written is behind all that was read more than that, and before what nobody touched.
    for (const block of written) {
      const region = Math.floor(block / REGION_BLOCKS);
      sums.set(region, Math.max(sums.get(region) ?? 0, LEAST_HEAT));
    }
    const levels = Array.from(sums, ([region, sum]) => [region, heatLevelOf(sum)] as const);
    const wanted = levels.sort(([one, level], [other, otherLevel]) => otherLevel - level || one - other);
    assert.equal(
      [...(decodeHeat(blocks, summaryOf(heat)) ?? [])],
      wanted.map(([region]) => region),
      `seed ${seed}`,
    );
  }
});

test('a summary of a large hot image stays small', () => {
  const regions = Array.from({ length: 200_000 }, (_, index) => index * 2);
  const bytes = encodeHeat([[], ...Array.from({ length: 31 }, (_, level) => (level === 4 ? regions : []))]);
  assert.ok(bytes.length < 200_000, `${bytes.length}`);
  assert.is(decodeHeat(200_000 * 2 * REGION_BLOCKS, bytes)?.length, 2 ** 16);
});

test('rubbish, other images and cut summaries are refused, never thrown at (fuzz)', () => {
  const prng = new Prng(8);
  const heat = new BlockHeat(20_000, () => true);
  for (let event = 0; event < 500; event++) heat.addRead(prng.integer(20_000));
  const bytes = summaryOf(heat);
  assert.ok(decodeHeat(20_000, bytes));
  for (let length = 0; length < bytes.length; length++)
    assert.is(decodeHeat(20_000, bytes.subarray(0, length)), undefined);
  assert.is(decodeHeat(10_000, bytes), undefined, 'of a larger image');
  for (let trial = 0; trial < 5_000; trial++) {
    const changed = Uint8Array.from(bytes);
    for (let change = 0; change <= prng.integer(4); change++) changed[prng.integer(changed.length)] = prng.integer(256);
    const regions = decodeHeat(20_000, changed);
    assert.ok(regions === undefined || regions.every((region) => region * REGION_BLOCKS < 20_000));
  }
});

test('every missing block is fetched exactly once, the hot regions first (property)', () => {
  for (let seed = 1; seed <= 50; seed++) {
    const prng = new Prng(seed);
    const blocks = 1 + prng.integer(5_000);
    const missing = new Set(Array.from({ length: 400 }, () => prng.integer(blocks)));
    const all = new Set(missing);
    const regions = [...new Set(Array.from({ length: 10 }, () => Math.floor(prng.integer(blocks) / REGION_BLOCKS)))];
    const order = new PullOrder(blocks, Uint32Array.from(regions));
    const next = (from: number, end: number): number | undefined => {
      let first = from;
      while (first < end && !missing.has(first)) first++;
      return first < end ? first : undefined;
    };
    const fetched: number[] = [];
    for (let range = order.next(next, 16); range !== undefined; range = order.next(next, 16)) {
      assert.ok(range.end - range.first <= 16 && missing.has(range.first));
      for (let block = range.first; block < range.end; block++) if (missing.delete(block)) fetched.push(block);
    }
    assert.is(fetched.length, all.size);
    const rank = (block: number): number => {
      const at = regions.indexOf(Math.floor(block / REGION_BLOCKS));
      return at < 0 ? regions.length : at;
    };
    assert.ok(
      fetched.every((block, index) => index === 0 || rank(fetched[index - 1] ?? 0) <= rank(block)),
      `seed ${seed}`,
    );
    for (const block of all) missing.add(block);
    order.restart();
    assert.is(rank(order.next(next, 1)?.first ?? 0), Math.min(...[...all].map(rank)));
  }
});

test.run();
