// What one store hears of another, changed, at one end of a stream and without time: many more inputs than with both ends and
// their retries (`peer-fuzz`). Nothing throws; a table is taken for the writer's only if it is, and what tables were heard
// before hinders no true one; of blocks only what was asked for arrives, and once.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { WantedRun } from '../../../blockd/layers/block-fetcher.ts';
import { FollowLink } from '../../../blockd/peer/follow-link.ts';
import { Followers } from '../../../blockd/peer/followers.ts';
import { PeerBlocks } from '../../../blockd/peer/peer-blocks.ts';
import { encodePeerFrame } from '../../../blockd/peer/peer-frame.ts';
import { PeerSession } from '../../../blockd/peer/peer-session.ts';
import type { Dial, PeerStream, StreamEvents } from '../../../blockd/peer/peer-stream.ts';
import { Traffic } from '../../../blockd/peer/traffic.ts';
import type { ImageStore } from '../../../blockd/store/image-store.ts';
import { BLOCK_BYTES, SEQUENCE_MAX } from '../../../blockd/table/block-version.ts';
import { messageOf } from '../../../common/errors.ts';
import { createLog } from '../../../common/log.ts';
import type { Closing } from '../../../wire/contracts/blockd.ts';
import { fuzzInputs, fuzzSeed } from '../../fuzz-inputs.ts';
import { seededRandom } from '../common/seeded-random.ts';
import { mutated, source } from './changed-frames.ts';
import { ManualClock } from './manual-clock.ts';
import { BLOCKS, LAYER, standbyStore } from './small-image.ts';

const seed = fuzzSeed();
const TABLES = fuzzInputs(10_000);
const ANSWERS = fuzzInputs(10_000);
/** So often a true table follows the changed ones, and a new store takes the place of the one that heard them. */
const TRUE_EVERY = 50;
const NEW_EVERY = 1_000;
const log = createLog('test', 'silent');
const traffic = new Traffic();

/** All that a store says to these questions, write by write. */
async function said(store: ImageStore, questions: readonly Uint8Array[]): Promise<Buffer[]> {
  const frames: Buffer[] = [];
  const stream: PeerStream = {
    write: (bytes) => frames.push(Buffer.from(bytes)) > 0,
    close: () => assert.unreachable(),
  };
  const clock = new ManualClock();
  const session = new PeerSession({ store, traffic, clock, stream, followers: new Followers(clock), peer: 'b' });
  for (const question of questions) session.received(question);
  await clock.advance(1);
  session.closed();
  return frames;
}

/** One end of a stream, whose other end is the test's. */
class NearEnd {
  events: StreamEvents | undefined;
  readonly dial: Dial = async (_node, _layer, events) => {
    let isOpen = true;
    this.events = { ...events, received: (bytes) => isOpen && events.received(bytes) };
    const close = (): void => {
      if (!isOpen) return;
      isOpen = false;
      events.closed();
    };
    return { write: () => true, close };
  };

  hears(bytes: Uint8Array): void {
    this.events?.received(bytes);
  }
}

async function inputOf(index: number, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    throw new Error(`seed ${seed}, input ${index}: ${messageOf(error)}`, { cause: error });
  }
}

function assertSame(own: ImageStore, writers: ImageStore): void {
  for (let block = 0; block < BLOCKS; block++) {
    assert.equal(own.table.versionOf(block), writers.table.versionOf(block));
    assert.is(own.table.sumOf(block), writers.table.sumOf(block));
  }
}

interface Writer {
  readonly store: ImageStore;
  readonly closing: Closing;
}

/** A stand-by opens a stream, hears this on it and closes it. Answers whether it takes its table for the writer's. */
async function follow(standby: ImageStore, bytes: Uint8Array, { store, closing }: Writer): Promise<boolean> {
  const near = new NearEnd();
  const clock = new ManualClock();
  const link = new FollowLink({ store: standby, source: 'a', dial: near.dial, clock, traffic, log });
  // The dial's promise, and what its link does then.
  for (let turn = 0; turn < 4; turn++) await Promise.resolve();
  near.hears(bytes);
  const isEqual = link.follower.equals(closing);
  if (isEqual) assertSame(standby, store);
  assert.ok(standby.table.lastSequence <= SEQUENCE_MAX);
  link.close();
  return isEqual;
}

test(`${TABLES} changed tables, one after the other`, async () => {
  const random = seededRandom(seed);
  const { store, image } = await source();
  const writer = { store, closing: image.closing() };
  const table = await said(store, [encodePeerFrame({ type: 'follow', afterSequence: undefined })]);
  // The mark comes with the next barrier.
  table.push(encodePeerFrame({ type: 'mark', mark: store.table.mark }));
  let standby = await standbyStore();
  let equal = 0;
  for (let index = 0; index < TABLES; index++) {
    await inputOf(index, async () => {
      if (await follow(standby, mutated(random, table), writer)) equal++;
      if (index % TRUE_EVERY > 0) return;
      assert.ok(await follow(standby, Buffer.concat(table), writer), 'the true one heals it');
      if (index % NEW_EVERY === 0) standby = await standbyStore();
    });
  }
  assert.ok(equal > TABLES / 20 && equal < TABLES / 2, `${equal} were the writer's`);
});

test(`${ANSWERS} changed answers: what was asked for arrives, or is said to be absent, and once`, async () => {
  const random = seededRandom(seed + 1);
  const { store } = await source();
  const wanted: WantedRun[] = [0, 3, 5, 9].map((first) => ({
    first,
    count: first === 3 ? 2 : 1,
    ...versionIn(store, first),
  }));
  const answers = await said(store, [encodePeerFrame({ type: 'fetch', id: 1, runs: wanted })]);
  let arrived = 0;
  for (let index = 0; index < ANSWERS; index++) {
    await inputOf(index, async () => {
      const near = new NearEnd();
      const blocks = new PeerBlocks({ dial: near.dial, clock: new ManualClock(), log, traffic: () => traffic });
      const open = new Set(wanted.flatMap(({ first, count }) => Array.from({ length: count }, (_, at) => first + at)));
      const answered = ({ first, count, high, low }: WantedRun): void => {
        for (let block = first; block < first + count; block++) {
          assert.ok(open.delete(block), `block ${block} was not asked for, or is answered again`);
          const run = wanted.find((one) => one.first <= block && block < one.first + one.count);
          assert.equal([high, low], [run?.high, run?.low]);
        }
      };
      blocks.request('a', LAYER, wanted, 'demand', {
        arrived: (run, data) => {
          answered(run);
          assert.is(data.length, run.count * BLOCK_BYTES);
          arrived++;
        },
        absent: answered,
      });
      for (let turn = 0; turn < 4; turn++) await Promise.resolve();
      near.hears(mutated(random, answers));
      blocks.close();
    });
  }
  assert.ok(arrived > ANSWERS, `${arrived} arrived`);
});

function versionIn(store: ImageStore, block: number): { high: number; low: number } {
  const { high, low } = store.table.versionOf(block);
  return { high, low };
}

test.run();
