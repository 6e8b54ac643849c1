// Which layers the orchestrator merges, and when; and what it orders of nodes that still have them apart.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { OperationError } from '../../../common/errors.ts';
import { mergeablePairs } from '../../../common/mergeable-layers.ts';
import { LayerMerging } from '../../../orchestrator/images/layer-merging.ts';
import { LayerSweep } from '../../../orchestrator/images/layer-sweep.ts';
import type { Head, Leaving, Snapshot } from '../../../wire/contracts/catalogue.ts';
import type { SealedLayer } from '../../../wire/contracts/layers.ts';
import { quiet } from '../common/members.ts';
import { FakeCluster, head } from './fake-cluster.ts';

function sealed(number: number, bytes = 4096): SealedLayer {
  const layer = `l${`${number}`.padStart(16, '0')}`;
  return { layer, bytes, lastSequence: 10 * number, entries: 1, digest: 'ab'.repeat(16) };
}

/** Layers by their numbers, the newest first. */
function layers(...numbers: number[]): SealedLayer[] {
  return numbers.map((number) => sealed(number));
}

function image(below: SealedLayer[], change: Partial<Head> = {}): Head {
  return head({ writer: 'alpha', stack: { layer: sealed(9).layer, generation: 4, below }, ...change });
}

function snapshot(name: string, below: SealedLayer[], change: Partial<Snapshot> = {}): Snapshot {
  return { snapshot: name, atMs: 1, disks: [{ image: 'web', bytes: 4096, holder: 'alpha', layers: below }], ...change };
}

function pairs(heads: Head[], snapshots: Snapshot[] = []): string[] {
  return mergeablePairs(heads, snapshots).map(({ from, into }) => `${from.layer.at(-1)} into ${into.layer.at(-1)}`);
}

test('the lowest two that nothing needs by themselves, and no others beside them', () => {
  assert.equal(pairs([image(layers(3, 2, 1))]), ['2 into 1']);
  assert.equal(pairs([image(layers(3, 2, 1))], [snapshot('monday', layers(1))]), ['3 into 2']);
  assert.equal(pairs([image(layers(3, 2, 1))], [snapshot('monday', layers(2, 1))]), ['2 into 1']);
  assert.equal(pairs([image(layers(2, 1))], [snapshot('monday', layers(1))]), []);
  assert.equal(pairs([image(layers(1))]), []);
  assert.equal(pairs([image(layers(2, 1)), image(layers(5, 1), { image: 'clone' })]), []);
  assert.equal(pairs([image(layers(6, 5, 2, 1))], [snapshot('monday', layers(2, 1))]), ['2 into 1', '6 into 5']);
});

test('neither two of two sizes, nor what moves, is cut or uncertain; what is pinned is', () => {
  assert.equal(pairs([image([sealed(2, 8192), sealed(1)])]), []);
  const pin = { place: 'alpha', nodes: ['alpha'] };
  const fixed: Partial<Head>[] = [
    { transfer: { migration: 'a000000000000001', from: 'alpha', to: 'beta', epoch: 2 } },
    { cut: { id: 'c000000000000001', snapshot: 'monday', layer: sealed(8).layer } },
    { doubt: 'why' },
  ];
  for (const change of fixed) assert.equal(pairs([image(layers(2, 1), change)]), []);
  assert.equal(pairs([image(layers(2, 1), { pin })], [snapshot('monday', layers(2, 1), { pin })]), ['2 into 1']);
});

/** The cluster with an image of three layers, its catalogue and its nodes merging as they should. */
function stand(): {
  cluster: FakeCluster;
  merging: LayerMerging;
  sweep: LayerSweep;
  leaving: Leaving[];
  orders: string[];
} {
  const cluster = new FakeCluster();
  const leaving: Leaving[] = [];
  const orders: string[] = [];
  const { answers } = cluster.catalogue;
  let below = layers(2, 1);
  answers['image.list'] = () => ({ heads: [image(below)] });
  answers['layer.leaving'] = () => ({ leaving });
  answers['layer.merge'] = ({ merge, nodes }) => {
    const one = { layer: merge.from.layer, nodes, merge: { ...merge, serial: 1, target: merge.into.layer } };
    leaving.push(one);
    below = [merge.merged];
    return { leaving: [one] };
  };
  answers['layer.gone'] = ({ layer, node }) => {
    const index = leaving.findIndex((one) => one.layer === layer);
    const [before] = leaving.splice(index, 1);
    if (before === undefined) throw new Error(`layer ${layer} does not leave`);
    const nodes = before.nodes.filter((one) => one !== node);
    if (nodes.length > 0) leaving.push({ ...before, nodes });
    return {};
  };
  for (const { node } of cluster.members) {
    const { blockd } = cluster.clients(node);
    blockd.answers['merge.plan'] = ({ from, into }) => ({ merged: { ...into, lastSequence: from.lastSequence } });
    blockd.answers['layer.merge'] = ({ merge, newest, source }) => {
      orders.push(`${node}: ${merge.from.layer.at(-1)} into ${newest.layer.at(-1)} of ${source.node}`);
      return { isDone: true };
    };
  }
  const sweep = new LayerSweep({ cluster, log: quiet });
  return { cluster, merging: new LayerMerging({ cluster, sweep, log: quiet }), sweep, leaving, orders };
}

test('the writer says what they will be, the catalogue commits it, every node does it', async () => {
  const { cluster, merging, leaving, orders } = stand();
  await merging.look();
  assert.equal(orders.sort(), ['alpha: 2 into 1 of alpha', 'beta: 2 into 1 of alpha', 'gamma: 2 into 1 of alpha']);
  assert.equal(leaving, []);
  assert.is(cluster.count('alpha blockd merge.plan'), 1);
});

test('a node that is up and not done is waited for, one that is away merges later', async () => {
  const { cluster, merging, sweep, leaving, orders } = stand();
  cluster.down.add('gamma');
  cluster.clients('beta').blockd.answers['layer.merge'] = () => ({ isDone: false });
  await merging.look();
  await merging.look();
  assert.is(cluster.count('catalogue layer.merge'), 1);
  assert.equal(leaving[0]?.nodes, ['beta', 'gamma']);
  cluster.clients('beta').blockd.answers['layer.merge'] = () => ({ isDone: true });
  await sweep.sweep();
  assert.equal(leaving[0]?.nodes, ['gamma']);
  cluster.down.delete('gamma');
  await sweep.sweep();
  assert.equal(leaving, []);
  assert.ok(orders.includes('gamma: 2 into 1 of alpha'));
});

test('what the others say counts once the writer has merged: until then it may give the layer to one of them again', async () => {
  const { cluster, merging, sweep, leaving, orders } = stand();
  const { answers } = cluster.clients('alpha').blockd;
  const merge = answers['layer.merge'];
  answers['layer.merge'] = () => ({ isDone: false });
  await merging.look();
  assert.equal(orders.splice(0).sort(), ['beta: 2 into 1 of alpha', 'gamma: 2 into 1 of alpha']);
  assert.equal(leaving[0]?.nodes, ['alpha', 'beta', 'gamma']);
  cluster.down.add('alpha');
  await sweep.sweep();
  assert.is(orders.splice(0).length, 2);
  assert.equal(leaving[0]?.nodes, ['alpha', 'beta', 'gamma']);
  cluster.down.delete('alpha');
  if (merge !== undefined) answers['layer.merge'] = merge;
  await sweep.sweep();
  assert.is(orders[0], 'alpha: 2 into 1 of alpha');
  assert.equal([orders.length, leaving], [3, []]);
});

test('what is merged at a node for whoever asks there counts with the next sweep', async () => {
  const { sweep, leaving, orders } = stand();
  const merge = { from: sealed(2), into: sealed(1), merged: sealed(1), serial: 1, target: sealed(1).layer };
  leaving.push({ layer: sealed(2).layer, nodes: ['alpha', 'beta'], merge });
  await sweep.mergedAt('beta', [sealed(1).layer]);
  assert.equal([orders.splice(0), leaving[0]?.nodes], [['beta: 2 into 1 of alpha'], ['alpha', 'beta']]);
  await sweep.sweep();
  assert.equal(leaving, []);
});

test('of two images on a layer both writers are first', async () => {
  const { cluster, sweep, leaving, orders } = stand();
  const heads = [image(layers(2, 1)), image(layers(7, 1), { image: 'clone', writer: 'beta' })];
  cluster.catalogue.answers['image.list'] = () => ({ heads });
  const merge = { from: sealed(2), into: sealed(1), merged: sealed(1), serial: 1, target: sealed(1).layer };
  leaving.push({ layer: sealed(2).layer, nodes: ['alpha', 'beta', 'gamma'], merge });
  cluster.clients('alpha').blockd.answers['layer.merge'] = () => ({ isDone: false });
  await sweep.sweep();
  assert.equal(leaving[0]?.nodes, ['alpha', 'gamma']);
  assert.equal(orders.sort(), ['beta: 2 into 1 of beta', 'gamma: 2 into 1 of beta']);
});

test('what a refusal leaves undone is asked for again', async () => {
  const { cluster, merging, orders } = stand();
  const { answers } = cluster.catalogue;
  const merge = answers['layer.merge'];
  answers['layer.merge'] = () => {
    throw new OperationError('LAYER_BUSY', 'image web is being moved');
  };
  await merging.look();
  assert.equal(orders, []);
  if (merge !== undefined) answers['layer.merge'] = merge;
  await merging.look();
  assert.is(orders.length, 3);
});

test('a merged layer that nothing needs any more goes like any other', async () => {
  const { cluster, sweep, leaving, orders } = stand();
  const merge = { from: sealed(6), into: sealed(5), merged: sealed(5), serial: 1, target: sealed(5).layer };
  leaving.push({ layer: sealed(6).layer, nodes: ['beta'], merge });
  await sweep.sweep();
  assert.is(cluster.count('beta blockd layer.drop'), 1);
  assert.equal([orders, leaving], [[], []]);
});

test('a layer whose target became a part of another one between two questions is not dropped', async () => {
  const { cluster, sweep, leaving } = stand();
  const merge = { from: sealed(3), into: sealed(2), merged: sealed(2), serial: 1, target: sealed(2).layer };
  leaving.push({ layer: sealed(3).layer, nodes: ['gamma'], merge });
  const { answers } = cluster.catalogue;
  answers['image.list'] = () => ({ heads: [image([sealed(1)])] });
  answers['layer.needed'] = () => ({ isNeeded: true });
  await sweep.sweep();
  assert.is(cluster.count('gamma blockd layer.drop'), 0);
  assert.is(leaving.length, 1);
  answers['layer.needed'] = () => ({ isNeeded: false });
  await sweep.sweep();
  assert.is(cluster.count('gamma blockd layer.drop'), 1);
});

test.run();
