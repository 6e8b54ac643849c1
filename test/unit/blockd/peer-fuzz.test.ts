// Streams between stores as they are, with bytes changed, cut, doubled and mixed: nothing throws, nothing untrue is
// installed or served, a table is taken for the writer's only if it is, and what is kept can be read again.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { IN_FILE } from '../../../blockd/image/block-stack.ts';
import { Image } from '../../../blockd/image/image.ts';
import { LayerBlocks } from '../../../blockd/layers/layer-blocks.ts';
import { FollowLink } from '../../../blockd/peer/follow-link.ts';
import { Followers } from '../../../blockd/peer/followers.ts';
import { PeerBlocks } from '../../../blockd/peer/peer-blocks.ts';
import { encodePeerFrame, type PeerFrame, PeerFrameReader } from '../../../blockd/peer/peer-frame.ts';
import { PeerSession } from '../../../blockd/peer/peer-session.ts';
import type { Dial, PeerStream } from '../../../blockd/peer/peer-stream.ts';
import { Traffic } from '../../../blockd/peer/traffic.ts';
import type { ImageStore } from '../../../blockd/store/image-store.ts';
import { checksumOf } from '../../../blockd/table/block-checksum.ts';
import { BLOCK_BYTES, SEQUENCE_MAX } from '../../../blockd/table/block-version.ts';
import { ImageArrival } from '../../../blockd/transfer/image-arrival.ts';
import { PushedBlocks } from '../../../blockd/transfer/pushed-blocks.ts';
import { codeOf, messageOf } from '../../../common/errors.ts';
import { createLog } from '../../../common/log.ts';
import { CrashDisk } from '../../crash/crash-disk.ts';
import { fuzzInputs, fuzzSeed } from '../../fuzz-inputs.ts';
import { seededRandom } from '../common/seeded-random.ts';
import { below, mutated, type Random, source } from './changed-frames.ts';
import { ManualClock, settle } from './manual-clock.ts';
import { memoryStream } from './memory-stream.ts';
import { BLOCKS, LAYER, reopen, standbyStore } from './small-image.ts';
import { runsOf } from './table-runs.ts';

const seed = fuzzSeed();
const SERVED = fuzzInputs(4_000);
const FOLLOWED = fuzzInputs(300);
const FETCHED = fuzzInputs(300);
const OFFERED = fuzzInputs(200);
/** Long enough for every retry and every patience of both sides, 17 s for each of eight answers that were changed. */
const LONG_MS = 300_000;
const STEP_MS = 5_000;
const log = createLog('test', 'silent');

/** What the source's session answers to these bytes, and whether it ended the stream. */
function serve(store: ImageStore, input: Uint8Array): { sent: Buffer; ended: boolean } {
  const sent: Uint8Array[] = [];
  let ended = false;
  const stream: PeerStream = {
    write: (bytes) => sent.push(bytes) > 0,
    close: () => {
      ended = true;
    },
  };
  const clock = new ManualClock();
  const followers = new Followers(clock);
  const session = new PeerSession({ store, traffic: new Traffic(), clock, stream, followers, peer: 'b' });
  session.received(input);
  session.closed();
  return { sent: Buffer.concat(sent), ended };
}

function assertTrue(store: ImageStore, frame: PeerFrame): void {
  if (frame.type !== 'blocks') return;
  let at = 0;
  for (const run of frame.runs) {
    for (let block = run.first; block < run.first + run.count; block++, at += BLOCK_BYTES) {
      assert.ok(store.table.equals(block, run.high, run.low), `block ${block} under a version that it has not`);
      assert.is(checksumOf(frame.data.subarray(at, at + BLOCK_BYTES)), store.table.sumOf(block));
    }
  }
}

function questions(store: ImageStore): Buffer[] {
  const fetches = [0, 3, 5].map((first, id) => {
    const run = runsOf(store.table);
    assert.ok(run.length > 0);
    const [high, low] = [2 * 256, first + 1];
    return encodePeerFrame({ type: 'fetch', id, runs: [{ first, count: 2, high, low }] });
  });
  const follow = encodePeerFrame({ type: 'follow', afterSequence: 3 });
  const takes = encodePeerFrame({ type: 'takes', isComing: true });
  return [...fetches, follow, takes, encodePeerFrame({ type: 'settled', id: 0, isHeld: true })];
}

async function inputOf(index: number, work: () => Promise<void> | void): Promise<void> {
  try {
    await work();
  } catch (error) {
    throw new Error(`seed ${seed}, input ${index}: ${messageOf(error)}`, { cause: error });
  }
}

test(`${SERVED} changed requests: only true blocks are served, and the table stays what it is`, async () => {
  const random = seededRandom(seed);
  const { store } = await source();
  const before = store.table.mark;
  const asked = questions(store);
  let answers = 0;
  for (let index = 0; index < SERVED; index++) {
    await inputOf(index, () => {
      const { sent } = serve(store, mutated(random, asked));
      const parsed = new PeerFrameReader().receive(sent, (frame) => {
        answers++;
        assertTrue(store, frame);
      });
      assert.ok(parsed, 'what it says is frames');
    });
  }
  assert.equal(store.table.mark, before);
  assert.is(store.followers, 0);
  assert.ok(answers > SERVED, `${answers} answers`);
});

/** Streams to one store, whose first so many answers are changed. */
function tampering(
  random: Random,
  clock: ManualClock,
  store: ImageStore,
  tampered: number,
  followers = new Followers(clock),
): Dial {
  let left = tampered;
  return async (_node, _image, events) => {
    await Promise.resolve();
    const around = { store, followers, peer: 'b', traffic: new Traffic(), clock };
    return memoryStream(
      events,
      (stream) => new PeerSession({ ...around, stream }),
      (bytes, deliver) => deliver(left-- > 0 ? mutated(random, [Uint8Array.from(bytes)]) : bytes),
    );
  };
}

test(`${FOLLOWED} changed tables: none is taken for the writer's, the true one heals it, and it can be read again`, async () => {
  const random = seededRandom(seed + 1);
  const { image, store } = await source();
  const closing = image.closing();
  for (let index = 0; index < FOLLOWED; index++) {
    await inputOf(index, async () => {
      const clock = new ManualClock();
      const dial = tampering(random, clock, store, 1 + below(random, 8));
      const disk = new CrashDisk();
      const standby = await standbyStore(disk);
      const link = new FollowLink({ store: standby, source: 'a', dial, clock, traffic: new Traffic(), log });
      for (let step = 0; step < 4; step++) {
        await settle();
        if (link.follower.equals(closing)) assert.is(standby.table.mark.digest, store.table.mark.digest);
        assert.ok(standby.table.lastSequence <= SEQUENCE_MAX);
        await standby.flush();
        await clock.advance(200);
      }
      for (let ms = 0; ms < LONG_MS && !link.follower.equals(closing); ms += STEP_MS) await clock.advance(STEP_MS);
      assert.ok(link.follower.equals(closing), link.reason);
      for (let block = 0; block < BLOCKS; block++) assert.is(standby.table.sumOf(block), store.table.sumOf(block));
      link.close();
      assert.is(store.followers, 0, 'nobody is listened to any more');
      await standby.flush();
      const again = await reopen(disk);
      assert.is(again.table.mark.digest, store.table.mark.digest);
    });
  }
});

test(`${OFFERED} changed streams of offers: what comes is what its version names`, async () => {
  const random = seededRandom(seed + 3);
  const { store } = await source();
  let held = 0;
  for (let index = 0; index < OFFERED; index++) {
    await inputOf(index, async () => {
      const clock = new ManualClock();
      const followers = new Followers(clock);
      const replica = await standbyStore();
      const blocks = new PeerBlocks({
        dial: tampering(random, clock, store, 0),
        clock,
        log,
        traffic: () => new Traffic(),
      });
      const top = new LayerBlocks({ store: replica, source: blocks, clock, node: 'b', members: () => ['a'] });
      const replicated = new Image({ top, clock });
      const link = new FollowLink({
        ...{ store: replica, source: 'a', clock, traffic: new Traffic(), log },
        dial: tampering(random, clock, store, 1 + below(random, 8), followers),
        taker: new PushedBlocks(replicated, new ImageArrival(replicated)),
      });
      for (let step = 0; step < 6; step++) {
        await clock.advance(20_000);
        const first = below(random, random() < 0.8 ? 8 : BLOCKS + 2);
        const { high, low } = store.table.versionOf(Math.min(first, BLOCKS - 1));
        const run = { first, count: random() < 0.8 ? 1 : 2, high, low: random() < 0.8 ? low : low + 1 };
        followers.find(LAYER, 'b')?.offer(random() < 0.9 ? LAYER : 'l00000000000000bb', [run], (isHeld) => {
          if (isHeld) held++;
        });
      }
      await clock.advance(LONG_MS);
      const read = Buffer.alloc(BLOCK_BYTES);
      for (let block = 0; block < BLOCKS; block++) {
        if (replica.table.contentOf(block) !== IN_FILE) continue;
        assert.ok(replica.file.read(read, block * BLOCK_BYTES));
        assert.is(checksumOf(read), store.table.sumOf(block), `block ${block}`);
      }
      link.close();
      assert.is(store.followers, 0);
      blocks.close();
    });
  }
  assert.ok(held > OFFERED, `${held} were held`);
});

test(`${FETCHED} changed answers: a read gets the true bytes, or hears that nobody has them`, async () => {
  const random = seededRandom(seed + 2);
  const { image, store } = await source();
  const whole = Buffer.alloc(BLOCKS * BLOCK_BYTES);
  assert.ok(image.tryRead(0, whole));
  let reads = 0;
  for (let index = 0; index < FETCHED; index++) {
    await inputOf(index, async () => {
      const clock = new ManualClock();
      const standby = await standbyStore();
      const link = new FollowLink({
        ...{ store: standby, source: 'a', clock, traffic: new Traffic(), log },
        dial: tampering(random, clock, store, 0),
      });
      await settle();
      link.close();
      const dial = tampering(random, clock, store, 1 + below(random, 4));
      const blocks = new PeerBlocks({ dial, clock, log, traffic: () => new Traffic() });
      const b = new Image({
        top: new LayerBlocks({ store: standby, source: blocks, clock, node: 'b', members: () => ['a'] }),
        clock,
      });
      await b.open(3, image.closing(), null);
      const end = b.readLater(0, whole.length).then(
        (read) => assert.ok(whole.equals(read), 'what was read is what was written') ?? 'read',
        (error: unknown) => codeOf(error),
      );
      await clock.advance(LONG_MS);
      const how = await Promise.race([end, Promise.resolve('waits')]);
      assert.ok(how === 'read' || how === 'BLOCKS_LOST', `${how}`);
      if (how === 'read') reads++;
      blocks.close();
    });
  }
  assert.ok(reads > FETCHED / 4, `${reads} were read`);
});

test.run();
