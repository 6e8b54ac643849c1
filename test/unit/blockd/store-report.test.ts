// What a store says of itself to the catalogue, and the catalogue's records that it keeps.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { blockCalls } from '../../../blockd/image/block-calls.ts';
import { openLayer } from '../../../blockd/store/image-files.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { DATA, HERE } from '../../../blockd/table/version-run.ts';
import { codeOf } from '../../../common/errors.ts';
import { CrashDisk } from '../../crash/crash-disk.ts';
import { context } from './catalogue-entries.ts';
import { layerName } from './layered-image.ts';
import { shelfOn } from './quiet-shelf.ts';

const BYTES = 4 * BLOCK_BYTES;
const FROM = { node: 'a', address: '127.0.0.1' };

test('a store tells its layers: how they stand, under which epochs, and how they ended', async () => {
  const shelf = await shelfOn(new CrashDisk(), 'a');
  const calls = blockCalls(shelf);
  await calls['image.create']({ image: 'web', layer: layerName(1), bytes: BYTES }, context);
  const stack = { layer: layerName(1), generation: 1, below: [] };
  const last = shelf.get('web').image.closing();
  await calls['image.open']({ image: 'web', bytes: BYTES, stack, epoch: 3, last, from: FROM }, context);
  await shelf.get('web').image.write(0, Buffer.alloc(BLOCK_BYTES, 1), true);
  await calls['image.cut']({ cut: '00000000000000c1', cuts: [{ image: 'web', layer: layerName(2) }] }, context);
  const { layers, unusable, kept } = await calls['store.report']({}, context);
  assert.equal([unusable, kept], [[], null]);
  const [below, top] = layers.sort((one, other) => (one.layer < other.layer ? -1 : 1));
  assert.equal([below?.role, below?.epoch, below?.localBlocks], ['sealed', 3, 1]);
  assert.equal([top?.image, top?.role, top?.epoch, top?.generation, top?.closing], ['web', 'writer', 3, 2, null]);
  assert.equal(top?.ends, [{ epoch: 0, lastSequence: 0 }]);
  assert.equal(top?.below, [{ layer: layerName(1), bytes: BYTES, ...below?.table }]);
  const closing = await calls['image.close']({ image: 'web', layer: layerName(2), epoch: 3 }, context);
  const closed = (await calls['store.report']({}, context)).layers.find(({ layer }) => layer === layerName(2));
  assert.equal([closed?.role, closed?.closing], ['replica', closing]);
  await shelf.close();
});

test('what is said to be here is durable by then, and what the disk did not take is missing', async () => {
  const disk = new CrashDisk();
  const shelf = await shelfOn(disk, 'a');
  const calls = blockCalls(shelf);
  await calls['image.create']({ image: 'web', layer: layerName(1), bytes: BYTES }, context);
  const stack = { layer: layerName(1), generation: 1, below: [] };
  const last = shelf.get('web').image.closing();
  await calls['image.open']({ image: 'web', bytes: BYTES, stack, epoch: 3, last, from: FROM }, context);
  const counts = async (): Promise<unknown> => {
    const [layer] = (await calls['store.report']({}, context)).layers;
    return [layer?.localBlocks, layer?.missingBlocks];
  };
  await shelf.get('web').image.write(0, Buffer.alloc(BLOCK_BYTES, 1), false);
  assert.equal(await counts(), [1, 0]);
  const after = await openLayer(disk.afterCut({ kind: 'lose-all' }), '/state/layers', layerName(1));
  assert.is(after?.table.contentOf(0), DATA | HERE);
  await shelf.get('web').image.write(BLOCK_BYTES, Buffer.alloc(BLOCK_BYTES, 1), false);
  disk.failsSync = () => true;
  assert.equal(await counts(), [0, 2]);
});

test('newer records replace those that are kept, older ones do not, and a restart finds them', async () => {
  const disk = new CrashDisk();
  const shelf = await shelfOn(disk, 'a');
  const calls = blockCalls(shelf);
  const records = (serial: number, incarnation = 1) => ({
    mark: { incarnation, serial },
    pins: [],
    records: [{ key: 'head!web', text: `${incarnation} ${serial}` }],
  });
  const keep = async (serial: number, incarnation?: number) =>
    (await calls['records.keep'](records(serial, incarnation), context)).mark;
  assert.equal(await keep(7), { incarnation: 1, serial: 7 });
  assert.equal(await keep(6), { incarnation: 1, serial: 7 });
  assert.equal(await keep(2, 2), { incarnation: 2, serial: 2 }, 'a rebuilt catalogue counts anew');
  assert.equal(await Promise.all([keep(3, 2), keep(9, 1)]), Array(2).fill({ incarnation: 2, serial: 3 }));
  await shelf.close();
  const again = await shelfOn(disk, 'a');
  assert.equal(again.layers.records.kept, records(3, 2));
  assert.equal((await blockCalls(again)['store.report']({}, context)).kept, { incarnation: 2, serial: 3 });
  await again.close();
});

test('a store brings a recovery point only once it knows that its layers stay there', async () => {
  const shelf = await shelfOn(new CrashDisk(), 'b');
  const calls = blockCalls(shelf);
  const layers = [{ layer: layerName(1), bytes: 4096, lastSequence: 0, entries: 0, digest: '0'.repeat(32) }];
  const order = { layers, from: { node: 'a', address: '127.0.0.1' }, rateBytesPerSecond: 1e9, isPoint: true };
  const seed = async () => calls['layer.seed'](order, { ...context, progress: () => undefined });
  assert.is(await seed().catch((error: unknown) => codeOf(error)), 'POINT_UNKNOWN');
  const points = ['a', 'b'].map((node) => ({ layer: layerName(1), node }));
  await calls['records.keep'](
    { mark: { incarnation: 1, serial: 1 }, pins: [], points: points.slice(0, 1), records: [] },
    context,
  );
  assert.is(await seed().catch((error: unknown) => codeOf(error)), 'POINT_UNKNOWN', 'of another node');
  await calls['records.keep']({ mark: { incarnation: 1, serial: 2 }, pins: [], points, records: [] }, context);
  await seed();
  await shelf.close();
});

test.run();
