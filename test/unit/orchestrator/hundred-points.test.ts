// A hundred recovery points in one image's life: the catalogue, three stores and the orchestrator's rooms together, on disks
// and links in memory. The stack stays as deep as what is kept, its bytes are right here and there, and room comes back.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { catalogueCalls } from '../../../blockd/catalogue/catalogue-calls.ts';
import { blockCalls } from '../../../blockd/image/block-calls.ts';
import { DEFAULT_SETTINGS } from '../../../blockd/propagation/default-settings.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { Admission } from '../../../orchestrator/admission.ts';
import type { Cluster } from '../../../orchestrator/cluster.ts';
import { AsyncPoints } from '../../../orchestrator/images/async-points.ts';
import { LayerMerging } from '../../../orchestrator/images/layer-merging.ts';
import { LayerSeeds } from '../../../orchestrator/images/layer-seeds.ts';
import { LayerSweep } from '../../../orchestrator/images/layer-sweep.ts';
import { ScheduledSnapshots } from '../../../orchestrator/images/scheduled-snapshots.ts';
import { Snapshots } from '../../../orchestrator/images/snapshots.ts';
import type { blockdContract } from '../../../wire/contracts/blockd.ts';
import type { catalogueContract, Head } from '../../../wire/contracts/catalogue.ts';
import type { PropagationSettings } from '../../../wire/contracts/propagation.ts';
import { ModelStore } from '../blockd/catalogue-model.ts';
import { isSettled } from '../blockd/manual-clock.ts';
import { ALONE, BYTES, type Node, openAtA, type Stores } from '../blockd/stores-between.ts';
import { quiet } from '../common/members.ts';
import { ControlStand } from './control-stand.ts';
import { type Answers, FakeDaemon, FakeNode } from './fake-cluster.ts';
import { memberRecord } from './records.ts';

const BLOCKS = BYTES / BLOCK_BYTES;
const POINTS = 100;
const KEPT = 3;
const EVERY_MS = 60_000;
const NODES: readonly Node[] = ['a', 'b', 'c'];
const context = {
  peer: { node: 'k', role: 'controller' as const },
  progress: () => undefined,
  signal: new AbortController().signal,
};

/** The calls that recovery points need of a store. */
function answersOf(stores: Stores, node: Node): Answers<typeof blockdContract> {
  const calls = blockCalls(stores.at(node));
  return {
    'image.cut': (order) => calls['image.cut'](order, context),
    'cut.cancel': (order) => calls['cut.cancel'](order, context),
    'layer.seed': (order) => calls['layer.seed'](order, context),
    'layer.drop': (order) => calls['layer.drop'](order, context),
    'merge.plan': (order) => calls['merge.plan'](order, context),
    'layer.merge': (order) => calls['layer.merge'](order, context),
  };
}

/** Each store is told the newest records when a point is about to be brought, as it is by `WatchedCluster`. */
function catalogueAnswers(stores: Stores): Answers<typeof catalogueContract> {
  const calls = catalogueCalls(new ModelStore());
  return {
    'image.add': (order) => calls['image.add'](order, context),
    'image.list': (order) => calls['image.list'](order, context),
    'image.head': (order) => calls['image.head'](order, context),
    'epoch.open': (order) => calls['epoch.open'](order, context),
    'propagation.set': (order) => calls['propagation.set'](order, context),
    'snapshot.begin': (order) => calls['snapshot.begin'](order, context),
    'snapshot.finish': (order) => calls['snapshot.finish'](order, context),
    'snapshot.carry': async (order) => {
      const carried = await calls['snapshot.carry'](order, context);
      const records = await calls['records.list']({}, context);
      await Promise.all(NODES.map((node) => stores.at(node).keepRecords(records)));
      return carried;
    },
    'snapshot.arrived': (order) => calls['snapshot.arrived'](order, context),
    'snapshot.list': (order) => calls['snapshot.list'](order, context),
    'snapshot.remove': (order) => calls['snapshot.remove'](order, context),
    'layer.merge': (order) => calls['layer.merge'](order, context),
    'layer.leaving': (order) => calls['layer.leaving'](order, context),
    'layer.gone': (order) => calls['layer.gone'](order, context),
  };
}

/** All of it, with an image that is written at a and has its points at b. */
class World {
  readonly stores: Stores;
  readonly catalogue: FakeDaemon<typeof catalogueContract>;
  readonly cluster: Cluster;
  readonly scheduled: ScheduledSnapshots;
  readonly points: AsyncPoints;
  readonly merging: LayerMerging;
  readonly sweep: LayerSweep;
  readonly model = Array.from({ length: BLOCKS }, () => 0);

  constructor(stores: Stores, stand: ControlStand) {
    this.stores = stores;
    this.catalogue = new FakeDaemon('catalogue', [], catalogueAnswers(stores));
    const endpoints = NODES.map((node) => ({ node, address: '127.0.0.1' }));
    const nodes = new Map(NODES.map((node) => [node as string, new FakeNode(node, [])]));
    for (const node of NODES) Object.assign(nodes.get(node)?.blockd.answers ?? {}, answersOf(stores, node));
    const clients = (node: string): FakeNode => nodes.get(node) ?? new FakeNode(node, []);
    const nodeOf = (node: string) => memberRecord({ node, cloud: node });
    this.cluster = {
      controller: { catalogue: this.catalogue, sdnd: stand.cluster.sdnd },
      ...{ clients, nodeOf, upNodeOf: nodeOf, endpoints: () => endpoints, isUp: () => true },
      endpoint: (node) => ({ node, address: '127.0.0.1' }),
    };
    const shared = { cluster: this.cluster, log: quiet, clock: stores.clock };
    this.sweep = new LayerSweep(shared);
    this.merging = new LayerMerging({ ...shared, sweep: this.sweep });
    const snapshots = new Snapshots({ ...shared, sweep: this.sweep, admission: new Admission(stand.control.state) });
    const parts = { ...shared, snapshots, seeds: new LayerSeeds(shared), stopping: context.signal };
    this.scheduled = new ScheduledSnapshots(parts);
    this.points = new AsyncPoints(parts);
  }

  async begin(settings: Partial<PropagationSettings>): Promise<void> {
    const closing = { image: 'web', epoch: 0, lastSequence: 0, entries: 0, digest: '0'.repeat(32), generation: 1 };
    await this.catalogue.call('image.add', { image: 'web', layer: ALONE.layer, bytes: BYTES, holder: 'a', closing });
    await this.catalogue.call('epoch.open', { image: 'web', node: 'a' });
    await this.catalogue.call('propagation.set', { image: 'web', settings: { ...DEFAULT_SETTINGS, ...settings } });
  }

  get head(): Promise<Head> {
    return this.catalogue.call('image.head', { image: 'web' });
  }

  async write(block: number, fill: number): Promise<void> {
    const { image } = this.stores.at('a').get('web');
    const [at, data] = [block * BLOCK_BYTES, Buffer.alloc(BLOCK_BYTES, fill)];
    await this.passing(Promise.resolve(fill === 0 ? image.zero(at, BLOCK_BYTES, true) : image.write(at, data, true)));
    this.model[block] = fill;
  }

  /** Time goes on until it is done. */
  async passing<T>(work: Promise<T>): Promise<T> {
    for (let turn = 0; !(await isSettled(work)); turn++) {
      if (turn > 2_000) throw new Error('it goes on for ever');
      await this.stores.clock.advance(20);
    }
    return work;
  }

  /** What the image is here and, as its newest point, at b. */
  async check(): Promise<void> {
    const { image } = this.stores.at('a').get('web');
    for (let block = 0; block < BLOCKS; block++) {
      const bytes = await this.passing(image.readLater(block * BLOCK_BYTES, BLOCK_BYTES));
      assert.is(bytes[0], this.model[block], `block ${block}`);
    }
  }

  /** The newest point is all at b, and reads as the image did then. */
  async checkPoint(): Promise<void> {
    const { snapshots } = await this.catalogue.call('snapshot.list', {});
    const newest = snapshots.filter(({ recovery }) => recovery?.place === 'b').sort((x, y) => y.atMs - x.atMs)[0];
    const below = newest?.disks[0]?.layers ?? [];
    const last = { image: 'again', epoch: 0, lastSequence: 0, entries: 0, digest: '0'.repeat(32), generation: 1 };
    const stack = { layer: 'l00000000000000ff', generation: 1, below };
    const opened = { ...last, lastSequence: below[0]?.lastSequence ?? 0 };
    this.stores.away.add('a').add('c');
    this.stores.breakStreams();
    await this.stores.open('b', { image: 'again', stack, epoch: 1, last: opened, from: 'a' });
    const { image } = this.stores.at('b').get('again');
    const into = Buffer.alloc(BYTES);
    assert.ok(image.tryRead(0, into, true), 'it is all at b');
    assert.equal(
      this.model.map((_, block) => into[block * BLOCK_BYTES]),
      this.model,
    );
  }

  localBlocks(node: Node): number {
    const layers = this.stores.at(node).layers.all;
    return layers.reduce((sum, { store }) => sum + store.table.census().local, 0);
  }
}

async function settle(world: World): Promise<void> {
  for (let turn = 0; turn < 20; turn++) {
    await world.passing(world.merging.look());
    await world.passing(world.sweep.sweep());
    if ((await world.catalogue.call('layer.leaving', {})).leaving.length === 0) return;
  }
  assert.unreachable('merges do not come to an end');
}

test('a hundred scheduled snapshots leave a stack as deep as what is kept', async () => {
  const stand = await ControlStand.open();
  try {
    const world = new World(await openAtA(), stand);
    await world.begin({ snapshots: { everySeconds: EVERY_MS / 1_000, place: 'b', keep: KEPT } });
    let deepest = 0;
    for (let point = 0; point < POINTS; point++) {
      await world.write(point % BLOCKS, 1 + (point % 250));
      await world.write((7 * point) % BLOCKS, point % 251);
      await world.scheduled.look();
      await world.passing(world.scheduled.settled());
      await world.passing(world.merging.look());
      deepest = Math.max(deepest, (await world.head).stack.below.length);
      await world.stores.clock.advance(EVERY_MS);
    }
    assert.ok(deepest <= KEPT + 1, `${deepest} layers below the top`);
    await settle(world);
    assert.is((await world.head).stack.generation, POINTS + 1);
    await world.check();
    // Each layer above the lowest has two blocks at most, and what is hidden is in none but the newer one.
    for (const node of ['a', 'b'] as const) assert.ok(world.localBlocks(node) <= BLOCKS + 2 * KEPT);
    assert.is(world.stores.at('a').layers.all.length, KEPT + 1);
    assert.is(world.stores.at('b').layers.all.length, KEPT);
    await world.checkPoint();
  } finally {
    await stand.close();
  }
});

test('under async a point goes each few seconds, the stack stays flat, and no full disk takes what has arrived', async () => {
  const stand = await ControlStand.open();
  try {
    // Whatever is only cached goes at once.
    const room = { freeBytes: 1, totalBytes: 1_000 };
    const world = new World(await openAtA({ capBytes: 0, lookMs: 300, room: async () => room }), stand);
    await world.begin({ policy: { mode: 'async', rpoSeconds: 10, place: 'b' } });
    let most = 0;
    for (let second = 0; second < 300; second++) {
      if (second < 290) await world.write(second % BLOCKS, 1 + (second % 250));
      await world.points.look();
      await world.passing(world.points.settled());
      if (second % 5 === 0) await world.passing(world.merging.look());
      assert.ok((await world.head).stack.below.length <= 4);
      const { snapshots } = await world.catalogue.call('snapshot.list', {});
      if (second > 20) most = Math.max(most, world.points.stateOf(await world.head, snapshots)?.lostMs ?? 0);
      await world.stores.clock.advance(1_000);
    }
    assert.ok(most > 0 && most <= 10_000, `${most} ms would have been lost`);
    assert.ok((await world.head).stack.generation > 25);
    await settle(world);
    await world.check();
    await world.checkPoint();
  } finally {
    await stand.close();
  }
});

test.run();
