import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { catalogueCalls } from '../../../blockd/catalogue/catalogue-calls.ts';
import { LevelStore } from '../../../blockd/catalogue/level-store.ts';
import type { CallContext } from '../../../common/rpc/server.ts';
import type { Closing } from '../../../wire/contracts/blockd.ts';

const MIGRATION = '00000000000000aa';
const WEB = { image: 'web', layer: 'l00000000000000aa' };
const context: CallContext<null> = {
  peer: { node: 'k', role: 'controller' },
  progress: () => undefined,
  signal: new AbortController().signal,
};

let directory: string;

test.before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'catalogue-'));
});

test.after(async () => {
  await rm(directory, { recursive: true, force: true });
});

function closing(epoch: number, lastSequence: number): Closing {
  return { image: 'web', epoch, lastSequence, entries: 1, digest: '0'.repeat(32), generation: 1 };
}

test('what was answered is there after a restart, and a repeated decision changes nothing', async () => {
  const first = await LevelStore.open(directory);
  const calls = catalogueCalls(first);
  await calls['image.add']({ ...WEB, bytes: 4096, holder: 'a', closing: closing(0, 1) }, context);
  await calls['epoch.open']({ image: 'web', node: 'a' }, context);
  await calls['transfer.begin']({ migration: MIGRATION, images: ['web'], from: 'a', to: 'b' }, context);
  await first.close();

  const second = await LevelStore.open(directory);
  const again = catalogueCalls(second);
  const decision = { migration: MIGRATION, moved: true, closings: [closing(1, 9)] };
  const moved = await again['transfer.finish'](decision, context);
  assert.equal([moved.heads[0]?.writer, moved.heads[0]?.epoch], ['b', 2]);
  assert.equal(await again['transfer.finish'](decision, context), moved);
  await rejects(again['transfer.finish']({ ...decision, moved: false }, context), 'TRANSFER_OVER');
  await rejects(
    again['transfer.begin']({ migration: MIGRATION, images: ['web'], from: 'b', to: 'a' }, context),
    'TRANSFER_OVER',
  );
  await second.close();

  const third = await LevelStore.open(directory);
  assert.equal(third.heads, moved.heads);
  await third.close();
});

test('of two that ask at once only one gets the epoch', async () => {
  const store = await LevelStore.open(join(directory, 'race'));
  const calls = catalogueCalls(store);
  await calls['image.add']({ ...WEB, bytes: 4096, holder: 'a', closing: closing(0, 1) }, context);
  const asked = ['a', 'b'].map(async (node) => calls['epoch.open']({ image: 'web', node }, context));
  const outcomes = await Promise.allSettled(asked);
  assert.equal(outcomes.map((outcome) => outcome.status).sort(), ['fulfilled', 'rejected']);
  await store.close();
});

async function rejects(promise: unknown, code: string): Promise<void> {
  const error = await Promise.resolve(promise).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.is(error instanceof Error && 'code' in error ? error.code : undefined, code);
}

test.run();
