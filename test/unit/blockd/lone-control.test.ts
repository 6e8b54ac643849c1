// Snapshots, larger images and copies of a blockd that is alone, over starts that died between two steps and over the loss of
// its catalogue.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Decide } from '../../../blockd/catalogue/catalogue-store.ts';
import { LevelStore } from '../../../blockd/catalogue/level-store.ts';
import type { ImageShelf } from '../../../blockd/image/image-shelf.ts';
import { LoneImages } from '../../../blockd/image/lone-images.ts';
import { KeptRoom } from '../../../blockd/lone/kept-room.ts';
import { loneCalls } from '../../../blockd/lone/lone-calls.ts';
import { LoneControl } from '../../../blockd/lone/lone-control.ts';
import { LoneCuts } from '../../../blockd/lone/lone-cuts.ts';
import { LoneLayers } from '../../../blockd/lone/lone-layers.ts';
import { LoneMerges } from '../../../blockd/lone/lone-merges.ts';
import { HERE, LoneNode } from '../../../blockd/lone/lone-node.ts';
import { type Clock, realClock, type Timer } from '../../../common/clock.ts';
import { OperationError } from '../../../common/errors.ts';
import { createLog } from '../../../common/log.ts';
import type { Handlers } from '../../../common/rpc/server.ts';
import { type aloneContract, LONE_NODE } from '../../../wire/contracts/alone.ts';
import { CrashDisk } from '../../crash/crash-disk.ts';
import type { Loss } from '../../crash/inode.ts';
import { refusal } from '../../refusal.ts';
import { shelfOn } from './quiet-shelf.ts';

const WEB = { image: 'web', bytes: 16 * 4096 };
const KEPT: Loss = { kind: 'keep-all' };
const log = createLog('test', 'silent');
const { signal } = HERE;

/** The machine's clock until the test is over: a store that nobody stops looks at its images for ever. */
class TestClock implements Clock {
  readonly nowMs = realClock.nowMs;
  readonly wallMs = realClock.wallMs;
  readonly #timers = new Set<Timer>();
  #isOver = false;

  setTimer(delayMs: number, fire: () => void): Timer {
    const timer = realClock.setTimer(delayMs, fire);
    this.#timers.add(timer);
    if (this.#isOver) timer.cancel();
    return timer;
  }

  end(): void {
    this.#isOver = true;
    for (const timer of this.#timers) timer.cancel();
  }
}

let directory: string;
let records: LevelStore;
let clock: TestClock;

test.before.each(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lone-'));
  records = await LevelStore.open(directory);
  clock = new TestClock();
});

test.after.each(async () => {
  clock.end();
  await records.close();
  await rm(directory, { recursive: true, force: true });
});

interface Started {
  readonly shelf: ImageShelf;
  readonly calls: Handlers<typeof aloneContract>;
  readonly merges: LoneMerges;
}

/** As `blockd --alone` does it. */
async function start(disk: CrashDisk, ...wanted: (typeof WEB)[]): Promise<Started> {
  const shelf = await shelfOn(disk, LONE_NODE, { clock });
  const images = new LoneImages(shelf, records);
  let looks = 0;
  const room = new KeptRoom(disk, '/kept-room', async () => {
    looks++;
    return { freeBytes: 0, totalBytes: 0 };
  });
  await new LoneControl({ shelf, records, images, room, clock, log }).tidy();
  assert.is(looks, 0, 'what a start on a full disk was given is not taken again before it is over');
  await images.make(wanted);
  const names = shelf.hosts.map(({ name }) => name).filter((image) => images.isSettled(image));
  for (const image of names) await images.endLast(image);
  for (const image of names) await images.open(image, signal);
  const node = new LoneNode(shelf, records);
  await node.keepRecords();
  const layers = new LoneLayers(node, room, log);
  const merges = new LoneMerges(node, { layers, room, clock, log });
  const parts = { node, images, cuts: new LoneCuts(node), layers, merges, room };
  const calls = loneCalls(parts);
  return { shelf, calls, merges };
}

async function write({ shelf }: Started, image: string, block: number, byte: number): Promise<void> {
  await shelf.get(image).image.write(block * 4096, Buffer.alloc(4096, byte), true);
}

function firstBytes({ shelf }: Started, image: string, blocks: readonly number[]): (number | undefined)[] {
  return blocks.map((block) => {
    const into = Buffer.alloc(4096);
    assert.ok(shelf.get(image).image.tryRead(block * 4096, into));
    return into[0];
  });
}

const layerNames = async (disk: CrashDisk): Promise<string[]> =>
  (await disk.list('/state/layers')).filter((name) => name.endsWith('.journal'));

test('a snapshot stays as it was, a copy begins with it, and both go with what only they need', async () => {
  const disk = new CrashDisk();
  const alone = await start(disk, WEB);
  await write(alone, 'web', 0, 7);
  await alone.calls['snapshot.create']({ snapshot: 'monday', images: ['web'] }, HERE);
  await write(alone, 'web', 0, 8);
  await alone.calls['image.clone']({ image: 'web2', from: 'monday' }, HERE);
  await write(alone, 'web2', 1, 9);
  const after = disk.afterKill();
  const later = await start(after);
  assert.equal(firstBytes(later, 'web', [0, 1]), [8, 0]);
  assert.equal(firstBytes(later, 'web2', [0, 1]), [7, 9]);
  assert.equal(
    later.shelf.layers.records.kept?.snapshots?.map(({ snapshot }) => snapshot),
    ['monday'],
  );
  const before = (await layerNames(after)).length;
  assert.equal(await later.calls['image.delete']({ image: 'web2' }, HERE), { waitsFor: [] });
  assert.equal(await later.calls['snapshot.delete']({ snapshot: 'monday' }, HERE), { waitsFor: [] });
  assert.is((await layerNames(after)).length, before - 1);
  assert.equal(firstBytes(await start(after.afterKill()), 'web', [0, 1]), [8, 0]);
});

test('a larger image is larger at once and after a kill, and never smaller', async () => {
  const disk = new CrashDisk();
  const alone = await start(disk, WEB);
  await write(alone, 'web', 15, 7);
  assert.is((await alone.calls['image.resize']({ image: 'web', bytes: 2 * WEB.bytes }, HERE)).bytes, 2 * WEB.bytes);
  await write(alone, 'web', 31, 8);
  const later = await start(disk.afterKill());
  assert.equal(firstBytes(later, 'web', [15, 16, 31]), [7, 0, 8]);
  const smaller = async (): Promise<unknown> => later.calls['image.resize']({ image: 'web', bytes: 4096 }, HERE);
  assert.is((await refusal(smaller())).code, 'SHRINK_REFUSED');
});

test('a start that died before the catalogue heard of a cut records it; one before the cut takes it back', async () => {
  for (const wasCut of [true, false]) {
    const disk = new CrashDisk();
    const alone = await start(disk, WEB);
    await write(alone, 'web', 0, 7);
    const { catalogue, store } = new LoneNode(alone.shelf, records);
    const { generation } = records.get('web').head.stack;
    const [cut, layer] = ['c0ffee00c0ffee00', 'l00000000000000bb'];
    await catalogue['snapshot.begin']({ cut, snapshot: 'm', cuts: [{ image: 'web', generation, layer }] }, HERE);
    if (wasCut) await store['image.cut']({ cut, cuts: [{ image: 'web', layer }] }, HERE);
    const later = await start(disk.afterKill());
    assert.equal(
      records.snapshots.map(({ snapshot }) => snapshot),
      wasCut ? ['m'] : [],
    );
    assert.equal(firstBytes(later, 'web', [0]), [7]);
    if (wasCut) await later.calls['snapshot.delete']({ snapshot: 'm' }, HERE);
    await later.calls['image.delete']({ image: 'web' }, HERE);
  }
});

test('what was deleted and is still to go is not made anew; a copy that was promised is made', async () => {
  const disk = new CrashDisk();
  const alone = await start(disk, WEB, { ...WEB, image: 'log' });
  await write(alone, 'web', 0, 7);
  await alone.calls['snapshot.create']({ snapshot: 'm', images: ['web'] }, HERE);
  const { catalogue } = new LoneNode(alone.shelf, records);
  const clone = { image: 'web2', layer: 'l00000000000000cc', snapshot: 'm', disk: 'web' };
  await catalogue['image.clone'](clone, HERE);
  await new LoneImages(alone.shelf, records).endLast('log');
  await catalogue['image.remove']({ image: 'log', nodes: [LONE_NODE] }, HERE);
  // As when a layer cannot be dropped yet.
  await new LoneImages(await shelfOn(disk.afterKill(), LONE_NODE), records).make([]);
  assert.equal(records.heads.map(({ image }) => image).sort(), ['web', 'web2']);
  const later = await start(disk.afterKill());
  assert.equal(records.heads.map(({ image }) => image).sort(), ['web', 'web2']);
  assert.equal(records.leaving, []);
  assert.equal(firstBytes(later, 'web2', [0]), [7]);
});

test('of a catalogue that is gone the snapshots are made again too, and what stands on them', async () => {
  const disk = new CrashDisk();
  const alone = await start(disk, WEB);
  await write(alone, 'web', 0, 7);
  await alone.calls['snapshot.create']({ snapshot: 'm', images: ['web'] }, HERE);
  await write(alone, 'web', 1, 8);
  await records.close();
  await rm(directory, { recursive: true });
  records = await LevelStore.open(directory);
  const later = await start(disk.afterKill());
  assert.equal(
    records.snapshots.map(({ snapshot }) => snapshot),
    ['m'],
  );
  assert.is(records.get('web').head.stack.below.length, 1);
  assert.equal(firstBytes(later, 'web', [0, 1]), [7, 8]);
  await later.calls['snapshot.create']({ snapshot: 'n', images: ['web'] }, HERE);
  await later.calls['snapshot.delete']({ snapshot: 'm' }, HERE);
  await later.merges.look();
  const last = await start(disk.afterKill());
  assert.equal(firstBytes(last, 'web', [0, 1]), [7, 8]);
  assert.equal(
    last.shelf.layers.records.kept?.snapshots?.map(({ snapshot }) => snapshot),
    ['n'],
  );
});

test('a snapshot whose layers are all needed is gone with the catalogue too', async () => {
  const disk = new CrashDisk();
  const alone = await start(disk, WEB);
  await write(alone, 'web', 0, 7);
  await alone.calls['snapshot.create']({ snapshot: 'm', images: ['web'] }, HERE);
  await alone.calls['image.clone']({ image: 'web2', from: 'm' }, HERE);
  await alone.calls['snapshot.delete']({ snapshot: 'm' }, HERE);
  await records.close();
  await rm(directory, { recursive: true });
  records = await LevelStore.open(directory);
  const later = await start(disk.afterKill());
  assert.equal(records.snapshots, []);
  assert.equal(firstBytes(later, 'web2', [0]), [7]);
});

test('of snapshots that are deleted one layer is left: an image takes more of them than it may have layers', async () => {
  const disk = new CrashDisk();
  const alone = await start(disk, WEB);
  for (let day = 0; day < 70; day++) {
    await write(alone, 'web', day % 16, day + 1);
    await alone.calls['snapshot.create']({ snapshot: `day${day}`, images: ['web'] }, HERE);
    if (day > 1) await alone.calls['snapshot.delete']({ snapshot: `day${day - 2}` }, HERE);
    await alone.merges.look();
  }
  assert.is(records.get('web').head.stack.below.length, 2);
  assert.equal(records.leaving, []);
  const newest = Array.from({ length: 16 }, (_, block) => (block < 6 ? block + 65 : block + 49));
  const all = newest.map((_, block) => block);
  assert.equal(firstBytes(alone, 'web', all), newest);
  await alone.calls['image.clone']({ image: 'web2', from: 'day68' }, HERE);
  const later = await start(disk.afterKill());
  assert.equal(firstBytes(later, 'web', all), newest);
  assert.equal(firstBytes(later, 'web2', [4, 5]), [69, 54]);
});

/** Every catalogue that a test made is gone. */
async function forgetAll(): Promise<void> {
  await records.close();
  await rm(directory, { recursive: true });
  records = await LevelStore.open(directory);
}

test('a power cut before any step of a merge loses nothing, not even with the catalogue', async () => {
  let cuts = 0;
  for (let steps = 0, wasCut = true; wasCut; steps++) {
    const disk = new CrashDisk();
    const alone = await start(disk, WEB);
    for (const [block, snapshot] of ['m', 'n', 'o'].entries()) {
      await write(alone, 'web', block, block + 7);
      await alone.calls['snapshot.create']({ snapshot, images: ['web'] }, HERE);
    }
    await write(alone, 'web', 0, 10);
    disk.cutAfter(steps);
    const all = Promise.resolve(alone.calls['snapshot.delete']({ snapshot: 'n' }, HERE)).then(() =>
      alone.merges.look(),
    );
    wasCut = await Promise.race([disk.cut.then(() => true), all.then(() => false)]);
    if (wasCut) cuts++;
    const isForgotten = steps % 2 === 1;
    if (isForgotten) await forgetAll();
    const loss = disk.losses()[steps % 4 < 2 ? 0 : 1] ?? KEPT;
    const later = await start(disk.afterCut(loss));
    const said = `cut before step ${steps}, ${JSON.stringify(loss)}`;
    assert.equal(firstBytes(later, 'web', [0, 1, 2, 3]), [10, 8, 9, 0], said);
    await later.merges.look();
    assert.equal(firstBytes(later, 'web', [0, 1, 2, 3]), [10, 8, 9, 0], said);
    if (!isForgotten) assert.is(records.get('web').head.stack.below.length, 2, said);
    await later.calls['image.clone']({ image: 'o2', from: 'o' }, HERE);
    assert.equal(firstBytes(later, 'o2', [0, 1, 2, 3]), [7, 8, 9, 0], said);
    await forgetAll();
  }
  assert.ok(cuts > 20, `${cuts} cuts`);
});

/** A snapshot of web, of which the catalogue has noted the beginning and had no room for the end. */
async function brokenOff(alone: Started): Promise<void> {
  await write(alone, 'web', 0, 7);
  const { commit } = records;
  let commits = 0;
  records.commit = async <T>(decide: Decide<T>): Promise<T> => {
    if (++commits === 2) throw new OperationError('ENOSPC', 'no room');
    return commit.call(records, decide) as Promise<T>;
  };
  const failed = Promise.resolve(alone.calls['snapshot.create']({ snapshot: 'm', images: ['web'] }, HERE));
  assert.is((await refusal(failed)).code, 'ENOSPC');
  records.commit = commit;
}

test('a cut whose end the catalogue had no room for is settled by the next order, without a restart', async () => {
  const alone = await start(new CrashDisk(), WEB);
  await brokenOff(alone);
  assert.not.equal(records.get('web').head.cut, null);
  await alone.calls['image.resize']({ image: 'web', bytes: 2 * WEB.bytes }, HERE);
  assert.is(records.get('web').head.cut, null);
  assert.ok(records.findSnapshot('m'), 'the store had made it');
});

test('a name is used once', async () => {
  const { calls } = await start(new CrashDisk(), WEB);
  const call = async (work: () => unknown): Promise<unknown> => work();
  const again = call(() => calls['image.create']({ image: 'web', node: LONE_NODE, bytes: 4096 }, HERE));
  assert.is((await refusal(again)).code, 'IMAGE_EXISTS');
});

test('of two that are made under one name at once one is made, and nothing is left of the other', async () => {
  const disk = new CrashDisk();
  const { calls } = await start(disk);
  const create = async (): Promise<unknown> =>
    calls['image.create']({ image: 'web', node: LONE_NODE, bytes: 4096 }, HERE);
  const first = create();
  assert.is((await refusal(create())).code, 'IMAGE_BUSY');
  await first;
  assert.is((await layerNames(disk)).length, 1);
});

test('an image that cannot be used is said to be so by its own name, keeps no name and can be deleted', async () => {
  const disk = new CrashDisk();
  const alone = await start(disk, WEB, { ...WEB, image: 'log' }, { ...WEB, image: 'mail' });
  for (const image of ['web', 'log', 'mail']) await write(alone, image, 0, 7);
  const after = disk.afterKill();
  for (const image of ['web', 'log']) {
    const journal = `/state/layers/${records.get(image).head.stack.layer}.journal`;
    await spoil(after, journal);
  }
  const later = await start(after);
  const call = async (work: () => unknown): Promise<unknown> => work();
  for (const image of ['web', 'log']) {
    const layer = records.get(image).head.stack.layer;
    for (const work of [
      () => later.calls['image.show']({ image }, HERE),
      () => later.calls['image.scrub']({ image }, HERE),
      () => later.calls['image.resize']({ image, bytes: 2 * WEB.bytes }, HERE),
      () => later.calls['snapshot.create']({ snapshot: 'm', images: ['mail', image] }, HERE),
    ]) {
      const { code, message } = await refusal(call(work));
      assert.is(code, 'IMAGE_UNUSABLE');
      assert.ok(message.startsWith(`layer ${layer} cannot be used`), message);
    }
  }
  const { images } = await later.calls['image.list']({}, HERE);
  assert.equal(
    images.map(({ image, writer, doubt }) => [image, writer, doubt?.slice(0, 6)]),
    [
      ['web', null, 'layer '],
      ['log', null, 'layer '],
      ['mail', LONE_NODE, undefined],
    ],
  );
  await later.calls['snapshot.create']({ snapshot: 'm', images: ['mail'] }, HERE);
  for (const image of ['web', 'log']) {
    assert.equal(await later.calls['image.delete']({ image }, HERE), { waitsFor: [] });
    await later.calls['image.create']({ image, node: LONE_NODE, bytes: WEB.bytes }, HERE);
    assert.equal(firstBytes(later, image, [0]), [0]);
  }
  assert.is((await layerNames(after)).length, 4);
});

/** Another byte in the middle of what was written first. */
async function spoil(disk: CrashDisk, path: string): Promise<void> {
  const file = await disk.open(path, 'write');
  await file.write(Uint8Array.of(0xff), 20);
  await file.datasync();
  await file.close();
}

test('an image whose cut was broken off by a full disk can be deleted', async () => {
  const alone = await start(new CrashDisk(), WEB);
  await brokenOff(alone);
  await alone.calls['image.delete']({ image: 'web' }, HERE);
  assert.is(records.find('web'), undefined);
});

test.run();
