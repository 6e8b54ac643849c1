// Snapshots as exports of a store: which are there, what they read as, when they end.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { blockCalls } from '../../../blockd/image/block-calls.ts';
import type { ImageShelf } from '../../../blockd/image/image-shelf.ts';
import type { Serve } from '../../../blockd/image/served-image.ts';
import type { NbdDevice } from '../../../blockd/nbd/nbd-device.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { codeOf } from '../../../common/errors.ts';
import type { SealedLayer } from '../../../wire/contracts/layers.ts';
import { CrashDisk } from '../../crash/crash-disk.ts';
import { context } from './catalogue-entries.ts';
import { layerName } from './layered-image.ts';
import { isSettled, ManualClock } from './manual-clock.ts';
import { shelfOn } from './quiet-shelf.ts';

const BYTES = 4 * BLOCK_BYTES;
const [BASE, TOP, OTHER] = [layerName(1), layerName(2), layerName(3)] as const;

/** A store whose image web was cut once, and what it exports. */
class Stand {
  readonly disk = new CrashDisk();
  readonly clock = new ManualClock();
  readonly exports = new Map<string, { device: NbdDevice; bytes: number; isReadOnly: boolean }>();
  /** Names that cannot be served. */
  readonly refused = new Set<string>();
  sealed: SealedLayer = { layer: BASE, bytes: BYTES, lastSequence: 0, entries: 0, digest: '0'.repeat(32) };
  /** Told when an export has ended. */
  ended: () => void = () => undefined;
  #shelf: ImageShelf | undefined;
  #serial = 0;

  static async make(): Promise<Stand> {
    const stand = new Stand();
    await stand.start();
    const calls = blockCalls(stand.shelf);
    await calls['image.create']({ image: 'web', layer: BASE, bytes: BYTES }, context);
    const stack = { layer: BASE, generation: 1, below: [] };
    const last = stand.shelf.get('web').image.closing();
    const from = { node: 'a', address: '127.0.0.1' };
    await calls['image.open']({ image: 'web', bytes: BYTES, stack, epoch: 1, last, from }, context);
    await stand.shelf.get('web').image.write(0, Buffer.alloc(BLOCK_BYTES, 1), true);
    const cuts = [{ image: 'web', layer: TOP }];
    const cut = await calls['image.cut']({ cut: 'c000000000000001', cuts }, context);
    stand.sealed = cut.sealed[0]?.sealed ?? stand.sealed;
    await stand.shelf.get('web').image.write(0, Buffer.alloc(BLOCK_BYTES, 2), true);
    return stand;
  }

  get shelf(): ImageShelf {
    if (this.#shelf === undefined) throw new Error('not started');
    return this.#shelf;
  }

  async start(): Promise<void> {
    const serve: Serve = async (device, name, bytes, isReadOnly = false) => {
      if (this.refused.has(name)) throw new Error('the path is too long');
      this.exports.set(name, { device, bytes, isReadOnly });
      const close = async (): Promise<void> => {
        this.exports.delete(name);
        this.ended();
      };
      return { path: name, connections: 0, close };
    };
    this.#shelf = await shelfOn(this.disk, 'a', { serve, clock: this.clock });
  }

  /** Cuts web, which then has that top; answers what its top was. */
  async cut(cut: string, layer: string): Promise<SealedLayer> {
    const { sealed } = await blockCalls(this.shelf)['image.cut']({ cut, cuts: [{ image: 'web', layer }] }, context);
    return sealed[0]?.sealed ?? this.sealed;
  }

  get snapshots(): string[] {
    return [...this.exports.keys()].filter((name) => name.includes('@')).sort();
  }

  /** The catalogue names these snapshots of web, each of the layers. */
  async keep(snapshots: Readonly<Record<string, readonly SealedLayer[]>>): Promise<void> {
    const all = Object.entries(snapshots).map(([snapshot, layers]) => ({
      snapshot,
      disks: [{ image: 'web', bytes: BYTES, layers: [...layers] }],
    }));
    const mark = { incarnation: 1, serial: ++this.#serial };
    await blockCalls(this.shelf)['records.keep']({ mark, pins: [], snapshots: all, records: [] }, context);
  }

  /** What it begins by itself has ended. */
  async reviewed(): Promise<void> {
    await this.shelf.drop(OTHER);
  }
}

test('a snapshot is an export that nobody can write, and reads as it was', async () => {
  const stand = await Stand.make();
  await stand.keep({ monday: [stand.sealed] });
  assert.equal(stand.snapshots, ['web@monday']);
  const monday = stand.exports.get('web@monday');
  if (monday === undefined) throw new Error('it is not served');
  const { device, bytes, isReadOnly } = monday;
  assert.equal([bytes, isReadOnly], [BYTES, true]);
  const into = Buffer.alloc(2 * BLOCK_BYTES, 9);
  assert.ok(device.tryRead(0, into, true));
  assert.ok(into.equals(Buffer.concat([Buffer.alloc(BLOCK_BYTES, 1), Buffer.alloc(BLOCK_BYTES)])));
  assert.is(codeOf(await device.write(0, into, false)?.catch((error: unknown) => error)), 'EPERM');
  assert.is(device.endOfStatus('allocation', 0, BYTES), BLOCK_BYTES);
  await stand.shelf.close();
});

test('it comes with the records and ends with them, also over a restart', async () => {
  const stand = await Stand.make();
  assert.equal(stand.snapshots, []);
  await stand.keep({ monday: [stand.sealed], friday: [stand.sealed] });
  assert.equal(stand.snapshots, ['web@friday', 'web@monday']);
  await stand.keep({ friday: [stand.sealed] });
  assert.equal(stand.snapshots, ['web@friday']);
  await stand.shelf.close();
  assert.equal(stand.snapshots, []);
  await stand.start();
  assert.equal(stand.snapshots, ['web@friday']);
  await stand.shelf.close();
});

test('one whose layers are not here, or not as they were, is not shown, and comes once they are', async () => {
  const stand = await Stand.make();
  const changed = { ...stand.sealed, digest: 'f'.repeat(32) };
  const later: SealedLayer = { ...stand.sealed, layer: TOP };
  await stand.keep({ changed: [changed], later: [later, stand.sealed] });
  assert.equal(stand.snapshots, []);
  const cuts = [{ image: 'web', layer: layerName(4) }];
  const { sealed } = await blockCalls(stand.shelf)['image.cut']({ cut: 'c000000000000002', cuts }, context);
  assert.is(sealed[0]?.sealed.layer, TOP);
  await stand.keep({ changed: [changed], later: [sealed[0]?.sealed ?? later, stand.sealed] });
  assert.equal(stand.snapshots, ['web@later']);
  await stand.shelf.close();
});

test('layers are looked for again while some are not here', async () => {
  const stand = await Stand.make();
  const digest = stand.shelf.get('web').image.closing().digest;
  await stand.keep({ soon: [{ ...stand.sealed, layer: TOP, digest }, stand.sealed] });
  assert.equal(stand.snapshots, []);
  const cuts = [{ image: 'web', layer: layerName(4) }];
  await blockCalls(stand.shelf)['image.cut']({ cut: 'c000000000000002', cuts }, context);
  await stand.clock.advance(5_000);
  await stand.reviewed();
  assert.equal(stand.snapshots, ['web@soon']);
  await stand.shelf.close();
});

test('a layer that is dropped takes what is shown of it along first', async () => {
  const stand = await Stand.make();
  await blockCalls(stand.shelf)['image.close']({ image: 'web', layer: TOP, epoch: 1 }, context);
  await stand.keep({ monday: [stand.sealed] });
  const { layers } = stand.shelf;
  const refusal = await layers.reading([BASE], () => stand.shelf.drop(BASE)).catch((error: unknown) => codeOf(error));
  assert.is(refusal, 'LAYER_IN_USE');
  await stand.reviewed();
  assert.equal(stand.snapshots, ['web@monday'], 'it stays, and is shown again');
  let wasHere = false;
  stand.ended = () => {
    wasHere = layers.find(BASE) !== undefined;
  };
  await stand.shelf.drop(BASE);
  assert.equal([stand.snapshots, wasHere, layers.find(BASE)], [[], true, undefined]);
  await stand.reviewed();
  assert.equal(stand.snapshots, []);
  await stand.shelf.close();
});

test('while its layers are merged a snapshot stays, and goes over to what they became; one made anew does not', async () => {
  const stand = await Stand.make();
  const cuts = [{ image: 'web', layer: layerName(4) }];
  const { sealed } = await blockCalls(stand.shelf)['image.cut']({ cut: 'c000000000000002', cuts }, context);
  const upper = sealed[0]?.sealed ?? stand.sealed;
  await stand.keep({ monday: [upper, stand.sealed] });
  const served = stand.exports.get('web@monday');
  const merged = { ...stand.sealed, digest: 'f'.repeat(32) };
  await stand.keep({ monday: [merged] });
  assert.ok(served !== undefined && stand.exports.get('web@monday') === served);
  const into = Buffer.alloc(1);
  assert.ok(served?.device.tryRead(0, into, true));
  assert.is(into[0], 2);
  await stand.keep({ monday: [stand.sealed] });
  const next = stand.exports.get('web@monday');
  assert.ok(next !== undefined && next !== served, 'it is here');
  await stand.keep({ monday: [{ ...upper, layer: OTHER }] });
  assert.equal(stand.snapshots, []);
  await stand.shelf.close();
});

test('while its layers are merged it is read, also where one heard only then which number was its last', async () => {
  const stand = await Stand.make();
  const upper = await stand.cut('c000000000000002', layerName(4));
  const { layers, merges } = stand.shelf;
  const [table, lower] = [layers.find(TOP)?.store.table, layers.find(BASE)?.store];
  assert.ok(table !== undefined && lower !== undefined);
  table.lastSequence--;
  await stand.keep({ monday: [upper, stand.sealed] });
  table.lastSequence++;
  const served = stand.exports.get('web@monday');
  const planned = await merges.plan(upper, stand.sealed);
  const merged = { ...planned, merged: [{ layer: TOP, lastSequence: upper.lastSequence }] };
  const order = { from: upper, into: stand.sealed, merged };
  const { digest } = lower.table.mark;
  let looks = 0;
  // At each step of the disk.
  stand.disk.turn = () => {
    if (stand.exports.get('web@monday') !== served || lower.table.mark.digest === digest) return undefined;
    looks++;
    const into = Buffer.alloc(1);
    assert.ok(served?.device.tryRead(0, into, true));
    assert.is(into[0], 2);
    return undefined;
  };
  const done = merges.merge({ merge: order, newest: merged, source: 'a' });
  for (let ms = 0; ms < 1_000 && !(await isSettled(done)); ms++) await stand.clock.advance(1);
  assert.ok(await done);
  assert.ok(looks > 0);
  await stand.shelf.close();
});

test('one that is named as its layers became one elsewhere is read of the two that are here', async () => {
  const stand = await Stand.make();
  const upper = await stand.cut('c000000000000002', layerName(4));
  const one = await stand.shelf.merges.plan(upper, stand.sealed);
  const { lastSequence } = upper;
  await stand.keep({ monday: [{ ...one, merged: [{ layer: TOP, lastSequence }] }] });
  await stand.reviewed();
  const served = stand.exports.get('web@monday');
  const into = Buffer.alloc(1);
  assert.ok(served?.device.tryRead(0, into, true));
  assert.is(into[0], 2);
  await stand.keep({ monday: [{ ...one, merged: [{ layer: TOP, lastSequence }] }], other: [upper, stand.sealed] });
  assert.is(stand.exports.get('web@monday'), served, 'it goes on');
  for (const merged of [[{ layer: OTHER, lastSequence }], [{ layer: TOP, lastSequence: lastSequence + 1 }], []]) {
    await stand.keep({ tuesday: [{ ...one, lastSequence: lastSequence + 1, merged }] });
    await stand.reviewed();
    assert.equal(stand.snapshots, [], 'they are not what it is of');
  }
  await stand.shelf.close();
});

test('one is not read of the layers that are named, where another lies between them that is not', async () => {
  const stand = await Stand.make();
  const middle = await stand.cut('c000000000000002', layerName(4));
  const top = await stand.cut('c000000000000003', layerName(5));
  const one = await stand.shelf.merges.plan(middle, stand.sealed);
  const named = [middle, top].map(({ layer, lastSequence }) => ({ layer, lastSequence }));
  await stand.keep({ monday: [{ ...one, merged: named.slice(1) }] });
  await stand.reviewed();
  assert.equal(stand.snapshots, [], 'this node had none of it when the others were asked, and was brought it since');
  await stand.keep({ monday: [{ ...one, merged: named }] });
  await stand.reviewed();
  const into = Buffer.alloc(1);
  assert.ok(stand.exports.get('web@monday')?.device.tryRead(0, into, true));
  assert.is(into[0], 2);
  await stand.shelf.close();
});

test('what cannot be served keeps no other from it', async () => {
  const stand = await Stand.make();
  stand.refused.add('web@long');
  await stand.keep({ long: [stand.sealed], short: [stand.sealed] });
  assert.equal(stand.snapshots, ['web@short']);
  stand.refused.clear();
  await stand.clock.advance(5_000);
  await stand.reviewed();
  assert.equal(stand.snapshots, ['web@long', 'web@short']);
  await stand.shelf.close();
});

test.run();
