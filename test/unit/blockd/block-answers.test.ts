// Answers to another store's fetches when the disk has to be waited for.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BlockAnswers } from '../../../blockd/peer/block-answers.ts';
import { type PeerFrame, PeerFrameReader } from '../../../blockd/peer/peer-frame.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { settle } from './manual-clock.ts';
import { LAYER, type SmallImage, smallImage } from './small-image.ts';

const DATA_FILE = `/images/${LAYER}.data`;

interface Stand extends SmallImage {
  readonly answers: BlockAnswers;
  /** First block and number of blocks of each answer; `absent` of those that were denied. */
  readonly said: string[];
  readonly ask: (id: number, block: number) => void;
  /** What was looked for. */
  readonly healed: string[];
  /** What the disk was asked for and has not done. */
  readonly disking: PromiseWithResolvers<void>[];
  isCold: boolean;
  isFull: boolean;
}

/** A store of four blocks with a version each, whose disk is waited for. */
async function stand(): Promise<Stand> {
  const small = await smallImage();
  for (let block = 0; block < 4; block++)
    await small.image.write(block * BLOCK_BYTES, Buffer.alloc(BLOCK_BYTES, block + 1), true);
  const said: string[] = [];
  const reader = new PeerFrameReader();
  const hear = (frame: PeerFrame): void => {
    if (frame.type === 'absent') said.push(`absent ${frame.run.first}`);
    if (frame.type === 'blocks') said.push(`${frame.runs[0]?.first} of ${frame.data[0]}`);
  };
  const send = (bytes: Uint8Array, done?: () => void): void => {
    reader.receive(bytes, hear);
    done?.();
  };
  const disking: PromiseWithResolvers<void>[] = [];
  small.disk.warming = () => {
    const read = Promise.withResolvers<void>();
    disking.push(read);
    return read.promise;
  };
  const { table } = small.store;
  const ask = (id: number, block: number): void => {
    const { high, low } = table.versionOf(block);
    assert.ok(answers.ask(id, [{ first: block, count: 1, high, low }]));
  };
  const healed: string[] = [];
  const heal = (first: number, end: number): unknown => healed.push(`${first} to ${end}`);
  const answers: BlockAnswers = new BlockAnswers({ store: small.store, send, isFull: () => all.isFull, heal });
  const all: Stand = { ...small, answers, said, ask, healed, disking, isCold: true, isFull: false };
  small.disk.forgets = (path) => all.isCold && path === DATA_FILE;
  return all;
}

test('what is not in the page cache is waited for beside everything else', async () => {
  const all = await stand();
  for (let block = 0; block < 3; block++) all.ask(block, block);
  await settle();
  assert.is(all.disking.length, 3);
  assert.equal(all.said, []);
  all.isCold = false;
  all.ask(3, 3);
  assert.equal(all.said, ['3 of 4'], 'what needs no disk overtakes');
  for (const read of all.disking) read.resolve();
  await settle();
  assert.equal(all.said.slice(1).sort(), ['0 of 1', '1 of 2', '2 of 3']);
});

test('what is named here and has rotted is looked for when it is asked for; what was overwritten, or is elsewhere, is not', async () => {
  const all = await stand();
  const { table } = all.store;
  all.isCold = false;
  table.spoilt(1);
  table.leave(2, all.store.holderIndex('c'));
  const old = table.versionOf(3);
  await all.image.write(3 * BLOCK_BYTES, Buffer.alloc(BLOCK_BYTES, 9), true);
  for (const block of [1, 2]) all.ask(block, block);
  all.answers.ask(3, [{ first: 3, count: 1, ...old }]);
  assert.equal(all.said, ['absent 1', 'absent 2', 'absent 3']);
  assert.equal(all.healed, ['1 to 2']);
});

test('what is here and not yet durable is given once it is', async () => {
  const all = await stand();
  all.isCold = false;
  for (const block of [0, 1]) await all.image.write(block * BLOCK_BYTES, Buffer.alloc(BLOCK_BYTES, 7 + block), false);
  const flush = all.store.flush.bind(all.store);
  const barriers: PromiseWithResolvers<void>[] = [];
  all.store.flush = () => {
    const barrier = Promise.withResolvers<void>();
    barriers.push(barrier);
    return barrier.promise.then(flush);
  };
  for (const block of [0, 1, 2]) all.ask(block, block);
  await settle();
  assert.equal(all.said, ['2 of 3'], 'what needs no barrier overtakes');
  const old = all.store.table.versionOf(1);
  await all.image.write(BLOCK_BYTES, Buffer.alloc(BLOCK_BYTES, 9), false);
  assert.not.equal(all.store.table.versionOf(1), old);
  for (const barrier of barriers) barrier.resolve();
  await settle();
  assert.equal(all.said.slice(1).sort(), ['0 of 7', 'absent 1'], 'what was overwritten meanwhile is another version');
});

test('what cannot be made durable is denied, and asked of the disk once', async () => {
  const all = await stand();
  all.isCold = false;
  await all.image.write(0, Buffer.alloc(BLOCK_BYTES, 7), false);
  let barriers = 0;
  all.store.flush = () => {
    barriers++;
    return Promise.reject(new Error('EIO'));
  };
  all.ask(0, 0);
  await settle();
  assert.equal(all.said, ['absent 0']);
  assert.is(barriers, 1);
});

test('a disk that cannot read is no good copy', async () => {
  const all = await stand();
  all.ask(0, 0);
  all.store.file.read = () => {
    throw new Error('EIO');
  };
  all.disking[0]?.reject(new Error('EIO'));
  await settle();
  assert.equal(all.said, ['absent 0']);
});

test('what turns out to be spoilt while it is read is denied', async () => {
  const all = await stand();
  all.ask(1, 1);
  const file = await all.disk.open(DATA_FILE, 'write');
  file.writeSync(Buffer.alloc(8, 0xee), BLOCK_BYTES);
  all.isCold = false;
  all.disking[0]?.resolve();
  await settle();
  assert.equal(all.said, ['absent 1']);
  assert.is(all.store.file.spoiltBlocks, 1);
});

test('nothing is answered to a stream that has ended, or that is full, when the disk has read', async () => {
  const all = await stand();
  all.ask(0, 0);
  all.isFull = true;
  all.isCold = false;
  all.disking[0]?.resolve();
  await settle();
  assert.equal(all.said, []);
  all.isFull = false;
  all.answers.go();
  assert.equal(all.said, ['0 of 1']);
  all.isCold = true;
  all.ask(1, 1);
  all.answers.close();
  all.isCold = false;
  all.disking[1]?.resolve();
  await settle();
  assert.equal(all.said, ['0 of 1']);
});

test.run();
