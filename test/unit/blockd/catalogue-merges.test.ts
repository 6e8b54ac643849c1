// Which layers may be one: never two that something needs by themselves, and always everywhere at once.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Entry } from '../../../blockd/catalogue/catalogue.ts';
import { isNeeded } from '../../../blockd/catalogue/catalogue-layers.ts';
import { type MergeRecords, mergeLayers } from '../../../blockd/catalogue/catalogue-merges.ts';
import { codeOf } from '../../../common/errors.ts';
import type { Head, Leaving, Snapshot } from '../../../wire/contracts/catalogue.ts';
import type { LayerMerge, SealedLayer } from '../../../wire/contracts/layers.ts';
import { layerName } from './layered-image.ts';

const NODES = ['a', 'b'];
const STATE = { incarnation: 1, serial: 7, behind: '' };

function sealed(number: number, bytes = 8192): SealedLayer {
  return {
    layer: layerName(number),
    bytes,
    lastSequence: 10 * number,
    entries: number,
    digest: `${number}`.repeat(32),
  };
}

function image(name: string, top: number, below: SealedLayer[], other: Partial<Head> = {}): Entry {
  const last = { image: name, epoch: 1, lastSequence: 99, entries: 0, digest: '0'.repeat(32), generation: 1 };
  const closed = { epoch: 1, writer: null, holder: 'a', last, closings: [], transfer: null, cut: null };
  const stack = { layer: layerName(top), generation: 1, below };
  return { head: { image: name, bytes: 8192, ...closed, stack, ...other }, granted: 1 };
}

function snapshot(name: string, layers: SealedLayer[], other: Partial<Snapshot> = {}): Snapshot {
  return { snapshot: name, atMs: 1, disks: [{ image: 'web', bytes: 8192, holder: 'a', layers }], ...other };
}

/** Layer 2 into layer 1. */
const merge: LayerMerge = {
  from: sealed(2),
  into: sealed(1),
  merged: { ...sealed(1), lastSequence: 20, entries: 3, digest: 'ab'.repeat(16) },
};

function records(
  entries: readonly Entry[],
  snapshots: readonly Snapshot[] = [],
  leaving: Leaving[] = [],
): MergeRecords {
  return { state: STATE, entries: [...entries], snapshots: [...snapshots], leaving };
}

function refusal(known: MergeRecords, other: Partial<LayerMerge> = {}): unknown {
  try {
    mergeLayers(known, { merge: { ...merge, ...other }, nodes: NODES });
    return undefined;
  } catch (error) {
    return codeOf(error);
  }
}

const web = image('web', 9, [sealed(3), sealed(2), sealed(1)]);

test('what was merged is needed as long as what it is a part of by now', () => {
  const leaving: Leaving[] = [
    { layer: layerName(2), nodes: NODES, merge: { ...merge, serial: 1, target: layerName(1) } },
  ];
  const needed = (heads: Entry[], snapshots: Snapshot[] = []): boolean =>
    isNeeded(layerName(2), { heads: heads.map(({ head }) => head), snapshots, leaving });
  assert.is(needed([image('web', 9, [sealed(1)])]), true);
  assert.is(needed([], [snapshot('monday', [sealed(1)])]), true);
  assert.is(needed([image('web', 9, [sealed(5)])]), false);
});

test('every image and snapshot has the two as one, and the upper one leaves', () => {
  const clone = image('clone', 8, [sealed(2), sealed(1)]);
  const other = image('other', 7, [sealed(5)]);
  const known = records([web, clone, other], [snapshot('monday', [sealed(3), sealed(2), sealed(1)])]);
  const { entries = [], snapshots = [], leaving = [] } = mergeLayers(known, { merge, nodes: NODES });
  const one = { ...merge.merged, merged: [{ layer: layerName(2), lastSequence: 20 }] };
  assert.equal(
    entries.map(({ head }) => [head.image, head.stack.below, head.stack.generation]),
    [
      ['web', [sealed(3), one], 1],
      ['clone', [one], 1],
    ],
  );
  assert.equal(
    snapshots.map(({ disks }) => disks[0]?.layers),
    [[sealed(3), one]],
  );
  const leaves = { layer: layerName(2), nodes: NODES };
  assert.equal(leaving, [{ ...leaves, merge: { ...merge, merged: one, serial: 7, target: layerName(1) } }]);
  assert.equal(
    mergeLayers(records([...entries], [...snapshots], [...leaving]), { merge, nodes: NODES }),
    {},
    'the same again',
  );
});

test('what something needs by itself stays as it is', () => {
  const needed = [
    records([web], [snapshot('monday', [sealed(1)])]),
    records([web, image('clone', 8, [sealed(1)])]),
    records([web, image('clone', 8, [sealed(4), sealed(1)])]),
    records([image('web', 2, [sealed(1)])]),
    records([image('web', 9, [sealed(2)])]),
    records([image('web', 9, [sealed(2), sealed(3), sealed(1)])]),
    records([image('web', 9, [sealed(2), { ...sealed(1), digest: 'cd'.repeat(16) }])]),
    records([]),
  ];
  assert.equal(
    needed.map((known) => refusal(known)),
    needed.map(() => 'LAYER_NEEDED'),
  );
});

test('an image that moves, is cut or uncertain is let alone; a pin goes on to what the layers become', () => {
  const busy: Partial<Head>[] = [
    { transfer: { migration: 'a000000000000001', from: 'a', to: 'b', epoch: 2 } },
    { cut: { id: 'c000000000000001', snapshot: 'monday', layer: layerName(6) } },
    { doubt: 'why' },
  ];
  for (const other of busy)
    assert.is(refusal(records([image('web', 9, [...web.head.stack.below], other)])), 'LAYER_BUSY');
  const pin = { place: 'x', nodes: ['a'] };
  const pinned = snapshot('monday', [sealed(2), sealed(1)], { pin });
  const { entries = [], snapshots = [] } = mergeLayers(
    records([image('web', 9, [...web.head.stack.below], { pin })], [pinned]),
    { merge, nodes: NODES },
  );
  const named = [
    ...entries.map(({ head }) => head.stack.below),
    ...snapshots.map(({ disks }) => disks[0]?.layers ?? []),
  ];
  assert.equal(
    named.map((layers) => layers.map(({ layer }) => layer)),
    [[layerName(3), layerName(1)], [layerName(1)]],
  );
  assert.equal([entries[0]?.head.pin, snapshots[0]?.pin], [pin, pin]);
});

test('layers of two sizes stay apart', () => {
  const into = sealed(1, 4096);
  const known = records([image('web', 9, [sealed(2), into])]);
  assert.is(refusal(known, { into, merged: { ...merge.merged, bytes: 4096 } }), 'LAYERS_DIFFER');
});

test('what was merged before is known by its names for as long as some node has it, and goes on to where it is now', () => {
  const before = { layer: layerName(6), lastSequence: 15 };
  const gone = { layer: layerName(7), lastSequence: 12 };
  const from = { ...sealed(2), merged: [before, gone] };
  const left = { layer: layerName(6), nodes: ['b'], merge: { ...merge, serial: 3, target: layerName(2) } };
  const known = records([image('web', 9, [from, sealed(1)])], [], [left]);
  const { entries = [], leaving = [] } = mergeLayers(known, { merge: { ...merge, from }, nodes: NODES });
  assert.equal(entries[0]?.head.stack.below[0]?.merged, [{ layer: layerName(2), lastSequence: 20 }, before]);
  assert.equal(
    leaving.map((one) => [one.layer, one.merge?.target]),
    [
      [layerName(2), layerName(1)],
      [layerName(6), layerName(1)],
    ],
  );
});

test.run();
