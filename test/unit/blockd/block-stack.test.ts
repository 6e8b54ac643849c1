// Images of several layers: whatever is written, zeroed, cut and fetched, they read as a plain disk does.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { deviceOf } from '../../../blockd/image/image-device.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { Prng } from '../../sim/prng.ts';
import { LAYERED_BLOCKS, LayeredImage } from './layered-image.ts';

const BYTES = LAYERED_BLOCKS * BLOCK_BYTES;
const SEEDS = 150;
const STEPS = 60;

function range(prng: Prng): { offset: number; length: number } {
  const isWhole = prng.chance(0.4);
  const unit = isWhole ? BLOCK_BYTES : 1;
  const offset = prng.integer(BYTES / unit) * unit;
  const length = Math.min(BYTES - offset, (1 + prng.integer((4 * BLOCK_BYTES) / unit)) * unit);
  return { offset, length };
}

async function step(layered: LayeredImage, prng: Prng): Promise<void> {
  const { offset, length } = range(prng);
  switch (prng.pick(['write', 'write', 'write', 'zero', 'trim', 'cut', 'away', 'away', 'away'])) {
    case 'write':
      return layered.write(offset, Buffer.alloc(length, 1 + prng.integer(255)));
    case 'zero':
      return layered.zero(offset, length);
    case 'trim':
      return layered.trim(offset, length);
    case 'cut':
      return layered.cut();
    default:
      return layered.takeAway(prng.integer(8), prng.integer(LAYERED_BLOCKS));
  }
}

test('a stack reads as a plain disk', async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const prng = new Prng(seed);
    const layered = await LayeredImage.make();
    for (let at = 0; at < STEPS; at++) {
      try {
        await step(layered, prng);
        layered.checkCensus();
        const { offset, length } = range(prng);
        if (prng.chance(0.5)) await layered.check(offset, length);
      } catch (error) {
        throw new Error(`seed ${seed}, step ${at}: ${error instanceof Error ? error.message : error}`, {
          cause: error,
        });
      }
    }
    await layered.check(0, BYTES);
    assert.not(layered.image.stack.someMissing(0, LAYERED_BLOCKS), 'what was read is here');
  }
});

test('zeros hide what is below, and what was never written shows it (A14)', async () => {
  const layered = await LayeredImage.make();
  await layered.write(0, Buffer.alloc(4 * BLOCK_BYTES, 7));
  await layered.cut();
  await layered.trim(BLOCK_BYTES, BLOCK_BYTES);
  await layered.check(0, BYTES);
  const entries = layered.image.store.table.mark.entries;
  assert.is(entries, 1, 'one block of zeros is all that the top says');
  await layered.trim(BLOCK_BYTES, BLOCK_BYTES);
  await layered.zero(8 * BLOCK_BYTES, 8 * BLOCK_BYTES);
  assert.is(layered.image.store.table.mark.entries, entries, 'zeros over zeros say nothing');
});

test('a partial write fetches the rest of its block from the layer that has it, and nothing else', async () => {
  const layered = await LayeredImage.make();
  await layered.write(0, Buffer.alloc(4 * BLOCK_BYTES, 7));
  await layered.cut();
  for (let block = 0; block < 4; block++) await layered.takeAway(1, block);
  await layered.write(BLOCK_BYTES + 100, Buffer.alloc(50, 8));
  assert.is(layered.elsewhere.askedBlocks, 1);
  await layered.write(2 * BLOCK_BYTES, Buffer.alloc(BLOCK_BYTES, 9));
  assert.is(layered.elsewhere.askedBlocks, 1, 'a whole block needs nothing');
  await layered.check(0, BYTES);
  assert.is(layered.elsewhere.askedBlocks, 3, 'what the top hides is never fetched');
});

test('the status of a stack is that of the layer that is seen', async () => {
  const layered = await LayeredImage.make();
  await layered.write(0, Buffer.alloc(4 * BLOCK_BYTES, 7));
  await layered.cut();
  await layered.trim(0, BLOCK_BYTES);
  await layered.takeAway(1, 2);
  const device = deviceOf(layered.image);
  const hole = 3;
  const status = [0, 1, 2, 4].map((block) => device.statusOf('allocation', block * BLOCK_BYTES));
  assert.equal(status, [hole, 0, 0, hole]);
  assert.is(device.endOfStatus('allocation', BLOCK_BYTES, BYTES), 4 * BLOCK_BYTES);
});

test.run();
