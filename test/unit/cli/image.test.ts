// What `supercloud image list` and `show` say: what is in doubt, versions, holders, and a heat map that fits the terminal.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { describeHeat, heatCells, shadeOf } from '../../../cli/heat-text.ts';
import { describeImage, describeImages } from '../../../cli/image-text.ts';
import type { ImageState } from '../../../wire/contracts/cluster-state.ts';
import { head, LAYER, storeImage } from '../orchestrator/fake-cluster.ts';

const below = { layer: 'l00000000000000bb', bytes: 8_192, lastSequence: 5, entries: 2, digest: 'ab'.repeat(16) };
const layerAt = (layer: string, localBlocks: number) => ({
  ...{ layer, image: 'web', role: 'writer' as const, bytes: 40_960, writtenBlocks: 7, localBlocks },
  ...{ lastSequence: 9, digest: 'cd'.repeat(16) },
});

const STATE: ImageState = {
  head: head({ bytes: 40_960, writer: 'beta', epoch: 3, stack: { layer: LAYER, generation: 2, below: [below] } }),
  stores: [
    { node: 'alpha', store: storeImage({ role: 'replica' }) },
    { node: 'beta', store: storeImage({ lastSequence: 9, localBlocks: 4, dependsOn: [{ node: 'alpha', blocks: 3 }] }) },
  ],
  layers: [
    {
      ...{ layer: LAYER, bytes: 40_960, isTop: true, lastSequence: 9 },
      holders: [
        { node: 'alpha', layer: layerAt(LAYER, 7) },
        { node: 'beta', layer: layerAt(LAYER, 4) },
      ],
    },
    { ...{ layer: below.layer, bytes: 8_192, isTop: false, lastSequence: 5 }, holders: [] },
  ],
  heat: null,
  recovery: null,
  readers: [],
  unreachable: ['gamma'],
};

test('version, use, policy and who holds what', () => {
  const text = describeImage(STATE);
  assert.match(text, /size {5}41\.0 kB, up to 28\.7 kB of it used \(70 %\)/);
  assert.match(text, /version {2}epoch 3, sequence 9, generation 2/);
  assert.match(text, /policy {3}on-demand/);
  assert.match(text, /alpha +replica .*none \(independent\)/);
  assert.match(text, /beta +writer .*alpha \(12\.3 kB\)/);
  assert.match(text, /\(top\) +41\.0 kB +28\.7 kB +9 +alpha \(all\), beta \(4 of 7\)/);
  assert.match(text, /heat {4}not noted/);
  assert.match(text, /not reached: gamma/);
});

test('the list says which images are in doubt and why, and has no word of it where none is', () => {
  const heads = [
    head({ image: 'web', writer: 'alpha' }),
    head({ image: 'log', readers: ['beta', 'gamma'] }),
    head({ image: 'db' }),
  ];
  const sound = describeImages(heads);
  assert.not.match(sound, /doubt/i);
  assert.match(sound, /web .* alpha\n/);
  assert.match(sound, /log .* beta, gamma \(reading\)\n/);
  assert.match(sound, /db .* closed$/);
  const doubt = 'the store of node alpha is an older copy of itself';
  const text = describeImages([
    { ...head({ image: 'web', writer: 'alpha' }), doubt, rollback: 'alpha' },
    ...heads.slice(1),
  ]);
  assert.match(text, /IN DOUBT/);
  assert.match(text, /web .* alpha +the store of node alpha is an older copy of itself\n/);
  assert.match(text, /db .* closed +no\n/);
  assert.match(text, 'supercloud catalogue rebuild');
});

test('under async what would be lost now, and whether that is too much', () => {
  const recovery = { place: 'gamma', rpoSeconds: 30, safeAtMs: 1, lostMs: 12_000, isLate: false, reason: '' };
  assert.match(
    describeImage({ ...STATE, recovery }),
    /recovery at gamma: .*12.* would be lost, within the RPO of 30 s/,
  );
  const late = { ...recovery, lostMs: 45_000, isLate: true, reason: 'the link is down' };
  assert.match(describeImage({ ...STATE, recovery: late }), /LATE, the RPO is 30 s \(the link is down\)/);
  const first = { ...recovery, safeAtMs: null, lostMs: null, isLate: true };
  assert.match(describeImage({ ...STATE, recovery: first }), /nothing is there yet; LATE/);
});

test('a clone that nobody has opened has what its layers have', () => {
  const under = {
    ...{ layer: below.layer, bytes: 8_192, isTop: false, lastSequence: 5 },
    holders: [{ node: 'alpha', layer: layerAt(below.layer, 7) }],
  };
  const text = describeImage({ ...STATE, head: { ...STATE.head, writer: null }, stores: [], layers: [under] });
  assert.match(text, /size {5}41\.0 kB, up to 28\.7 kB of it used \(70 %\)/);
  assert.match(text, /no node that can be asked has had it open yet/);
});

test('a map is as wide as the terminal and no wider, without colours where there is no terminal', () => {
  for (const columns of [20, 33, 80, 211]) {
    const cells = heatCells(columns);
    const reads = Array.from({ length: cells }, (_, at) => at);
    const lines = describeHeat({ cellBlocks: 64, reads, writes: reads.map(() => 0) }, columns)
      .split('\n')
      .slice(1);
    assert.is(lines.length, 8);
    assert.is(Math.max(...lines.map((line) => line.length)), columns);
    assert.match(lines.at(-1) ?? '', /^ {8}·+$/);
    assert.match(lines[3] ?? '', /█$/);
    assert.not(lines.some((line) => line.includes('\x1b')));
  }
});

test('each shade is a quarter of the one above it, and whatever was touched is not blank', () => {
  assert.equal(
    [100, 26, 24, 7, 6, 1.7, 1.5, 0.01, 0].map((events) => shadeOf(events, 100)),
    [4, 4, 3, 3, 2, 2, 1, 1, 0],
  );
});

test.run();
