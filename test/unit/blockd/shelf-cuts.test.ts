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

test('what was written after a cut failed for want of room is there after a kill, though the disk still says that it is cut', async () => {
  const disk = new CrashDisk();
  const shelf = await shelfOn(disk, 'a');
  await shelf.create('web', 'l00000000000000aa', 16 * BLOCK_BYTES);
  const { image } = shelf.get('web');
  await image.open(1, image.closing(), null, []);
  disk.turn = () => {
    disk.isFull ||= image.store.state.role === 'cutting';
    return undefined;
  };
  const cutting = shelf.cuts.cut({ id: CUT, images: [{ image: 'web', layer: 'l00000000000000bb' }] });
  assert.is(await cutting.catch(codeOf), 'ENOSPC');
  disk.turn = undefined;
  disk.isFull = false;
  assert.is(image.store.state.role, 'cutting');
  await image.write(BLOCK_BYTES, Buffer.alloc(BLOCK_BYTES, 7), false);
  const again = (await shelfOn(disk.afterKill(), 'a')).get('web').image;
  assert.is((await again.readLater(BLOCK_BYTES, 1))[0], 7);
});

test('an order to cut that comes again after the next cut changes nothing, also when its layer was merged since', async () => {
  const shelf = await shelfOn(new CrashDisk(), 'a');
  const [base, first, second] = ['l00000000000000aa', 'l00000000000000bb', 'l00000000000000cc'];
  await shelf.create('web', base, 16 * BLOCK_BYTES);
  await shelf.get('web').image.open(1, shelf.get('web').image.closing(), null, []);
  const { generation } = shelf.get('web').image.store.state;
  const order = (layer: string, over: number) => ({
    id: `00000000000000${layer.slice(-2)}`,
    images: [{ image: 'web', layer, generation: over }],
  });
  await shelf.cuts.cut(order(first, generation));
  await shelf.get('web').image.write(0, Buffer.alloc(BLOCK_BYTES, 7), true);
  await shelf.cuts.cut(order(second, generation + 1));
  const early = { ...order(first, generation), images: [{ image: 'web', layer: first }] };
  assert.is(await shelf.cuts.cut(early).catch(codeOf), 'CUT_ENDED', 'its layer is here');
  const gone = order('l00000000000000dd', generation);
  assert.is(await shelf.cuts.cut(gone).catch(codeOf), 'CUT_ENDED', 'another stack is here');
  assert.is((await shelf.get('web').image.readLater(0, 1))[0], 7);
  assert.is(shelf.get('web').image.store.layer, second);
  assert.is((await shelf.cuts.cut(order(second, generation + 1))).length, 1, 'the same again is answered');
});

test.run();
