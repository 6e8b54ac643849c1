// A closed image as an export for readers: what it reads as, when it comes and when it ends.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { blockCalls } from '../../../blockd/image/block-calls.ts';
import type { ImageShelf } from '../../../blockd/image/image-shelf.ts';
import type { Serve } from '../../../blockd/image/served-image.ts';
import type { NbdDevice } from '../../../blockd/nbd/nbd-device.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { codeOf } from '../../../common/errors.ts';
import type { Closing } from '../../../wire/contracts/blockd.ts';
import { CrashDisk } from '../../crash/crash-disk.ts';
import { context } from './catalogue-entries.ts';
import { layerName } from './layered-image.ts';
import { shelfOn } from './quiet-shelf.ts';

const BYTES = 4 * BLOCK_BYTES;
const LAYER = layerName(1);
const STACK = { layer: LAYER, generation: 1, below: [] };
const FROM = { node: 'a', address: '127.0.0.1' };

/** A store that has image web, closed under epoch 1, and what it exports. */
class Stand {
  readonly disk = new CrashDisk();
  readonly exports = new Map<string, { device: NbdDevice; isReadOnly: boolean }>();
  /** Exports that began and ended. */
  readonly events: string[] = [];
  #shelf: ImageShelf | undefined;
  #serial = 0;
  last: Closing = { image: 'web', epoch: 0, lastSequence: 0, entries: 0, digest: '0'.repeat(32), generation: 1 };

  static async make(): Promise<Stand> {
    const stand = new Stand();
    await stand.start();
    await stand.calls['image.create']({ image: 'web', layer: LAYER, bytes: BYTES }, context);
    await stand.write(1, 7);
    return stand;
  }

  async start(): Promise<void> {
    const serve: Serve = async (device, name, _bytes, isReadOnly = false) => {
      this.exports.set(name, { device, isReadOnly });
      this.events.push(isReadOnly ? 'shown' : 'written');
      return { path: `/${name}`, connections: isReadOnly ? 2 : 0, close: async () => this.#end(name, isReadOnly) };
    };
    this.#shelf = await shelfOn(this.disk, 'a', { serve });
  }

  #end(name: string, isReadOnly: boolean): void {
    this.exports.delete(name);
    this.events.push(isReadOnly ? 'hidden' : 'closed');
  }

  get shelf(): ImageShelf {
    if (this.#shelf === undefined) throw new Error('not started');
    return this.#shelf;
  }

  get calls(): ReturnType<typeof blockCalls> {
    return blockCalls(this.shelf);
  }

  /** Opens it for writing, which may wait for nobody, writes its first block and closes it. */
  async write(epoch: number, pattern: number): Promise<void> {
    const opening = { image: 'web', bytes: BYTES, stack: STACK, epoch, last: this.last, from: FROM };
    await this.calls['image.open'](opening, context);
    await this.shelf.get('web').image.write(0, Buffer.alloc(BLOCK_BYTES, pattern), true);
    this.last = await this.calls['image.close']({ image: 'web', layer: LAYER, epoch }, context);
  }

  /** The catalogue says who reads it. */
  async keep(...nodes: readonly string[]): Promise<void> {
    const { lastSequence, entries, digest, epoch } = this.last;
    const layers = [{ layer: LAYER, bytes: BYTES, lastSequence, entries, digest }];
    const readers = nodes.map((node) => ({ image: 'web', node, bytes: BYTES, epoch, layers }));
    const mark = { incarnation: 1, serial: ++this.#serial };
    await this.calls['records.keep']({ mark, pins: [], readers, records: [] }, context);
  }

  async read(): Promise<string> {
    const order = { image: 'web', bytes: BYTES, stack: STACK, epoch: this.last.epoch + 1, last: this.last, from: FROM };
    return (await this.calls['image.read'](order, context)).socket;
  }

  get first(): number | undefined {
    const into = Buffer.alloc(BLOCK_BYTES);
    return this.exports.get('web')?.device.tryRead(0, into, true) === true ? into[0] : undefined;
  }
}

test('it reads as it was closed, and nobody can write it', async () => {
  const stand = await Stand.make();
  await stand.keep('a', 'b');
  assert.is(await stand.read(), '/web');
  assert.is(stand.first, 7);
  const { device, isReadOnly } = stand.exports.get('web') ?? {};
  assert.is(isReadOnly, true);
  assert.is(
    codeOf(await device?.write(0, Buffer.alloc(BLOCK_BYTES), false)?.catch((error: unknown) => error)),
    'EPERM',
  );
  assert.equal(await stand.calls['reader.list']({}, context), { readers: [{ image: 'web', clients: 2 }] });
  await stand.shelf.close();
});

test('one that the records do not name is refused, and shown to nobody', async () => {
  const stand = await Stand.make();
  await stand.keep('b');
  assert.is(codeOf(await stand.read().catch((error: unknown) => error)), 'READER_UNKNOWN');
  assert.is(stand.exports.size, 0);
  await stand.shelf.close();
});

test('it ends with the records, comes again after a restart, and its state here is the one that was closed', async () => {
  const stand = await Stand.make();
  await stand.keep('a');
  await stand.read();
  await stand.shelf.close();
  assert.is(stand.exports.size, 0);
  await stand.start();
  assert.is(stand.first, 7);
  await stand.keep();
  assert.is(stand.exports.size, 0);
  await stand.shelf.close();
});

test('an opening for writing takes its place, also where the records still name it', async () => {
  const stand = await Stand.make();
  await stand.keep('a');
  await stand.read();
  await stand.write(2, 9);
  assert.equal(stand.events.slice(-4), ['shown', 'hidden', 'written', 'closed']);
  await stand.keep('a');
  assert.is(stand.first, 9, 'a later reading');
  await stand.shelf.close();
});

test('who was cut off reads nothing of the next writer, whose table came to be here', async () => {
  const stand = await Stand.make();
  await stand.keep('a');
  await stand.read();
  const device = stand.exports.get('web')?.device;
  const { table } = stand.shelf.get('web').image.store;
  table.learn(
    { first: 0, count: 1, high: 2 * 256, low: table.lastSequence + 1, flags: 0, holder: 0, sumAt: () => 0 },
    0,
  );
  assert.is(stand.first, undefined, 'a hole of the next writer');
  assert.is(device?.direct?.fileOf(BLOCK_BYTES, BLOCK_BYTES), undefined);
  assert.is(device?.hasStatus, false);
  assert.is(codeOf(await device?.makeReadable(0, BLOCK_BYTES).catch((error: unknown) => error)), 'EXPORT_ENDED');
  await stand.shelf.close();
});

test('an image that is written here is not shown to readers that old records name, also after a restart', async () => {
  const stand = await Stand.make();
  const opening = { image: 'web', bytes: BYTES, stack: STACK, epoch: 2, last: stand.last, from: FROM };
  await stand.calls['image.open'](opening, context);
  const cuts = [{ image: 'web', layer: layerName(2) }];
  const [cut] = (await stand.calls['image.cut']({ cut: 'c000000000000001', cuts }, context)).sealed;
  const layers = cut === undefined ? [] : [cut.sealed];
  const readers = [{ image: 'web', node: 'a', bytes: BYTES, epoch: 1, layers }];
  await stand.calls['records.keep']({ mark: { incarnation: 1, serial: 9 }, pins: [], readers, records: [] }, context);
  assert.is(stand.exports.get('web')?.isReadOnly, false);
  await stand.shelf.close();
  await stand.start();
  assert.is(stand.exports.get('web')?.isReadOnly, false);
  assert.ok(!stand.events.includes('shown'));
  await stand.shelf.close();
});

test.run();
