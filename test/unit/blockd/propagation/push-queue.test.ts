// The order in which blocks are pushed, against the paper's formula worked out block by block.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BlockHeat } from '../../../../blockd/propagation/block-heat.ts';
import { CandidatePool } from '../../../../blockd/propagation/candidate-pool.ts';
import {
  basePriorityOf,
  LEVELS,
  levelOf,
  NOT_PUSHED,
  type PushRule,
  priorityOf,
} from '../../../../blockd/propagation/push-priority.ts';
import { PushQueue, type PushRun } from '../../../../blockd/propagation/push-queue.ts';
import { Prng } from '../../../sim/prng.ts';

const always = (): boolean => true;
const RULE: PushRule = { k: 1_000, s: 1 };

function blocksOf({ first, count }: PushRun): number[] {
  return Array.from({ length: count }, (_, index) => first + index);
}

/** Scans once round and takes everything. */
function drain(queue: PushQueue, rule: PushRule, isReady: (slot: number) => boolean = always, runMax = 64): number[] {
  while (!queue.scan(rule, isReady, 100));
  const taken: number[] = [];
  for (let run = queue.take(rule, isReady, runMax); run !== undefined; run = queue.take(rule, isReady, runMax))
    taken.push(...blocksOf(run));
  return taken;
}

class Image {
  readonly heat: BlockHeat;
  readonly queue: PushQueue;

  constructor(blocks: number, isHeld: (block: number) => boolean = () => false, isBase = false) {
    this.heat = new BlockHeat(blocks, always);
    this.queue = new PushQueue({ heat: this.heat, hasData: always, isHeld, isBase });
  }

  read(block: number, times = 1): void {
    for (let time = 0; time < times; time++) this.heat.addRead(block);
  }

  write(block: number, times = 1): void {
    for (let time = 0; time < times; time++) this.queue.written(block, this.heat.addWrite(block));
  }
}

test('the formula: K F + reads from S on, else not at all (TOCS 2017, 3.2.3)', () => {
  assert.is(priorityOf(20, 4, { k: 1_000, s: 1 }), 5_020);
  assert.is(priorityOf(3, 4, { k: 1_000, s: 1 }), NOT_PUSHED);
  assert.is(priorityOf(3, 4, { k: 1_000, s: 0.75 }), 753);
  assert.is(priorityOf(20, 4, { k: 10, s: 5 }), 70);
  assert.ok(priorityOf(40, 20, RULE) > priorityOf(20, 10, RULE), 'of equal ratios the more read one is first');
});

test('a block written long ago counts as written once, and is not ranked without end (SOUNDNESS A18)', () => {
  assert.is(priorityOf(2, 0, RULE), 2_002);
  assert.is(priorityOf(0.5, 0, RULE), NOT_PUSHED);
  assert.is(priorityOf(2, 0.001, RULE), 2_002);
  assert.is(basePriorityOf(7), 7, 'blocks that nobody writes are ranked by their reads');
  assert.is(basePriorityOf(0), NOT_PUSHED);
});

test('levels keep the order of priorities', () => {
  const prng = new Prng(1);
  for (let pair = 0; pair < 2_000; pair++) {
    const [one, other] = [prng.between(-1, 6e6), prng.between(-1, 6e6)].sort((a, b) => a - b) as [number, number];
    assert.ok(levelOf(one) <= levelOf(other));
    assert.ok(levelOf(other) < LEVELS);
  }
});

test('the most read and least written go first, what S refuses never, neighbours in one run', () => {
  const image = new Image(1_000);
  image.write(10);
  image.read(10, 2);
  image.write(200);
  image.read(200, 50);
  image.write(201);
  image.read(201, 50);
  image.write(300, 5);
  image.read(300, 4);
  while (!image.queue.scan(RULE, always, 10));
  assert.equal(image.queue.take(RULE, always, 64), { first: 200, count: 2 });
  assert.equal(image.queue.take(RULE, always, 64), { first: 10, count: 1 });
  assert.is(image.queue.take(RULE, always, 64), undefined);
});

test('everything missing that S allows is taken exactly once, never a lower level before a higher (property)', () => {
  for (let seed = 1; seed <= 60; seed++) {
    const prng = new Prng(seed);
    const blocks = 1 + prng.integer(3_000);
    const held = new Set(Array.from({ length: 50 }, () => prng.integer(blocks)));
    const image = new Image(blocks, (block) => held.has(block));
    for (let event = 0; event < 2_000; event++) {
      const block = Math.floor(blocks * prng.next() ** 2);
      if (prng.chance(0.6)) image.read(block);
      else {
        image.write(block);
        held.delete(block);
      }
    }
    const rule = { k: prng.pick([0, 10, 1_000]), s: prng.pick([0, 0.5, 1, 3]) };
    const level = (block: number): number => {
      const slot = image.heat.index.slotOf(block);
      if (slot < 0 || held.has(block)) return -1;
      return levelOf(
        priorityOf(image.heat.readsOf(slot) / image.heat.unit, image.heat.writesOf(slot) / image.heat.unit, rule),
      );
    };
    const wanted = Array.from({ length: blocks }, (_, block) => block).filter((block) => level(block) >= 0);
    const taken = drain(image.queue, rule, always, 1);
    assert.equal(
      [...taken].sort((a, b) => a - b),
      wanted,
      `seed ${seed}`,
    );
    for (const [index, block] of taken.entries())
      assert.ok(index === 0 || level(taken[index - 1] ?? 0) >= level(block), `seed ${seed}: ${block}`);
  }
});

test('a block that was pushed and written again is missing again; its lost copy and its second push are counted', () => {
  const image = new Image(100);
  image.write(5);
  image.read(5, 9);
  assert.equal(drain(image.queue, RULE), [5]);
  assert.equal(drain(image.queue, RULE), []);
  image.write(5);
  image.write(5);
  assert.equal(drain(image.queue, RULE), [5]);
  assert.equal(image.queue.counts, { pushed: 2, resent: 1, overtaken: 1 });
});

test('a block that came there in another way was no push, and its new version overtakes none', () => {
  const image = new Image(8, () => true);
  image.write(3);
  image.read(3, 5);
  assert.equal(image.queue.counts, { pushed: 0, resent: 0, overtaken: 0 });
  assert.equal(drain(image.queue, RULE), [3]);
  assert.equal(image.queue.counts, { pushed: 1, resent: 0, overtaken: 0 });
});

test('a block that is written while its push is under way stays missing; a failed push makes it missing', () => {
  const image = new Image(100);
  image.write(5);
  image.read(5, 9);
  drain(image.queue, RULE);
  image.queue.failed({ first: 5, count: 1 });
  assert.equal(drain(image.queue, RULE), [5]);
  image.write(5);
  image.queue.failed({ first: 5, count: 1 });
  assert.is(image.queue.missingBlocks, 8, 'the seven beside it were never pushed');
  assert.equal(drain(image.queue, RULE), [5]);
});

test('zeros, and blocks that came there in another way, are not pushed', () => {
  const image = new Image(8);
  for (const block of [0, 1, 2]) {
    image.write(block);
    image.read(block, 5);
  }
  image.queue.written(1, image.heat.addWrite(1), true);
  image.queue.held(2, image.heat.index.slotOf(2));
  assert.equal(drain(image.queue, RULE), [0]);
});

test('what is not ready waits, also when it was found before', () => {
  const image = new Image(100);
  image.write(5);
  image.read(5, 9);
  assert.equal(
    drain(image.queue, RULE, () => false),
    [],
  );
  while (!image.queue.scan(RULE, always, 100));
  assert.is(
    image.queue.take(RULE, () => false, 64),
    undefined,
  );
  assert.equal(drain(image.queue, RULE), [5]);
});

test('a lower S lets more go, at once after reorder', () => {
  const image = new Image(100);
  image.write(7, 4);
  image.read(7, 2);
  assert.equal(drain(image.queue, RULE), []);
  image.queue.reorder();
  assert.equal(drain(image.queue, { k: 1_000, s: 0.5 }), [7]);
});

test('a base layer is ranked by reads alone, whatever S is', () => {
  const image = new Image(100, undefined, true);
  image.read(3);
  image.read(50, 40);
  assert.equal(drain(image.queue, { k: 1_000, s: 1_000 }), [50, 3]);
});

test('a full pool lets its worst go, keeps order, and serves again after it was emptied (property)', () => {
  for (let seed = 1; seed <= 100; seed++) {
    const prng = new Prng(seed);
    const capacity = 1 + prng.integer(20);
    const pool = new CandidatePool(capacity);
    let model: { block: number; level: number; at: number }[] = [];
    for (let step = 0; step < 300; step++) {
      if (prng.chance(0.7)) {
        const one = { block: prng.integer(1_000), level: prng.integer(LEVELS), at: step };
        pool.add(one.block, one.level);
        model.push(one);
        if (model.length > capacity) {
          const lowest = Math.min(...model.map(({ level }) => level));
          const dropped = lowest === one.level ? one : model.find(({ level }) => level === lowest);
          model = model.filter((kept) => kept !== dropped);
        }
      } else {
        const best = [...model].sort((a, b) => b.level - a.level || a.at - b.at)[0];
        assert.is(pool.level, best?.level ?? -1);
        assert.is(pool.take(), best?.block ?? -1, `seed ${seed}, step ${step}`);
        model = model.filter((kept) => kept !== best);
      }
      if (prng.chance(0.01)) {
        pool.clear();
        model = [];
      }
      assert.is(pool.size, model.length);
    }
  }
});

test.run();
