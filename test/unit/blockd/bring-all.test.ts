// Layers that are brought together: they come together, or nobody waits for any of them.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { bringAll } from '../../../blockd/layers/bring-all.ts';
import type { LayerBlocks } from '../../../blockd/layers/layer-blocks.ts';
import type { SealedLayer } from '../../../wire/contracts/layers.ts';
import { layerName } from './layered-image.ts';

const LAYERS: SealedLayer[] = [1, 2].map((number) => {
  return { layer: layerName(number), bytes: 4096, lastSequence: 1, entries: 1, digest: '0'.repeat(32) };
});

test('when one cannot come, the others are not waited for any more', async () => {
  const signals: AbortSignal[] = [];
  const bring = (_sealed: SealedLayer, _source: string, signal: AbortSignal): Promise<LayerBlocks> => {
    signals.push(signal);
    return signals.length === 1 ? new Promise(() => undefined) : Promise.reject(new Error('it has another size'));
  };
  const { signal } = new AbortController();
  const error = await bringAll({ bring }, LAYERS, 'b', signal).catch((reason: unknown) => reason);
  assert.match(String(error), 'another size');
  assert.equal(
    signals.map(({ aborted }) => aborted),
    [true, true],
  );
});

test('who gives up ends all of them', () => {
  const signals: AbortSignal[] = [];
  const bring = (_sealed: SealedLayer, _source: string, signal: AbortSignal): Promise<LayerBlocks> => {
    signals.push(signal);
    return new Promise(() => undefined);
  };
  const caller = new AbortController();
  void bringAll({ bring }, LAYERS, 'b', caller.signal);
  caller.abort();
  assert.equal(
    signals.map(({ aborted }) => aborted),
    [true, true],
  );
});

test.run();
