// Who is asked for a block, and who else when the first says nothing.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { PATIENCE_MS } from '../../../blockd/layers/block-fetcher.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { codeOf } from '../../../common/errors.ts';
import { refusal } from '../../refusal.ts';
import { isSettled, settle } from './manual-clock.ts';
import { firstByte, type SmallImage, smallImage } from './small-image.ts';

const MISSING = 3;

function nodesAsked({ source }: SmallImage): string[] {
  return source.asked.map(({ node }) => node);
}

/** A read that waits, its holder silent for as long as it is waited for alone. */
async function silentHolder(): Promise<{ small: SmallImage; reading: Promise<number> }> {
  const small = await smallImage([MISSING]);
  const reading = firstByte(small.image, MISSING);
  await settle();
  await small.clock.advance(PATIENCE_MS.demand);
  return { small, reading };
}

test('a holder that answers in time is the only one asked', async () => {
  const small = await smallImage([MISSING]);
  const reading = firstByte(small.image, MISSING);
  await settle();
  await small.clock.advance(PATIENCE_MS.demand - 1);
  assert.equal(nodesAsked(small), ['b']);
  small.source.give(9);
  assert.is(await reading, 9);
  await small.clock.advance(10 * PATIENCE_MS.demand);
  assert.equal([small.source.asked, small.source.ended], [[], []]);
});

test('beside a silent holder another member is asked, and whoever brings the block first will do', async () => {
  const { small, reading } = await silentHolder();
  assert.equal(nodesAsked(small), ['b', 'c']);
  small.source.asked.reverse();
  small.source.give(9);
  assert.is(await reading, 9);
});

test('who was silent is never the only one asked until it has answered, which is listened for', async () => {
  const small = await smallImage([1, 2, 3]);
  const { source, clock } = small;
  /** A read, who is asked for it at once, and its end by the one who is asked last. */
  const read = async (block: number): Promise<string[]> => {
    const reading = firstByte(small.image, block);
    await settle();
    if (block === 1) await clock.advance(PATIENCE_MS.demand);
    else await clock.advance(0);
    const asked = nodesAsked(small);
    source.asked.reverse();
    source.give(9);
    assert.is(await reading, 9);
    source.asked.reverse();
    return asked;
  };
  assert.equal(await read(1), ['b', 'c']);
  assert.equal(nodesAsked(small), ['b'], 'one question is left open');
  assert.equal(await read(2), ['b', 'b', 'c']);
  assert.equal(nodesAsked(small), ['b'], 'and no second one');
  source.deny();
  await settle();
  assert.equal(await read(3), ['b']);
  await clock.advance(1_000_000);
  assert.equal(source.asked, []);
});

test('a question that a silent one leaves open is given up some time, and the next one is left open', async () => {
  const { small, reading } = await silentHolder();
  small.source.asked.reverse();
  small.source.give(9);
  await reading;
  await settle();
  assert.equal(nodesAsked(small), ['b']);
  await small.clock.advance(20_000);
  assert.equal(nodesAsked(small), []);
});

test('when the others have it not, the silent holder is waited for, however long it takes (A12)', async () => {
  const { small, reading } = await silentHolder();
  small.source.asked.reverse();
  small.source.deny();
  await small.clock.advance(1_000_000);
  assert.equal(nodesAsked(small), ['b']);
  assert.not(await isSettled(reading));
  small.source.give(9);
  assert.is(await reading, 9);
});

test('lost is said only when the silent holder has denied too', async () => {
  const { small, reading } = await silentHolder();
  small.source.asked.reverse();
  small.source.deny();
  await settle();
  assert.not(await isSettled(reading));
  small.source.deny();
  const { code, message } = await refusal(reading);
  assert.is(code, 'BLOCKS_LOST');
  assert.match(message, 'a, b, c');
});

test('a silent holder that denies at last is believed where the block went, also by who has denied it before', async () => {
  const { small, reading } = await silentHolder();
  small.source.asked.reverse();
  small.source.deny();
  await settle();
  small.source.deny('c');
  await settle();
  assert.equal(nodesAsked(small), ['c']);
  small.source.give(9);
  assert.is(await reading, 9);
});

test('a silent holder that has some of the blocks: the rest comes from another', async () => {
  const small = await smallImage([MISSING, MISSING + 1]);
  const reading = small.image.readLater(MISSING * BLOCK_BYTES, 2 * BLOCK_BYTES);
  await settle();
  const [asked] = small.source.asked;
  const [run] = asked?.runs ?? [];
  if (asked === undefined || run === undefined) throw new Error('nothing was asked for');
  asked.sink.arrived({ ...run, count: 1 }, Buffer.alloc(BLOCK_BYTES, 9));
  await small.clock.advance(PATIENCE_MS.demand);
  const beside = small.source.asked[1]?.runs.map(({ first, count }) => [first, count]);
  assert.equal(beside, [[MISSING + 1, 1]]);
  small.source.asked.reverse();
  small.source.give(9);
  assert.equal((await reading)[BLOCK_BYTES], 9);
});

test('a disk that refuses what came is what the reader hears, not that others had nothing', async () => {
  const { small, reading } = await silentHolder();
  small.source.asked.reverse();
  small.source.deny();
  await settle();
  small.disk.isFull = true;
  small.source.give(9);
  assert.is(await reading.catch(codeOf), 'ENOSPC');
});

test('a hint at a node that is no member is not followed: it could never be reached', async () => {
  const small = await smallImage([MISSING]);
  const reading = firstByte(small.image, MISSING);
  await settle();
  small.source.deny('stranger');
  await settle();
  assert.equal(nodesAsked(small), ['c']);
  small.source.give(9);
  assert.is(await reading, 9);
});

test('what is written meanwhile is not asked of anybody else', async () => {
  const small = await smallImage([MISSING]);
  const reading = firstByte(small.image, MISSING);
  await settle();
  await small.image.write(MISSING * BLOCK_BYTES, Buffer.alloc(BLOCK_BYTES, 7), false);
  await small.clock.advance(PATIENCE_MS.demand);
  assert.is(await reading, 7);
  assert.equal(nodesAsked(small), ['b'], 'whose answer is taken for nothing but a sign of life');
  small.source.give(9);
  assert.is(await firstByte(small.image, MISSING), 7);
});

test.run();
