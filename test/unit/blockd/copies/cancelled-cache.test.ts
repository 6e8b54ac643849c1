// A node to which a migration was cancelled lets its cached blocks go as any other: the epoch that was granted for it is nobody's.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DEFAULT_SETTINGS } from '../../../../blockd/propagation/default-settings.ts';
import { DATA, HERE } from '../../../../blockd/table/version-run.ts';
import type { CallContext } from '../../../../common/rpc/server.ts';
import { CrashDisk } from '../../../crash/crash-disk.ts';
import { ALONE, BLOCKS, BYTES, CopyStores, flushed, written } from './copy-stores.ts';

const { signal } = new AbortController();
const CONTEXT: CallContext<never> = { peer: { node: 'k', role: 'controller' }, progress: () => undefined, signal };
const MIGRATION = '00000000000000aa';
const MINUTE_MS = 60_000;

test('what a stand-by had fetched goes once its migration was cancelled', async () => {
  const stores = await CopyStores.make(['a', 'b']);
  await stores.start('b', new CrashDisk(), {
    capBytes: 0,
    room: async () => ({ freeBytes: 900, totalBytes: 1000 }),
  });
  const members = ['a', 'b'].map((node) => ({ node, address: '127.0.0.1', cloud: `cloud-${node}` }));
  await stores.calls('b')['members.set']({ members }, CONTEXT);
  await stores.openAtA({ mode: 'on-demand' });
  for (let block = 0; block < BLOCKS; block++) await written(stores, block, 7);
  await flushed(stores);
  const from = { node: 'a', address: '127.0.0.1' };
  const order = { migration: MIGRATION, image: 'web', bytes: BYTES, stack: ALONE, epoch: 2, from };
  await stores.calls('b')['standby.start']({ ...order, propagation: DEFAULT_SETTINGS }, CONTEXT);
  await stores.clock.advance(3_000);
  await stores.image('b').fetch(0, BLOCKS, 'demand');
  await stores.calls('b')['standby.cancel']({ migration: MIGRATION }, CONTEXT);
  await stores.calls('a')['writer.thaw']({ migration: MIGRATION }, CONTEXT);
  const { store } = stores.image('b');
  await store.flush();
  const here = (): number =>
    Array.from({ length: BLOCKS }, (_, block) => store.table.contentOf(block)).filter((one) => one === (DATA | HERE))
      .length;
  assert.is(here(), BLOCKS);
  for (let minute = 0; minute < 5; minute++) await stores.clock.advance(MINUTE_MS);
  assert.is(here(), 0);
});

test.run();
