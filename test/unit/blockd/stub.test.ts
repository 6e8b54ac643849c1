// A stub: an image, or a layer of one, that is pinned to another place. What is asked of it waits and never fails, until
// the pin is gone; only a client that leaves for the place is told to ask there.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { blockCalls } from '../../../blockd/image/block-calls.ts';
import type { ImageShelf } from '../../../blockd/image/image-shelf.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { codeOf } from '../../../common/errors.ts';
import type { LayerPin } from '../../../wire/contracts/store-report.ts';
import { CrashDisk } from '../../crash/crash-disk.ts';
import { refusal } from '../../refusal.ts';
import { context } from './catalogue-entries.ts';
import { layerName } from './layered-image.ts';
import { learn } from './learnt.ts';
import { ManualClock, settle } from './manual-clock.ts';
import { shelfOn } from './quiet-shelf.ts';

const BYTES = 4 * BLOCK_BYTES;
const FROM = { node: 'b', address: '127.0.0.1' };
const PIN: LayerPin = { layer: layerName(1), place: 'alpha', nodes: ['a'] };

const test = suite<{ disk: CrashDisk; clock: ManualClock; shelf: ImageShelf; serial: number }>('stub');

test.before.each(async (context_) => {
  context_.disk = new CrashDisk();
  context_.clock = new ManualClock();
  context_.serial = 0;
  context_.shelf = await shelfOn(context_.disk, 'b', { clock: context_.clock });
  const calls = blockCalls(context_.shelf);
  await calls['image.create']({ image: 'web', layer: layerName(1), bytes: BYTES }, context);
});
test.after.each(({ shelf }) => shelf.close());

async function open(shelf: ImageShelf): Promise<void> {
  const stack = { layer: layerName(1), generation: 1, below: [] };
  const last = shelf.get('web').image.closing();
  await blockCalls(shelf)['image.open']({ image: 'web', bytes: BYTES, stack, epoch: 1, last, from: FROM }, context);
}

async function pins(stand: { shelf: ImageShelf; serial: number }, ...all: LayerPin[]): Promise<void> {
  stand.serial++;
  const mark = { incarnation: 1, serial: stand.serial };
  await blockCalls(stand.shelf)['records.keep']({ mark, pins: all, records: [] }, context);
}

/** Whether it has ended by now. */
function watched(work: Promise<unknown>): () => string {
  let state = 'waits';
  work.then(
    () => {
      state = 'done';
    },
    (error: unknown) => {
      state = codeOf(error) ?? String(error);
    },
  );
  return () => state;
}

test('reads and writes wait while the image is pinned elsewhere, are shown, and go on when it is not', async (stand) => {
  const { shelf } = stand;
  await pins(stand, PIN);
  await open(shelf);
  const { image } = shelf.get('web');
  assert.equal(shelf.get('web').show().stub, { place: 'alpha', waiting: 0 });
  const read = watched(image.readLater(0, BLOCK_BYTES));
  const written = watched(Promise.resolve(image.write(0, Buffer.alloc(BLOCK_BYTES, 7), true)));
  await stand.clock.advance(600_000);
  assert.equal([read(), written()], ['waits', 'waits'], 'however long it takes');
  assert.equal(shelf.get('web').show().stub, { place: 'alpha', waiting: 2 });
  await pins(stand);
  await settle();
  assert.equal([read(), written()], ['done', 'done']);
  assert.is(shelf.get('web').show().stub, undefined);
  assert.equal([...(await image.readLater(0, 2))], [7, 7]);
});

test('at its place it is no stub, and it is not dropped there', async (stand) => {
  const { shelf } = stand;
  await pins(stand, { ...PIN, nodes: ['b'] });
  await open(shelf);
  await shelf.get('web').image.readLater(0, BLOCK_BYTES);
  await blockCalls(shelf)['image.close']({ image: 'web', layer: layerName(1), epoch: 1 }, context);
  const drop = async () => blockCalls(shelf)['layer.drop']({ layer: layerName(1) }, context);
  assert.is((await refusal(drop())).code, 'LAYER_IN_USE');
  await pins(stand, PIN);
  await drop();
});

test('a restart finds the pin again before anyone is served', async (stand) => {
  await open(stand.shelf);
  await pins(stand, PIN);
  await stand.shelf.close();
  stand.shelf = await shelfOn(stand.disk, 'b', { clock: stand.clock });
  const read = watched(stand.shelf.get('web').image.readLater(0, BLOCK_BYTES));
  await settle();
  assert.is(read(), 'waits');
});

test('a client that leaves for the place is told to ask there; one whose move came to nothing waits again', async (stand) => {
  const { shelf } = stand;
  await pins(stand, PIN);
  await open(shelf);
  const { image } = shelf.get('web');
  const read = watched(image.readLater(0, BLOCK_BYTES));
  const replica = shelf.layers.followers.join(image.store.layer, 'c', () => undefined);
  replica.begun();
  replica.takes(false);
  await settle();
  assert.is(read(), 'waits', 'a replica is no stand-by');
  const standby = shelf.layers.followers.join(image.store.layer, 'a', () => undefined);
  standby.begun();
  standby.takes(true);
  await settle();
  assert.is(read(), 'STUB_LEAVES');
  const late = watched(image.readLater(0, BLOCK_BYTES));
  await settle();
  assert.is(late(), 'STUB_LEAVES');
  const flushed = watched(Promise.resolve(image.flush()));
  await settle();
  assert.is(flushed(), 'done', 'QEMU flushes before it leaves');
  shelf.layers.followers.leave(standby);
  const again = watched(image.readLater(0, BLOCK_BYTES));
  await stand.clock.advance(60_000);
  assert.is(again(), 'waits');
});

test('of a clone only what it needs of the pinned base waits', async (stand) => {
  const { shelf } = stand;
  const below = { layer: layerName(9), bytes: BYTES, lastSequence: 3, entries: 1, digest: 'ab'.repeat(16) };
  const base = await shelf.layers.create({ image: 'base', layer: below.layer, bytes: BYTES, isOrigin: false });
  const { store } = base;
  learn(store.table, 0, [256, 3], store.holderIndex('a'));
  await store.commit({ state: { role: 'sealed' } });
  const sealed = { ...below, ...store.table.mark };
  const stack = { layer: layerName(2), generation: 1, below: [sealed] };
  const last = {
    image: 'clone',
    epoch: 0,
    lastSequence: sealed.lastSequence,
    entries: 0,
    digest: '0'.repeat(32),
    generation: 1,
  };
  await pins(stand, { ...PIN, layer: below.layer });
  await blockCalls(shelf)['image.open']({ image: 'clone', bytes: BYTES, stack, epoch: 1, last, from: FROM }, context);
  const { image } = shelf.get('clone');
  await image.write(BLOCK_BYTES, Buffer.alloc(BLOCK_BYTES, 7), true);
  assert.equal([...(await image.readLater(BLOCK_BYTES, 1))], [7]);
  const read = watched(image.readLater(0, BLOCK_BYTES));
  await settle();
  assert.equal([read(), shelf.get('clone').show().stub], ['waits', { place: 'alpha', waiting: 1 }]);
  assert.is((await refusal(base.fetch(0, 1, 'background'))).code, 'LAYER_PINNED');
  const standby = shelf.layers.followers.join(layerName(2), 'a', () => undefined);
  standby.begun();
  standby.takes(true);
  await settle();
  assert.is(read(), 'LAYER_PINNED', 'its client leaves for the place');
});

test.run();
