// Cuts as they are asked for of a node's images.
import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { codeOf } from '../../../common/errors.ts';
import { CrashDisk } from '../../crash/crash-disk.ts';
import { ManualClock } from './manual-clock.ts';
import { shelfOn } from './quiet-shelf.ts';

const CUT = '00000000000000cc';

test('a cut that cannot be noted as ended says so to its caller alone, who tries again', async () => {
  const disk = new CrashDisk();
  const shelf = await shelfOn(disk, 'a');
  await shelf.create('web', 'l00000000000000aa', 16 * BLOCK_BYTES);
  const turn = Promise.withResolvers<void>();
  const before = shelf.inTurn('web', () => turn.promise);
  disk.isFull = true;
  const cancelling = shelf.cuts.cancel(CUT, ['web']).catch(codeOf);
  // Node ends the process for a failure that nobody has taken by then.
  await turnOfTheLoop();
  turn.resolve();
  await before;
  assert.is(await cancelling, 'ENOSPC');
  disk.isFull = false;
  assert.equal(await shelf.cuts.cancel(CUT, ['web']), []);
});

test('a cut whose lower layer could not say that it is sealed, for want of room, says so once there is room', async () => {
  const [disk, clock] = [new CrashDisk(), new ManualClock()];
  const [base, top] = ['l00000000000000aa', 'l00000000000000bb'];
  const shelf = await shelfOn(disk, 'a', { clock });
  await shelf.create('web', base, 16 * BLOCK_BYTES);
  const { image } = shelf.get('web');
  await image.open(1, image.closing(), null, []);
  // Full from the first step after the new top is there.
  disk.turn = () => {
    disk.isFull ||= shelf.layers.find(top) !== undefined;
    return undefined;
  };
  await shelf.cuts.cut({ id: CUT, images: [{ image: 'web', layer: top }] });
  const roleOf = (layer: string): string | undefined => shelf.layers.find(layer)?.store.state.role;
  assert.is(roleOf(top), 'writer');
  await clock.advance(10_000);
  assert.is(roleOf(base), 'cutting');
  disk.turn = undefined;
  disk.isFull = false;
  await clock.advance(60_000);
  assert.is(roleOf(base), 'sealed');
});

test('a cut that failed for want of room, and whose end could not be noted then, is over once it is cancelled', async () => {
  const disk = new CrashDisk();
  const [base, top] = ['l00000000000000aa', 'l00000000000000bb'];
  const shelf = await shelfOn(disk, 'a');
  await shelf.create('web', base, 16 * BLOCK_BYTES);
  const { image } = shelf.get('web');
  await image.open(1, image.closing(), null, []);
  // Full from the first step after it stands still.
  disk.turn = () => {
    disk.isFull ||= image.store.state.role === 'cutting';
    return undefined;
  };
  const cutting = shelf.cuts.cut({ id: CUT, images: [{ image: 'web', layer: top }] });
  assert.is(await cutting.catch(codeOf), 'ENOSPC');
  assert.is(await shelf.cuts.cancel(CUT, ['web']).catch(codeOf), 'ENOSPC');
  disk.turn = undefined;
  disk.isFull = false;
  assert.equal(await shelf.cuts.cancel(CUT, ['web']), []);
  assert.is(image.store.state.role, 'writer');
  await image.write(0, Buffer.alloc(BLOCK_BYTES, 1), true);
  assert.is((await image.end()).epoch, 1);
});

test.run();
