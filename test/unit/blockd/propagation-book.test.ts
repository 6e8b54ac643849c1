// How blocks get to other places, as a node was told: kept over a restart, and never more than can be kept.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { blockCalls } from '../../../blockd/image/block-calls.ts';
import type { ImageShelf } from '../../../blockd/image/image-shelf.ts';
import { DEFAULT_SETTINGS } from '../../../blockd/propagation/default-settings.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import type { CallContext } from '../../../common/rpc/server.ts';
import type { Closing } from '../../../wire/contracts/blockd.ts';
import type { PropagationSettings } from '../../../wire/contracts/propagation.ts';
import { CrashDisk } from '../../crash/crash-disk.ts';
import { refusal } from '../../refusal.ts';
import { shelfOn } from './quiet-shelf.ts';

const LAYER = 'l00000000000000aa';
const EMPTY: Closing = { image: 'web', epoch: 0, lastSequence: 0, entries: 0, digest: '0'.repeat(32), generation: 1 };
const OPENING = {
  ...{
    image: 'web',
    bytes: 16 * BLOCK_BYTES,
    stack: { layer: LAYER, generation: 1, below: [] },
    epoch: 1,
    last: EMPTY,
  },
  from: { node: 'a', address: '127.0.0.1' },
};
const PROACTIVE: PropagationSettings = { ...DEFAULT_SETTINGS, policy: { mode: 'proactive' } };
const context: CallContext<never> = {
  peer: { node: 'a', role: 'controller' },
  progress: () => undefined,
  signal: new AbortController().signal,
};

async function made(disk: CrashDisk): Promise<ImageShelf> {
  const shelf = await shelfOn(disk, 'a');
  await blockCalls(shelf)['image.create']({ image: 'web', layer: LAYER, bytes: OPENING.bytes }, context);
  return shelf;
}

test('an opening brings the settings along, and without them the image has the default', async () => {
  const shelf = await made(new CrashDisk());
  const calls = blockCalls(shelf);
  await calls['image.open']({ ...OPENING, propagation: PROACTIVE }, context);
  assert.equal(shelf.propagation.of('web'), PROACTIVE);
  await calls['image.close']({ image: 'web', layer: LAYER, epoch: 1 }, context);
  const last = { ...EMPTY, epoch: 1 };
  await calls['image.open']({ ...OPENING, epoch: 2, last }, context);
  assert.equal(shelf.propagation.of('web'), DEFAULT_SETTINGS);
});

test('what was told is known after a restart, until the image leaves', async () => {
  const disk = new CrashDisk();
  await blockCalls(await made(disk))['propagation.set']({ image: 'web', settings: PROACTIVE }, context);
  const again = await shelfOn(disk, 'a');
  assert.equal(again.propagation.of('web'), PROACTIVE);
  await blockCalls(again)['layer.drop']({ layer: LAYER }, context);
  const last = await shelfOn(disk, 'a');
  assert.equal(last.propagation.of('web'), DEFAULT_SETTINGS);
});

test('a policy that cannot be kept is refused by name, changes nothing and opens nothing', async () => {
  const shelf = await made(new CrashDisk());
  const calls = blockCalls(shelf);
  const snapshots = { everySeconds: 60, place: 'b', keep: 2 };
  const settings: PropagationSettings = {
    ...PROACTIVE,
    policy: { mode: 'async', rpoSeconds: 60, place: 'b' },
    snapshots,
  };
  const error = await refusal(Promise.resolve(calls['propagation.set']({ image: 'web', settings }, context)));
  assert.is(error.code, 'POLICY_UNSUPPORTED');
  assert.match(error.message, 'web');
  const opening = Promise.resolve(calls['image.open']({ ...OPENING, propagation: settings }, context));
  assert.is((await refusal(opening)).code, 'POLICY_UNSUPPORTED');
  assert.is(shelf.get('web').image.store.state.role, 'replica');
  assert.equal(shelf.propagation.of('web'), DEFAULT_SETTINGS);
});

test.run();
