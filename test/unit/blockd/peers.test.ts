import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Image } from '../../../blockd/image/image.ts';
import { LayerBlocks } from '../../../blockd/layers/layer-blocks.ts';
import { FollowLink } from '../../../blockd/peer/follow-link.ts';
import { Followers } from '../../../blockd/peer/followers.ts';
import { PeerBlocks } from '../../../blockd/peer/peer-blocks.ts';
import { PeerSession } from '../../../blockd/peer/peer-session.ts';
import type { Dial, PeerStream } from '../../../blockd/peer/peer-stream.ts';
import { Traffic } from '../../../blockd/peer/traffic.ts';
import type { ImageStore } from '../../../blockd/store/image-store.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { createLog } from '../../../common/log.ts';
import { ManualClock, settle } from './manual-clock.ts';
import { memoryStream } from './memory-stream.ts';
import { firstByte, smallImage, standbyStore } from './small-image.ts';

const MIGRATION = '00000000000000aa';
const log = createLog('test', 'silent');

/** Streams in memory between stores, which the test may cut. */
class Network {
  readonly clock = new ManualClock();
  readonly stores = new Map<string, ImageStore>();
  isCut = false;
  #streams: PeerStream[] = [];
  /** Changes what a node says on its way. */
  tamper: (bytes: Uint8Array) => Uint8Array = (bytes) => bytes;

  readonly dial: Dial = async (node, _image, events) => {
    await Promise.resolve();
    if (this.isCut) throw new Error('unreachable');
    const store = this.stores.get(node);
    const around = {
      store,
      traffic: new Traffic(),
      clock: this.clock,
      followers: new Followers(this.clock),
      peer: 'b',
    };
    const stream = memoryStream(
      events,
      (called) => new PeerSession({ ...around, stream: called }),
      (bytes, deliver) => deliver(this.tamper(bytes)),
    );
    this.#streams.push(stream);
    return stream;
  };

  cut(): void {
    this.isCut = true;
    for (const stream of this.#streams.splice(0)) stream.close();
  }

  blocks(): PeerBlocks {
    return new PeerBlocks({ dial: this.dial, clock: this.clock, log, traffic: () => new Traffic() });
  }

  /** The image of a store at node b, which knows of a. */
  imageAtB(store: ImageStore): Image {
    const { clock } = this;
    return new Image({
      top: new LayerBlocks({ store, source: this.blocks(), clock, node: 'b', members: () => ['a'] }),
      clock,
    });
  }

  follow(store: ImageStore, source: string): FollowLink {
    return new FollowLink({ store, source, dial: this.dial, clock: this.clock, traffic: new Traffic(), log });
  }
}

test('a stand-by follows, verifies the closing and fetches what it reads', async () => {
  const network = new Network();
  const { image: a, store } = await smallImage();
  network.stores.set('a', store);
  await a.write(0, Buffer.alloc(3 * BLOCK_BYTES, 1), true);
  const standby = await standbyStore();
  const link = network.follow(standby, 'a');
  await settle();
  assert.ok(link.follower.isEqual);
  await a.write(BLOCK_BYTES, Buffer.alloc(BLOCK_BYTES, 2), false);
  await a.trim(0, BLOCK_BYTES, false);
  const closing = await a.freeze(MIGRATION);
  await settle();
  assert.ok(link.follower.equals(closing));
  const b = network.imageAtB(standby);
  await b.open(3, closing, MIGRATION);
  assert.equal([await firstByte(b, 0), await firstByte(b, 1), await firstByte(b, 2)], [0, 2, 1]);
  assert.is(b.fetchedBlocks.demand, 2);
  link.close();
});

test('a store keeps no listener for a stand-by that hangs up at the first word of its table', async () => {
  const network = new Network();
  const { store } = await smallImage();
  network.stores.set('a', store);
  const standby = await standbyStore();
  network.tamper = (bytes) => bytes.map((byte, at) => (at === 4 ? 255 : byte));
  const link = network.follow(standby, 'a');
  await settle();
  assert.ok(link.hasFailed);
  assert.is(store.followers, 0);
  network.tamper = (bytes) => bytes;
  await network.clock.advance(200);
  assert.is(store.followers, 1);
  link.close();
  assert.is(store.followers, 0);
});

test('a fetch waits out an unreachable holder and is asked again (A12)', async () => {
  const network = new Network();
  const { image: a, store } = await smallImage();
  network.stores.set('a', store);
  await a.write(0, Buffer.alloc(BLOCK_BYTES, 1), true);
  const standby = await standbyStore();
  const link = network.follow(standby, 'a');
  await settle();
  link.close();
  const b = network.imageAtB(standby);
  await b.open(3, b.closing(), null);
  network.cut();
  const reading = firstByte(b, 0);
  await network.clock.advance(40_000);
  network.isCut = false;
  await network.clock.advance(2_000);
  assert.is(await reading, 1);
});

test('a lost change is found by the digest, and the whole table heals it (A4)', async () => {
  const network = new Network();
  const { image: a, store } = await smallImage();
  network.stores.set('a', store);
  const standby = await standbyStore();
  const link = network.follow(standby, 'a');
  await settle();
  // Entries are frames of type 7; this one vanishes.
  network.tamper = (bytes) => (bytes[4] === 7 ? new Uint8Array(0) : bytes);
  await a.write(0, Buffer.alloc(BLOCK_BYTES, 1), true);
  await settle();
  assert.not(link.follower.isEqual);
  network.tamper = (bytes) => bytes;
  await network.clock.advance(1_000);
  assert.ok(link.follower.isEqual);
  assert.equal(standby.table.mark.digest, store.table.mark.digest);
  link.close();
});

test('the way back asks only for what changed since the closing', async () => {
  const network = new Network();
  const { image: a, store } = await smallImage();
  await a.write(0, Buffer.alloc(4 * BLOCK_BYTES, 1), true);
  const closing = await a.freeze(MIGRATION);
  const standby = await standbyStore();
  network.stores.set('a', store);
  const there = network.follow(standby, 'a');
  await settle();
  there.close();
  await a.end();
  const b = network.imageAtB(standby);
  await b.open(3, closing, MIGRATION);
  await b.write(0, Buffer.alloc(BLOCK_BYTES, 2), true);
  network.stores.set('b', standby);
  const back = network.follow(store, 'b');
  assert.is(back.follower.afterSequence, closing.lastSequence);
  await settle();
  assert.ok(back.follower.isEqual);
  assert.not(back.follower.isWhole);
  assert.is(store.table.contentOf(0), 1, 'the changed block is elsewhere');
  assert.is(store.table.contentOf(1), 3, 'the equal one is here');
  back.close();
});

test('a tail that nobody else saw is dropped when its writer comes back (A7)', async () => {
  const network = new Network();
  const { image: a, store } = await smallImage();
  await a.write(0, Buffer.alloc(2 * BLOCK_BYTES, 1), true);
  const standby = await standbyStore();
  network.stores.set('a', store);
  const link = network.follow(standby, 'a');
  await settle();
  link.close();
  const published = { ...a.closing(), image: 'web' };
  await a.write(0, Buffer.alloc(BLOCK_BYTES, 99), true);
  const b = network.imageAtB(standby);
  await b.open(3, published, MIGRATION);
  network.stores.set('b', standby);
  await a.abandon();
  const back = network.follow(store, 'b');
  await settle();
  assert.ok(back.follower.isEqual);
  assert.is(store.table.contentOf(0), 1, 'the tail is not served');
  assert.is(store.table.contentOf(1), 3);
  back.close();
});

test('nothing is given by a version that is not equal, nor before it is durable', async () => {
  const network = new Network();
  const { image: a, store } = await smallImage();
  network.stores.set('a', store);
  await a.write(0, Buffer.alloc(BLOCK_BYTES, 1), false);
  const answers: string[] = [];
  const sink = { arrived: () => answers.push('arrived'), absent: () => answers.push('absent') };
  const version = (sequence: number): { first: number; count: number; high: number; low: number } => ({
    ...{ first: 0, count: 1, high: 2 * 256, low: sequence },
  });
  const own = store.table.lastSequence;
  const blocks = network.blocks();
  blocks.request('a', 'web', [version(own)], 'demand', sink);
  assert.ok(store.table.isChanged(0));
  await settle();
  assert.equal(answers, ['arrived']);
  assert.not.ok(store.table.isChanged(0), 'it is durable by then');
  blocks.request('a', 'web', [version(own - 1)], 'demand', sink);
  blocks.request('x', 'web', [version(own)], 'demand', sink);
  await settle();
  assert.equal(answers, ['arrived', 'absent', 'absent']);
});

test('a table that is no image is not to be followed', async () => {
  const network = new Network();
  network.stores.set('a', await standbyStore());
  const link = network.follow(await standbyStore(), 'a');
  await settle();
  assert.not(link.follower.isEqual);
  assert.match(link.reason, /not the image's/);
  link.close();
});

test.run();
