// A block that was let go of stays gone: what its place in the file has until that is given back says nothing (SOUNDNESS A11).
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { DATA } from '../../../blockd/table/version-run.ts';
import { settle } from './manual-clock.ts';
import { reopen, slowPunching, smallImage } from './small-image.ts';

test('a copy that is let go of does not come back while its room is being given back', async () => {
  const { disk, punch, slow } = slowPunching();
  const { image } = await smallImage([], disk);
  await image.write(0, Buffer.alloc(4 * BLOCK_BYTES, 9), true);
  await image.end();
  // Each barrier writes a checkpoint, as a long journal has it.
  const store = await reopen(disk, 0);
  // A sector that the disk cannot read: its extent is to be looked at again.
  disk.badPages.add(2);
  assert.equal(await store.file.findSpoilt(0, 4), [2]);
  const { high, low } = store.table.versionOf(0);
  slow.now = true;
  const gone = store.copies.leaving({ first: 0, end: 4 }, 'a', () =>
    store.copies.letGo([{ first: 0, count: 1, high, low }], 'b'),
  );
  await settle();
  assert.is(store.table.contentOf(0), DATA, 'it went, durably, and its room is being given back');
  const next = store.commit({});
  await settle();
  punch.resolve();
  await gone;
  await next;
  await store.flush();
  assert.is(store.table.contentOf(0), DATA);
  assert.not(store.copies.promises(0, high, low, 'c'));
});

test.run();
