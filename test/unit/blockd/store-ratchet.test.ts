// How far a store has come is known for ever once it was told, whatever stops it, and an older copy of it has not got it
// (SOUNDNESS D2). Nothing that a store may lose by right is taken for that.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { judgeNotch, type NotchVerdict } from '../../../blockd/catalogue/store-rollback.ts';
import { blockCalls } from '../../../blockd/image/block-calls.ts';
import type { ImageShelf } from '../../../blockd/image/image-shelf.ts';
import { StoreRatchet } from '../../../blockd/image/store-ratchet.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { codeOf } from '../../../common/errors.ts';
import { createLog } from '../../../common/log.ts';
import type { Notch, SaidNotch } from '../../../wire/contracts/store-notch.ts';
import { CrashDisk } from '../../crash/crash-disk.ts';
import { context } from './catalogue-entries.ts';
import { layerName } from './layered-image.ts';
import { settle } from './manual-clock.ts';
import { shelfOn } from './quiet-shelf.ts';

const PATH = '/state/ratchet.json';
const BYTES = 4 * BLOCK_BYTES;
const FROM = { node: 'a', address: '127.0.0.1' };
const STACK = { layer: layerName(1), generation: 1, below: [] };
const log = createLog('test', 'silent');

/** What a catalogue does with the answers of one store. */
class Witness {
  known: Notch | undefined;

  async ask(show: (at: number) => Promise<SaidNotch>): Promise<NotchVerdict['kind']> {
    const said = await show(this.known?.count ?? 0);
    const { kind } = judgeNotch('a', this.known, said);
    if (kind === 'ahead') this.known = said.now;
    return kind;
  }

  askShelf(shelf: ImageShelf): Promise<NotchVerdict['kind']> {
    return this.ask(async (at) => blockCalls(shelf)['store.notch']({ at }, context));
  }
}

const ratchetOn = (disk: CrashDisk): StoreRatchet => new StoreRatchet(disk, PATH, log);

test('a notch is made when something has changed, once per change and process, and each is remembered', async () => {
  const disk = new CrashDisk();
  const ratchet = ratchetOn(disk);
  const first = await ratchet.show(0, () => 'one');
  assert.equal([first.now.count, first.wordAt], [1, undefined]);
  assert.equal(await ratchet.show(1, () => 'one'), { now: first.now, at: 1, wordAt: first.now.word });
  const { now, wordAt } = await ratchet.show(1, () => 'two');
  assert.equal([now.store, now.count, wordAt], [first.now.store, 2, first.now.word]);
  assert.is.not(now.word, first.now.word);
  const again = await ratchetOn(disk).show(1, () => 'two');
  assert.equal([again.now.store, again.now.count, again.wordAt], [now.store, 3, first.now.word]);
  assert.is((await ratchet.show(9, () => 'two')).wordAt, undefined, 'it never was there');
});

test('questions that come together are answered one after the other', async () => {
  const ratchet = ratchetOn(new CrashDisk());
  let state = 0;
  const answers = await Promise.all(Array.from({ length: 5 }, () => ratchet.show(0, () => `${state++}`)));
  assert.equal(
    answers.map(({ now }) => now.count),
    [1, 2, 3, 4, 5],
  );
});

test('what was told is there after a crash at any step of a later notch, whatever of it is lost', async () => {
  for (let step = 0; ; step++) {
    const disk = new CrashDisk();
    const witness = new Witness();
    const ratchet = ratchetOn(disk);
    await witness.ask((at) => ratchet.show(at, () => 'one'));
    await witness.ask((at) => ratchet.show(at, () => 'two'));
    const before = disk.steps;
    disk.cutAfter(step);
    const asked = witness.ask((at) => ratchet.show(at, () => 'three')).catch(() => undefined);
    await Promise.race([asked, disk.cut]);
    await settle();
    const isWhole = disk.steps - before < step;
    const stores = isWhole
      ? [disk.afterKill()]
      : [disk.afterKill(), ...disk.losses().map((loss) => disk.afterCut(loss))];
    const known = witness.known;
    for (const [index, found] of stores.entries()) {
      witness.known = known;
      assert.is(
        await witness.ask((at) => ratchetOn(found).show(at, () => 'x')),
        'ahead',
        `step ${step}, loss ${index}`,
      );
    }
    if (isWhole) break;
  }
});

test('an older copy is behind, at once and also once it has gone on as far; so is a twin', async () => {
  const disk = new CrashDisk();
  const witness = new Witness();
  const ratchet = ratchetOn(disk);
  await witness.ask((at) => ratchet.show(at, () => 'one'));
  const copy = disk.afterKill();
  await witness.ask((at) => ratchet.show(at, () => 'two'));
  await witness.ask((at) => ratchet.show(at, () => 'three'));
  assert.is(witness.known?.count, 3);
  const old = ratchetOn(copy);
  assert.is(await witness.ask((at) => old.show(at, () => 'one')), 'behind', 'notch 2 of 3');
  assert.is(await witness.ask((at) => old.show(at, () => '3')), 'behind', 'another notch 3');
  assert.is(await witness.ask((at) => old.show(at, () => '4')), 'behind', 'notch 4, after another notch 3');
  assert.is(await witness.ask((at) => ratchet.show(at, () => 'four')), 'ahead');
});

test('a store that was emptied is another one', async () => {
  const witness = new Witness();
  await witness.ask((at) => ratchetOn(new CrashDisk()).show(at, () => 'one'));
  assert.is(await witness.ask((at) => ratchetOn(new CrashDisk()).show(at, () => 'one')), 'behind');
});

test('who asks for what was too long ago is told nothing of it, and believes it', async () => {
  const ratchet = ratchetOn(new CrashDisk());
  const witness = new Witness();
  await witness.ask((at) => ratchet.show(at, () => 'first'));
  for (let count = 0; count < 255; count++) await ratchet.show(0, () => `${count}`);
  assert.is.not((await ratchet.show(1, () => '254')).wordAt, undefined, '256 are remembered');
  await ratchet.show(0, () => 'last');
  assert.is((await ratchet.show(1, () => 'last')).wordAt, undefined);
  assert.is(await witness.ask((at) => ratchet.show(at, () => 'last')), 'ahead');
});

test('a full disk leaves the ratchet where it is; only a store that never had a notch tells none', async () => {
  const disk = new CrashDisk();
  disk.isFull = true;
  assert.is(
    await ratchetOn(disk)
      .show(0, () => 'one')
      .catch(codeOf),
    'ENOSPC',
  );
  disk.isFull = false;
  const ratchet = ratchetOn(disk);
  const witness = new Witness();
  await witness.ask((at) => ratchet.show(at, () => 'one'));
  disk.isFull = true;
  assert.is(await witness.ask((at) => ratchet.show(at, () => 'two')), 'same');
  assert.is(await witness.ask((at) => ratchetOn(disk).show(at, () => 'two')), 'same', 'also after a restart');
  disk.isFull = false;
  assert.is(await witness.ask((at) => ratchet.show(at, () => 'two')), 'ahead');
});

async function writerOn(disk: CrashDisk): Promise<ImageShelf> {
  const shelf = await shelfOn(disk, 'a');
  const calls = blockCalls(shelf);
  await calls['image.create']({ image: 'web', layer: layerName(1), bytes: BYTES }, context);
  const last = shelf.get('web').image.closing();
  await calls['image.open']({ image: 'web', bytes: BYTES, stack: STACK, epoch: 1, last, from: FROM }, context);
  return shelf;
}

async function write(shelf: ImageShelf, byte: number, isDurable: boolean): Promise<void> {
  await shelf.get('web').image.write(0, Buffer.alloc(BLOCK_BYTES, byte), isDurable);
}

test('writes that were flushed are a notch, reads and what nobody flushed are none', async () => {
  const shelf = await writerOn(new CrashDisk());
  const witness = new Witness();
  assert.is(await witness.askShelf(shelf), 'ahead');
  assert.is(await witness.askShelf(shelf), 'same');
  await shelf.get('web').image.readLater(0, BLOCK_BYTES);
  await write(shelf, 1, false);
  assert.is(await witness.askShelf(shelf), 'same');
  await shelf.get('web').image.flush();
  assert.is(await witness.askShelf(shelf), 'ahead');
  await shelf.close();
});

test('a killed daemon, and a power cut that takes what was not flushed, leave the store what it was', async () => {
  const disk = new CrashDisk();
  const shelf = await writerOn(disk);
  const witness = new Witness();
  await write(shelf, 1, true);
  await witness.askShelf(shelf);
  await write(shelf, 2, false);
  const { known } = witness;
  for (const found of [disk.afterKill(), ...disk.losses().map((loss) => disk.afterCut(loss))]) {
    witness.known = known;
    const again = await shelfOn(found, 'a');
    assert.is(await witness.askShelf(again), 'ahead');
    await again.close();
  }
});

test('a snapshot, a closing, a reopening and the end of a layer leave the store what it was, also over restarts', async () => {
  let disk = new CrashDisk();
  let shelf = await writerOn(disk);
  const witness = new Witness();
  const calls = () => blockCalls(shelf);
  const steps: readonly (() => unknown)[] = [
    () => write(shelf, 1, true),
    () => calls()['image.cut']({ cut: '00000000000000c1', cuts: [{ image: 'web', layer: layerName(2) }] }, context),
    () => calls()['image.close']({ image: 'web', layer: layerName(2), epoch: 1 }, context),
    async () => {
      const { store } = shelf.get('web').image;
      const stack = { layer: layerName(2), generation: 2, below: store.state.below };
      const last = shelf.get('web').image.closing();
      await calls()['image.open']({ image: 'web', bytes: BYTES, stack, epoch: 2, last, from: FROM }, context);
    },
    () => write(shelf, 2, true),
    () => calls()['writer.freeze']({ migration: '00000000000000aa', images: ['web'] }, context),
    () => calls()['writer.release']({ migration: '00000000000000aa' }, context),
    () => calls()['layer.drop']({ layer: layerName(2) }, context),
    () => calls()['layer.drop']({ layer: layerName(1) }, context),
  ];
  for (const [index, step] of steps.entries()) {
    await step();
    assert.is.not(await witness.askShelf(shelf), 'behind', `step ${index}`);
    disk = disk.afterKill();
    shelf = await shelfOn(disk, 'a');
    assert.is(await witness.askShelf(shelf), 'ahead', `step ${index}, killed`);
  }
});

test.run();
