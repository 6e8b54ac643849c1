// The layers below an image's top: what cannot be had at once is asked for again, until it is here or nobody wants it.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Image } from '../../../blockd/image/image.ts';
import type { LayerBlocks } from '../../../blockd/layers/layer-blocks.ts';
import { layerInUse } from '../../../blockd/layers/layer-bringer.ts';
import { StackCompletion } from '../../../blockd/transfer/stack-completion.ts';
import { createLog } from '../../../common/log.ts';
import { isSettled, ManualClock, settle } from './manual-clock.ts';

const SEALED = { layer: 'l0000000000000001', bytes: 4096, lastSequence: 1, entries: 0, digest: '0'.repeat(32) };

/** An image that lacks one layer, which is refused so often before it comes. */
function lacking(refusals: number): {
  completion: StackCompletion;
  clock: ManualClock;
  asked: () => number;
  image: Image;
} {
  const clock = new ManualClock();
  let asked = 0;
  const part = { isWhole: false };
  const complete = (): void => {
    part.isWhole = true;
  };
  const image = Object.assign(part, {
    store: { image: 'web', state: { role: 'standby', below: [SEALED] } },
    complete,
  }) as unknown as Image;
  const bring = async (): Promise<LayerBlocks> => {
    if (++asked <= refusals) throw layerInUse(SEALED.layer, 'is being merged here');
    return {} as LayerBlocks;
  };
  const completion = new StackCompletion({ image, layers: { bring }, clock, log: createLog('test', 'silent') });
  return { completion, clock, asked: () => asked, image };
}

test('a layer that cannot be had now is asked for again until it is here', async () => {
  const { completion, clock, asked, image } = lacking(3);
  completion.begin('a');
  await settle();
  assert.is(asked(), 1);
  assert.is(completion.isRunning, true);
  const missing = completion.missing(new AbortController().signal);
  await clock.advance(10_000);
  assert.is(asked(), 4);
  assert.ok(image.isWhole);
  assert.is(await missing, '');
  assert.is(completion.isRunning, false);
});

test('whoever waits for it does so no longer than he wants, and the others go on', async () => {
  const { completion, clock } = lacking(3);
  completion.begin('a');
  const end = new AbortController();
  const missing = completion.missing(end.signal);
  await clock.advance(1_000);
  assert.not(await isSettled(missing));
  end.abort();
  assert.match(await missing, /did not come in time/);
  await clock.advance(10_000);
  assert.is(await completion.missing(new AbortController().signal), '');
});

test('nobody asks again once it is not wanted any more', async () => {
  const { completion, clock, asked } = lacking(100);
  completion.begin('a');
  await clock.advance(3_000);
  completion.end();
  await settle();
  const before = asked();
  await clock.advance(60_000);
  assert.is(asked(), before);
  assert.is(completion.isRunning, false);
});

test.run();
