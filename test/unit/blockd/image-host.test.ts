// What a role lets happen: nobody becomes the writer beside another, or of a table that was not seen to be the image's.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { ImageHost } from '../../../blockd/image/image-host.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { codeOf } from '../../../common/errors.ts';
import type { Closing } from '../../../wire/contracts/blockd.ts';
import { CrashDisk } from '../../crash/crash-disk.ts';
import { ManualClock } from './manual-clock.ts';
import { shelfOn } from './quiet-shelf.ts';

const MIGRATION = '00000000000000aa';
const EMPTY: Closing = { image: 'web', epoch: 0, lastSequence: 0, entries: 0, digest: '0'.repeat(32), generation: 1 };
const { signal } = new AbortController();

/** A new image at node a. */
async function newHost(): Promise<ImageHost> {
  const shelf = await shelfOn(new CrashDisk(), 'a');
  await shelf.create('web', 'l00000000000000aa', 16 * BLOCK_BYTES);
  return shelf.get('web');
}

/** What a step is refused with. */
function codeFrom(step: Promise<unknown>): Promise<string | undefined> {
  return step.then(() => undefined, codeOf);
}

test('a writer gives way only to an epoch that shows that its own was ended elsewhere (S4)', async () => {
  const host = await newHost();
  await host.open({ epoch: 4, last: EMPTY, from: { node: 'a', address: '127.0.0.1' } }, signal);
  assert.is(await codeFrom(host.giveWay(5)), 'IMAGE_OPEN');
  assert.is(host.image.store.state.role, 'writer');
  assert.is(await codeFrom(host.giveWay(6)), undefined);
  assert.is(host.image.store.state.role, 'replica');
  assert.is(await codeFrom(host.giveWay(0)), 'EPOCH_ENDED');
});

test('a stand-by whose table differs is not verified, and writes nothing', async () => {
  const host = await newHost();
  await host.standBy({ migration: MIGRATION, epoch: 2, from: { node: 'b', address: '127.0.0.2' } }, signal);
  const closing = { ...EMPTY, epoch: 1, lastSequence: 4, entries: 1, digest: '1'.repeat(32) };
  assert.not.equal(await host.verify(closing, AbortSignal.abort()), '');
  assert.is(await codeFrom(host.activate(MIGRATION)), 'NOT_VERIFIED');
  assert.is(host.image.store.state.role, 'standby');
  await host.cancel();
});

test('a stand-by that was verified and is told again hears nothing more, nor does the writer that it becomes', async () => {
  const dialled: string[] = [];
  const dial = (node: string): Promise<never> => {
    dialled.push(node);
    return Promise.reject(new Error('unreachable'));
  };
  const clock = new ManualClock();
  const shelf = await shelfOn(new CrashDisk(), 'a', { dial, clock });
  await shelf.create('web', 'l00000000000000aa', 16 * BLOCK_BYTES);
  const host = shelf.get('web');
  const order = { migration: MIGRATION, epoch: 2, from: { node: 'b', address: '127.0.0.2' } };
  await host.standBy(order, signal);
  assert.equal(dialled, ['b']);
  assert.is(await host.verify({ ...EMPTY, epoch: 1 }, signal), '');
  await host.standBy(order, signal);
  await host.activate(MIGRATION);
  await clock.advance(10_000);
  assert.is(host.image.store.state.role, 'writer');
  assert.equal(dialled, ['b']);
});

test('one that is told again while it is being verified is left by the earlier writer when it writes itself', async () => {
  let dials = 0;
  const dial = (): Promise<never> => Promise.reject(new Error(`unreachable ${++dials}`));
  const clock = new ManualClock();
  const shelf = await shelfOn(new CrashDisk(), 'a', { dial, clock });
  await shelf.create('web', 'l00000000000000aa', 16 * BLOCK_BYTES);
  const host = shelf.get('web');
  const order = { migration: MIGRATION, epoch: 2, from: { node: 'b', address: '127.0.0.2' } };
  await host.standBy(order, signal);
  const verified = host.verify({ ...EMPTY, epoch: 1 }, signal);
  for (let tries = 0; dials < 2 && tries < 10; tries++) await host.standBy(order, signal);
  assert.is(dials, 2, 'it was told before it was verified');
  assert.is(await verified, '');
  await host.activate(MIGRATION);
  const before = dials;
  await clock.advance(10_000);
  assert.is(dials, before);
});

test.run();
