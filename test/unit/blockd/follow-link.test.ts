// A store that follows an image's top hears nothing more of it once it is a layer here: what becomes of that is the merges'
// business. Who is brought as a layer hears it to its end.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FollowLink } from '../../../blockd/peer/follow-link.ts';
import { encodePeerFrame, type PeerFrame } from '../../../blockd/peer/peer-frame.ts';
import type { StreamEvents } from '../../../blockd/peer/peer-stream.ts';
import { Traffic } from '../../../blockd/peer/traffic.ts';
import { createLayer } from '../../../blockd/store/image-files.ts';
import type { ImageStore } from '../../../blockd/store/image-store.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { DATA, HERE, RunWriter } from '../../../blockd/table/version-run.ts';
import { createLog } from '../../../common/log.ts';
import { CrashDisk } from '../../crash/crash-disk.ts';
import { ManualClock } from './manual-clock.ts';

const BLOCKS = 4;
const LAYER = 'l00000000000000aa';
const TAKER = {
  isComing: false,
  take: async () => false,
  told: () => undefined,
  heardHeat: () => true,
  heardMemory: () => undefined,
};

/** A store that follows another one, and a way to say something to it. */
async function following(hasTaker: boolean) {
  const fresh = { image: 'web', layer: LAYER, bytes: BLOCKS * BLOCK_BYTES, isOrigin: false };
  const store = await createLayer(new CrashDisk(), '/layers', { ...fresh, state: { role: 'replica' } });
  const clock = new ManualClock();
  let heard: StreamEvents | undefined;
  let isClosed = false;
  const link = new FollowLink({
    ...{ store, clock, source: 'b', traffic: new Traffic(), log: createLog('test', 'silent') },
    dial: async (_node, _layer, events) => {
      heard = events;
      return { write: () => true, close: () => (isClosed = true) };
    },
    ...(hasTaker ? { taker: TAKER } : {}),
  });
  await clock.advance(0);
  const say = (...frames: PeerFrame[]): void => {
    for (const frame of frames) heard?.received(encodePeerFrame(frame));
  };
  return { store, link, say, isClosed: () => isClosed };
}

function named(block: number): PeerFrame {
  const runs = new RunWriter();
  runs.add(block, 1, 256, 1 + block, DATA | HERE, 0, 77);
  return { type: 'entries', runs: runs.finish() };
}

function isNamed({ table }: ImageStore, block: number): boolean {
  return table.contentOf(block) === DATA;
}

for (const hasTaker of [true, false]) {
  test(`a layer that is sealed here while it is followed as ${hasTaker ? "an image's top" : 'a layer'}`, async () => {
    const { store, link, say, isClosed } = await following(hasTaker);
    say({ type: 'begin', whole: true, blocks: BLOCKS, epoch: 1, ends: [] }, named(0));
    assert.ok(isNamed(store, 0));
    await store.commit({ state: { role: 'sealed' } });
    say(named(1));
    assert.is(isNamed(store, 1), !hasTaker);
    assert.is(isClosed(), hasTaker);
    link.close();
  });
}

test.run();
