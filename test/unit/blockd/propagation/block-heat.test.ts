// Frequencies per block: what they count, how they fade, what they take.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BlockHeat, EVENT_UNITS, HALF_LIFE_MS } from '../../../../blockd/propagation/block-heat.ts';
import { PushQueue } from '../../../../blockd/propagation/push-queue.ts';
import { SlotBits } from '../../../../blockd/propagation/slot-bits.ts';
import { ENTRY_BYTES } from '../../../../blockd/table/entry-slab.ts';
import { Prng } from '../../../sim/prng.ts';

const always = (): boolean => true;
const reads = (heat: BlockHeat, block: number): number => heat.readsOf(heat.index.slotOf(block)) / heat.unit;
const writes = (heat: BlockHeat, block: number): number => heat.writesOf(heat.index.slotOf(block)) / heat.unit;

test('reads and writes are counted apart, per block', () => {
  const heat = new BlockHeat(100, always);
  for (let time = 0; time < 3; time++) heat.addRead(17);
  heat.addWrite(17);
  heat.addRead(18);
  assert.equal([reads(heat, 17), writes(heat, 17), reads(heat, 18), writes(heat, 18)], [3, 1, 1, 0]);
});

test('an event counts half after ten minutes, also when nobody looked meanwhile', () => {
  const heat = new BlockHeat(100, always);
  for (let time = 0; time < 8; time++) heat.addRead(3);
  heat.setTime(HALF_LIFE_MS);
  assert.is(reads(heat, 3), 4);
  heat.setTime(3 * HALF_LIFE_MS);
  assert.is(reads(heat, 3), 1);
  heat.addWrite(4);
  assert.is(reads(heat, 3), 1, 'a write beside it changes nothing');
  heat.setTime(40 * HALF_LIFE_MS);
  assert.is(reads(heat, 3), 0);
});

test('counts follow exact exponential decay, whatever happens when (property)', () => {
  for (let seed = 1; seed <= 40; seed++) {
    const prng = new Prng(seed);
    const heat = new BlockHeat(8, always);
    const events: number[] = [];
    let atMs = 0;
    for (let event = 0; event < 200; event++) {
      atMs += prng.between(0, 60_000);
      heat.setTime(atMs);
      heat.addRead(5);
      events.push(atMs);
    }
    const exact = events.reduce((sum, one) => sum + 2 ** ((one - atMs) / HALF_LIFE_MS), 0);
    // A step of time is an eighth of a half-life (9 %), and each halving loses at most one unit.
    assert.ok(Math.abs(reads(heat, 5) - exact) < exact * 0.1 + 1, `seed ${seed}: ${reads(heat, 5)} for ${exact}`);
  }
});

test('a full counter keeps the ratio of reads to writes', () => {
  const heat = new BlockHeat(8, always);
  for (let event = 0; event < 100_000; event++) {
    heat.addRead(1);
    if (event % 10 === 0) heat.addWrite(1);
  }
  assert.ok(reads(heat, 1) >= 2_000 && reads(heat, 1) < 2 ** 16 / EVENT_UNITS);
  const ratio = reads(heat, 1) / writes(heat, 1);
  assert.ok(Math.abs(ratio - 10) < 0.5, `${ratio}`);
});

test('reads of what was never written take nothing; a look takes nothing', () => {
  const heat = new BlockHeat(2 ** 20, (block) => block >= 4096);
  for (let block = 0; block < 4096; block++) assert.is(heat.addRead(block), -1);
  assert.is(heat.index.groups, 0);
  assert.ok(heat.addRead(5000) >= 0);
  assert.is(heat.index.slotOf(6000), -1);
  assert.is(heat.index.groups, 1);
});

test('groups are found again in the order of their blocks', () => {
  const prng = new Prng(4);
  const heat = new BlockHeat(300_000, always);
  const groups = new Set<number>();
  for (let write = 0; write < 2_000; write++) {
    const block = prng.integer(300_000);
    heat.addWrite(block);
    groups.add(block >>> 3);
  }
  const found: number[] = [];
  for (let at = heat.index.nextGroup(0); at < 300_000; at = heat.index.nextGroup(at + 8)) found.push(at >>> 3);
  assert.equal(
    found,
    [...groups].sort((one, other) => one - other),
  );
});

test('a fully written image takes at most 24 bytes a block: table, heat, and queues of four destinations', () => {
  const blocks = 2 ** 17;
  const heat = new BlockHeat(blocks, always);
  const fresh = new SlotBits();
  const queues = [1, 2, 3, 4].map(() => new PushQueue({ heat, hasData: always, isHeld: () => false }));
  for (let block = 0; block < blocks; block++) {
    const slot = heat.addWrite(block);
    fresh.set(slot);
    for (const queue of queues) queue.written(block, slot);
  }
  const rule = { k: 1_000, s: 0 };
  for (const queue of queues) {
    while (queue.missingBlocks > 0) {
      while (!queue.scan(rule, always, 2 ** 13));
      while (queue.take(rule, always, 64) !== undefined);
    }
    assert.is(queue.missingBlocks, 0);
  }
  const bytes = heat.bytes + fresh.bytes + queues.reduce((sum, queue) => sum + queue.bytes, 0);
  assert.ok(ENTRY_BYTES + bytes / blocks <= 24, `${ENTRY_BYTES} + ${bytes / blocks}`);
});

test.run();
