// Snapshots whose calls get lost, are refused, or are left over by a controller that died; and layers that leave.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { OperationError } from '../../../common/errors.ts';
import { Admission } from '../../../orchestrator/admission.ts';
import { LayerSweep } from '../../../orchestrator/images/layer-sweep.ts';
import { Snapshots } from '../../../orchestrator/images/snapshots.ts';
import type { CutImage } from '../../../wire/contracts/blockd.ts';
import type { Head, Snapshot } from '../../../wire/contracts/catalogue.ts';
import type { SealedLayer } from '../../../wire/contracts/layers.ts';
import { quiet } from '../common/members.ts';
import { ControlStand } from './control-stand.ts';
import { head, LAYER } from './fake-cluster.ts';

const NEW_LAYER = 'l00000000000000bb';
const WATCH = { onProgress: () => undefined };
const MADE: Snapshot = { snapshot: 'monday', atMs: 1, disks: [] };
const SEALED: CutImage[] = [
  { image: 'web', sealed: { layer: LAYER, bytes: 4096, lastSequence: 7, entries: 1, digest: 'ab'.repeat(16) } },
];

const test = suite<{ stand: ControlStand; snapshots: Snapshots; finished: CutImage[][] }>('snapshots');

test.before.each(async (context) => {
  const stand = await ControlStand.open();
  const { cluster, clock } = stand;
  const admission = new Admission(stand.control.state);
  const sweep = new LayerSweep({ cluster, log: quiet });
  context.stand = stand;
  context.snapshots = new Snapshots({ cluster, admission, sweep, clock, log: quiet });
  context.finished = [];
  const { answers } = cluster.catalogue;
  answers['image.head'] = () => writing(null);
  answers['snapshot.begin'] = ({ cut }) => ({ heads: [writing(cut)] });
  answers['snapshot.finish'] = ({ sealed }) => {
    context.finished.push(sealed);
    return MADE;
  };
  answers['snapshot.abort'] = () => ({});
  cluster.clients('alpha').blockd.answers['image.cut'] = () => ({ sealed: SEALED });
});
test.after.each(({ stand }) => stand.close());

/** The head of an image that alpha writes, in a cut or not. */
function writing(cut: string | null): Head {
  return head({
    writer: 'alpha',
    epoch: 1,
    cut: cut === null ? null : { id: cut, snapshot: 'monday', layer: NEW_LAYER },
  });
}

function layer(name: string): SealedLayer {
  return { layer: name, bytes: 4096, lastSequence: 7, entries: 1, digest: 'ab'.repeat(16) };
}

function lost(): never {
  throw new OperationError('CONNECTION_LOST', 'the answer was lost');
}

test('the node cuts, the catalogue records', async ({ stand, snapshots, finished }) => {
  assert.equal(await snapshots.create('monday', ['web']), MADE);
  assert.equal(finished, [SEALED]);
  assert.is(stand.cluster.count('alpha blockd cut.cancel'), 0);
});

test('a cut whose answer was lost is finished by what the node says it did', async ({ stand, snapshots, finished }) => {
  const { answers } = stand.cluster.clients('alpha').blockd;
  answers['image.cut'] = lost;
  answers['cut.cancel'] = () => ({ sealed: SEALED });
  assert.equal(await snapshots.create('monday', ['web']), MADE);
  assert.equal(finished, [SEALED]);
});

test('a cut that the node refuses is taken back, and its reason is told', async ({ stand, snapshots, finished }) => {
  const { answers } = stand.cluster.clients('alpha').blockd;
  answers['image.cut'] = () => {
    throw new OperationError('ENOSPC', 'the disk is full');
  };
  const error = await stand.refusal(snapshots.create('monday', ['web']));
  assert.is(error.code, 'ENOSPC');
  assert.is(stand.cluster.count('catalogue snapshot.abort'), 1);
  assert.equal(finished, []);
});

test('while the node is away the cut stands; later it is ended by its word', async ({ stand, snapshots, finished }) => {
  const { blockd } = stand.cluster.clients('alpha');
  blockd.isAway = true;
  const error = await stand.refusal(snapshots.create('monday', ['web']));
  assert.is(error.code, 'SNAPSHOT_PENDING');
  stand.cluster.catalogue.answers['image.list'] = () => ({ heads: [writing('00000000000000c1')] });
  await snapshots.tidy();
  assert.equal([stand.cluster.count('catalogue snapshot.abort'), finished.length], [0, 0]);
  blockd.isAway = false;
  blockd.answers['cut.cancel'] = () => ({ sealed: SEALED });
  await snapshots.tidy();
  assert.equal(finished, [SEALED]);
  blockd.answers['cut.cancel'] = () => ({ sealed: [] });
  await snapshots.tidy();
  assert.is(stand.cluster.count('catalogue snapshot.abort'), 1);
});

test('a cut that a call sees to is not touched by the tidying', async ({ stand, snapshots, finished }) => {
  const { catalogue } = stand.cluster;
  const answer = Promise.withResolvers<{ sealed: CutImage[] }>();
  const begun = Promise.withResolvers<void>();
  catalogue.answers['snapshot.begin'] = ({ cut }) => {
    catalogue.answers['image.list'] = () => ({ heads: [writing(cut)] });
    return { heads: [writing(cut)] };
  };
  stand.cluster.clients('alpha').blockd.answers['image.cut'] = () => {
    begun.resolve();
    return answer.promise;
  };
  const creating = snapshots.create('monday', ['web']);
  await begun.promise;
  await snapshots.tidy();
  assert.is(stand.cluster.count('alpha blockd cut.cancel'), 0);
  answer.resolve({ sealed: SEALED });
  await creating;
  assert.is(finished.length, 1);
});

test('a deletion asks the nodes that are there, names the others, and goes on with them later', async ({ stand }) => {
  const { cluster, control } = stand;
  const leaving = [{ layer: LAYER, nodes: ['alpha', 'beta', 'gamma'] }];
  cluster.catalogue.answers['image.remove'] = () => ({ leaving });
  cluster.down.add('beta');
  cluster.clients('gamma').blockd.answers['layer.drop'] = () => {
    throw new OperationError('LAYER_IN_USE', 'it is read');
  };
  assert.equal(await control.images.delete('web'), ['beta', 'gamma']);
  assert.is(cluster.count('catalogue layer.gone'), 1, 'only who has let go is crossed off');
  cluster.down.delete('beta');
  cluster.catalogue.answers['layer.leaving'] = () => ({ leaving: [{ layer: LAYER, nodes: ['beta'] }] });
  await new LayerSweep({ cluster, log: quiet }).sweep();
  assert.is(cluster.count('beta blockd layer.drop'), 1);
  assert.is(cluster.count('catalogue layer.gone'), 2);
});

test('what was merged into its layers a moment ago is merged at the node first that is to write it', async ({
  stand,
  snapshots,
}) => {
  const { cluster } = stand;
  const { answers } = cluster.clients('beta').blockd;
  const merge = { from: layer(NEW_LAYER), into: layer(LAYER), merged: layer(LAYER), serial: 1, target: LAYER };
  const others = { ...merge, target: 'l00000000000000cc', serial: 2 };
  cluster.catalogue.answers['layer.leaving'] = () => ({
    leaving: [
      { layer: NEW_LAYER, nodes: ['alpha', 'beta'], merge },
      { layer: 'l00000000000000dd', nodes: ['beta'], merge: others },
    ],
  });
  cluster.catalogue.answers['snapshot.list'] = () => ({
    snapshots: [{ ...MADE, disks: [{ image: 'web', bytes: 4096, layers: [layer(LAYER)], holder: 'alpha' }] }],
  });
  answers['layer.merge'] = () => ({ isDone: true });
  answers['image.export'] = ({ path }) => ({ path, bytes: 4096 });
  await snapshots.export('monday', undefined, { node: 'beta', path: '/web.raw', format: 'raw' }, WATCH);
  const orders = cluster.heard.filter((call) => call.includes(' blockd '));
  assert.equal(orders, ['beta blockd layer.merge', 'beta blockd image.export']);
});

test.run();
