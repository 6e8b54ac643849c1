// The overlay's journal: durable before it counts, and written anew no oftener than its size is worth.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Overlay } from '../../../sdnd/controller/overlay.ts';
import { OverlayJournal } from '../../../sdnd/controller/overlay-journal.ts';
import type { OverlayRecord } from '../../../sdnd/controller/overlay-record.ts';
import { quiet } from '../common/members.ts';

const MIB = 2 ** 20;
const RECORD: OverlayRecord = { kind: 'unbound', owner: 'web' };

/** A journal whose records take so much. */
function stand(recordBytes: number, stateBytes: number) {
  const overlay = new Overlay();
  const journal = {
    sizeBytes: stateBytes,
    rewrites: 0,
    append: async () => {
      journal.sizeBytes += recordBytes;
    },
    rewrite: async () => {
      journal.rewrites += 1;
      journal.sizeBytes = stateBytes;
    },
  };
  const kept = new OverlayJournal(journal, overlay, quiet);
  const take = async (count: number): Promise<number> => {
    for (let done = 0; done < count; done++) {
      await kept.take(RECORD);
      await kept.writeAnewIfGrown();
    }
    return journal.rewrites;
  };
  return { overlay, journal, kept, take };
}

test('what cannot be made durable is not in force', async () => {
  const { overlay, journal, kept } = stand(1, 0);
  journal.append = () => Promise.reject(new Error('the disk is full'));
  await kept.take({ kind: 'term', term: 9 }).catch(() => undefined);
  assert.is(overlay.term, 0);
});

test('a small overlay is written anew each MiB, a large one when it has doubled', async () => {
  const small = stand(MIB / 8, 1_000);
  assert.is(await small.take(8), 0);
  assert.is(await small.take(1), 1);
  assert.is(await small.take(9), 2);
  const large = stand(MIB / 8, 20 * MIB);
  assert.is(await large.take(160), 0);
  assert.is(await large.take(1), 1);
  assert.is(await large.take(160), 1);
});

test.run();
