// A hundred scheduled snapshots in one image's life, on real daemons with qemu-io as the guest: the stack stays as deep as what
// is kept, its bytes are right at the writer and at the other place, and the room of what is gone comes back.
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DEFAULT_SETTINGS } from '../../blockd/propagation/default-settings.ts';
import { ProgressLine } from '../../common/terminal/progress.ts';
import { ensurePackages } from '../../lab/host-packages.ts';
import { Admission } from '../../orchestrator/admission.ts';
import { LayerMerging } from '../../orchestrator/images/layer-merging.ts';
import { LayerSeeds } from '../../orchestrator/images/layer-seeds.ts';
import { LayerSweep } from '../../orchestrator/images/layer-sweep.ts';
import { ScheduledSnapshots } from '../../orchestrator/images/scheduled-snapshots.ts';
import { Snapshots } from '../../orchestrator/images/snapshots.ts';
import type { Head } from '../../wire/contracts/catalogue.ts';
import { quiet } from '../unit/common/members.ts';
import { TurnedClock } from '../unit/common/turned-clock.ts';
import type { BlockdNode } from './blockd-node.ts';
import { CatalogueStand } from './catalogue-stand.ts';

const MIB = 2 ** 20;
const BYTES = 16 * MIB;
const POINTS = 100;
const KEPT = 3;
/** Each snapshot's writes begin in one of so many places of 64 KiB. */
const PLACES = 40;
const PLACE_BYTES = 64 * 1024;
const CLONE = 'l00000000000000c1';
const EVERY_S = 60;

let stand: CatalogueStand;
let a: BlockdNode;
let b: BlockdNode;
let clock: TurnedClock;
let merging: LayerMerging;
let sweep: LayerSweep;
let scheduled: ScheduledSnapshots;
const stopping = new AbortController();
/** What each place was filled with last. */
const model = Array.from({ length: PLACES }, () => 0);

test.before(async () => {
  await ensurePackages(['qemu-utils'], new ProgressLine());
  stand = await CatalogueStand.start(70);
  [a, b] = [stand.node('a'), stand.node('b')];
  clock = new TurnedClock();
  const shared = { cluster: stand.cluster, log: quiet, clock };
  sweep = new LayerSweep(shared);
  merging = new LayerMerging({ ...shared, sweep });
  const snapshots = new Snapshots({ ...shared, sweep, admission: new Admission(stand.state) });
  const seeds = new LayerSeeds(shared);
  scheduled = new ScheduledSnapshots({ ...shared, snapshots, seeds, stopping: stopping.signal });
});

test.after(() => stand.close());

async function headOf(image: string): Promise<Head> {
  return stand.client.call('image.head', { image });
}

async function open(image: string, node: BlockdNode): Promise<void> {
  const head = await stand.cluster.controller.catalogue.call('epoch.open', { image, node: node.name });
  const { bytes, stack, epoch, last, holder } = head;
  const from = stand.cluster.endpoint(holder);
  await node.controller.call('image.open', { image, bytes, stack, epoch, last, from });
}

/** One look of each job that the orchestrator repeats. */
async function look(): Promise<void> {
  await scheduled.look();
  await scheduled.settled();
  await merging.look();
  await sweep.sweep();
}

/** Until nothing more is to merge or to go. */
async function lookUntilDone(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) {
    await look();
    const { leaving } = await stand.client.call('layer.leaving', {});
    if (leaving.length === 0 && (await headOf('web')).stack.below.length <= KEPT) return;
  }
  assert.unreachable('merges do not come to an end');
}

/** What the layers' data takes on a node's disk. */
async function takenBytes(node: BlockdNode): Promise<number> {
  const layers = join(node.directory, 'state', 'layers');
  const names = (await readdir(layers)).filter((name) => name.endsWith('.data'));
  const files = await Promise.all(names.map((name) => stat(join(layers, name))));
  return files.reduce((sum, { blocks }) => sum + blocks * 512, 0);
}

function fill(place: number, byte: number): string {
  model[place] = byte;
  return byte === 0
    ? `write -z ${place * PLACE_BYTES} ${PLACE_BYTES}`
    : `write -P ${byte} ${place * PLACE_BYTES} ${PLACE_BYTES}`;
}

function readAll(): string[] {
  return model.map((byte, place) => `read -P ${byte} ${place * PLACE_BYTES} ${PLACE_BYTES}`);
}

test('a hundred scheduled snapshots leave a stack as deep as what is kept', async () => {
  const layer = 'l00000000000000a1';
  await a.controller.call('image.create', { image: 'web', layer, bytes: BYTES });
  const closing = { image: 'web', epoch: 0, lastSequence: 0, entries: 0, digest: '0'.repeat(32), generation: 1 };
  await stand.client.call('image.add', { image: 'web', layer, bytes: BYTES, holder: 'a', closing });
  const snapshots = { everySeconds: EVERY_S, place: 'b', keep: KEPT };
  await stand.client.call('propagation.set', { image: 'web', settings: { ...DEFAULT_SETTINGS, snapshots } });
  await open('web', a);
  let deepest = 0;
  for (let point = 0; point < POINTS; point++) {
    await a.io(fill(point % PLACES, 1 + (point % 250)), fill((7 * point) % PLACES, point % 251), 'flush');
    await look();
    deepest = Math.max(deepest, (await headOf('web')).stack.below.length);
    clock.turn(EVERY_S * 1_000 + 1);
    // A writer and a holder that are killed in the middle of it all go on where they were.
    if (point === 40) await restart(a);
    if (point === 60) await restart(b);
  }
  assert.ok(deepest <= 2 * KEPT + 2, `${deepest} layers below the top`);
  assert.ok((await headOf('web')).stack.generation > POINTS);
  await lookUntilDone();
  await a.io(...readAll());
});

async function restart(node: BlockdNode): Promise<void> {
  await node.stop('SIGKILL');
  await stand.startNode(node);
}

test('what is gone takes no room any more, here and there', async () => {
  // Each layer may say something of each place; what was merged and hidden is in none of them.
  const most = (KEPT + 1) * 2 * PLACE_BYTES + PLACES * PLACE_BYTES;
  for (const node of [a, b]) {
    const taken = await takenBytes(node);
    assert.ok(taken <= most + MIB, `${taken} bytes at ${node.name}, not more than ${most}`);
  }
  const { layers } = await a.controller.call('layer.list', {});
  assert.ok(layers.length <= KEPT + 1, `${layers.length} layers at a`);
});

test('the newest of them is whole at the other place when the writer and its disk are gone', async () => {
  await look();
  const { snapshots } = await stand.client.call('snapshot.list', {});
  const newest = snapshots.filter(({ recovery }) => recovery?.place === 'b').sort((x, y) => y.atMs - x.atMs)[0];
  if (newest === undefined) throw new Error('nothing has arrived');
  const order = { image: 'again', layer: CLONE, snapshot: newest.snapshot, disk: 'web' };
  await stand.cluster.controller.catalogue.call('image.clone', order);
  await a.stop('SIGKILL');
  await open('again', b);
  await b.ioOn('again', ...readAll());
});

test.run();
