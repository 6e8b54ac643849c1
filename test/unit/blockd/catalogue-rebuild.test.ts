// The catalogue made again from what stores say: what is certain, what is not and why, and what is never overwritten.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { catalogueCalls } from '../../../blockd/catalogue/catalogue-calls.ts';
import { StoreBook } from '../../../blockd/catalogue/store-book.ts';
import type { Handlers } from '../../../common/rpc/server.ts';
import type { Closing } from '../../../wire/contracts/blockd.ts';
import type { catalogueContract, Head } from '../../../wire/contracts/catalogue.ts';
import type { RebuildOrder, RebuildReport, RebuiltImage } from '../../../wire/contracts/rebuild.ts';
import type { KeptRecords, ReportedLayer } from '../../../wire/contracts/store-report.ts';
import { refusal } from '../../refusal.ts';
import { ModelStore } from './catalogue-model.ts';
import { context } from './catalogue-suite.ts';
import { layerName } from './layered-image.ts';
import { reportedLayer } from './reported-layer.ts';

const MARGIN = 4096;
const TOP = layerName(1);

type Layers = Record<string, ReportedLayer[]>;

class Stand {
  store = new ModelStore();
  calls: Handlers<typeof catalogueContract> = catalogueCalls(this.store, new StoreBook());

  /** The catalogue's disk is gone. */
  lose(): void {
    this.store = new ModelStore();
    this.calls = catalogueCalls(this.store, new StoreBook());
  }

  /** Each store says these layers; every other of a, b and c is away. */
  async rebuild(layers: Layers, order: Partial<RebuildOrder> = {}): Promise<RebuildReport> {
    for (const [node, own] of Object.entries(layers)) {
      const report = { layers: own, unusable: [], members: ['a', 'b'], kept: order.kept?.mark ?? null };
      await this.calls['store.heard']({ node, report }, context);
    }
    const whole = {
      mode: 'execute',
      answered: Object.keys(layers),
      members: [],
      kept: null,
      migrations: [],
      accept: [],
    };
    return this.calls['catalogue.rebuild']({ ...whole, ...order } as RebuildOrder, context);
  }

  head(image = 'web'): Head {
    return this.store.get(image).head;
  }

  async records(): Promise<KeptRecords> {
    return this.calls['records.list']({}, context);
  }

  async grant(node: string, image = 'web'): Promise<Head> {
    return this.calls['epoch.open']({ image, node }, context);
  }
}

const test = suite<{ stand: Stand }>('catalogue rebuild');
test.before.each((context) => {
  context.stand = new Stand();
});

function closing(epoch: number, lastSequence: number, digest = 'ab'.repeat(16)): Closing {
  return { image: 'web', epoch, lastSequence, entries: 2, digest, generation: 1 };
}

/** A layer whose table is as it closed. */
function closedLayer(last: Closing, change: Partial<ReportedLayer> = {}): ReportedLayer {
  const { lastSequence, entries, digest, epoch } = last;
  return reportedLayer({ layer: TOP, epoch, closing: last, table: { lastSequence, entries, digest }, ...change });
}

function image({ images }: RebuildReport, name = 'web'): RebuiltImage {
  const found = images.find((one) => one.image === name);
  if (found === undefined) throw new Error(`no ${name} in ${JSON.stringify(images)}`);
  return found;
}

test('an image that is written stays with its writer, and the next epoch is above all that was seen', async ({
  stand,
}) => {
  const ends = [
    { epoch: 0, lastSequence: 0 },
    { epoch: 3, lastSequence: 70 },
  ];
  const writer = reportedLayer({ layer: TOP, role: 'writer', epoch: 5, ends });
  const report = await stand.rebuild({ a: [writer], b: [closedLayer(closing(3, 70), { epoch: 4 })] });
  assert.is(image(report).verdict, 'open');
  const { writer: node, epoch, last, closings } = stand.head();
  assert.equal([node, epoch, last, closings], ['a', 5, closing(3, 70), ends]);
  await stand.calls['epoch.close']({ image: 'web', node: 'a', closing: closing(5, 80) }, context);
  assert.is((await stand.grant('b')).epoch, 5 + MARGIN + 1);
});

test('a closed image is at whoever has it as it closed last, though others have older states', async ({ stand }) => {
  const report = await stand.rebuild({
    a: [closedLayer(closing(3, 70), { localBlocks: 2 })],
    b: [closedLayer(closing(4, 90, 'cd'.repeat(16)), { ends: [{ epoch: 3, lastSequence: 70 }] })],
  });
  assert.equal([image(report).verdict, image(report).node], ['closed', 'b']);
  assert.equal(stand.head().last, closing(4, 90, 'cd'.repeat(16)));
  const { last, epoch } = await stand.grant('a');
  assert.equal([last.epoch, epoch], [4, 4 + MARGIN + 1]);
});

test('of one epoch the later end counts: its writer was frozen once and thawed', async ({ stand }) => {
  await stand.rebuild({ a: [closedLayer(closing(3, 90, 'cd'.repeat(16)))], b: [closedLayer(closing(3, 70))] });
  assert.equal([stand.head().holder, stand.head().last.lastSequence], ['a', 90]);
});

test('a fenced writer that has come back is no writer (A7)', async ({ stand }) => {
  const fenced = reportedLayer({ layer: TOP, role: 'writer', epoch: 2 });
  const report = await stand.rebuild({ a: [fenced], b: [closedLayer(closing(9, 70))] });
  assert.equal([image(report).verdict, stand.head().holder, stand.head().last.epoch], ['closed', 'b', 9]);
  const other = new Stand();
  const newer = reportedLayer({ layer: TOP, role: 'writer', epoch: 9, ends: [{ epoch: 2, lastSequence: 5 }] });
  await other.rebuild({ a: [fenced], b: [newer] });
  assert.equal([other.head().writer, other.head().epoch], ['b', 9]);
});

test('nothing is opened of what may be newer elsewhere, until a person takes it as it is', async ({ stand }) => {
  const layers = { a: [closedLayer(closing(3, 70))] };
  const dry = await stand.rebuild(layers, { mode: 'plan' });
  assert.equal([dry.isDone, stand.store.heads], [false, []]);
  const found = image(await stand.rebuild(layers));
  assert.equal([found.verdict, found.isAccepted], ['uncertain', false]);
  assert.match(found.reason, 'b is away and may have opened it after epoch 3');
  assert.match(found.wouldLose, 'after epoch 3 closed at a at write 70');
  assert.is((await refusal(stand.grant('a'))).code, 'IMAGE_UNCERTAIN');
  const taken = image(await stand.rebuild(layers, { accept: ['web'] }));
  assert.is(taken.isAccepted, true);
  const { epoch } = await stand.grant('a');
  assert.is(epoch, 3 + MARGIN + 1);
});

test('a store that comes back settles what was in doubt, and nothing else is touched', async ({ stand }) => {
  const a = [closedLayer(closing(3, 70))];
  await stand.rebuild({ a });
  const b = [reportedLayer({ layer: TOP, role: 'writer', epoch: 4, ends: [{ epoch: 3, lastSequence: 70 }] })];
  const { images } = await stand.rebuild({ a, b }, { mode: 'reconcile' });
  assert.equal(
    images.map(({ verdict, node }) => [verdict, node]),
    [['open', 'b']],
  );
  assert.equal([stand.head().writer, stand.head().doubt], ['b', undefined]);
  const before = stand.store.get('web');
  const again = await stand.rebuild({ a, b }, { mode: 'reconcile' });
  assert.equal([again.images, stand.store.get('web')], [[], before]);
});

const doubts: readonly [why: string, said: Layers, reason: RegExp, isAcceptable: boolean][] = [
  [
    'two writers that know nothing of each other',
    {
      a: [reportedLayer({ layer: TOP, role: 'writer', epoch: 2 })],
      b: [reportedLayer({ layer: TOP, role: 'writer', epoch: 9 })],
    },
    /open at b under epoch 9 and at a under epoch 2/,
    true,
  ],
  [
    'one epoch that ended in two ways',
    { a: [closedLayer(closing(3, 70))], b: [closedLayer(closing(3, 70, 'cd'.repeat(16)))] },
    /epoch 3 that it closed in two ways/,
    true,
  ],
  [
    'an epoch that nobody had',
    { a: [closedLayer(closing(3, 70))], b: [closedLayer(closing(3, 70), { ends: [{ epoch: 6, lastSequence: 90 }] })] },
    /epoch 6 was granted/,
    true,
  ],
  [
    'a stand-by whose writer is nowhere',
    { a: [reportedLayer({ layer: TOP, role: 'standby', epoch: 4 })], b: [] },
    /as it was closed/,
    false,
  ],
  [
    'a table that is not as it closed',
    { a: [closedLayer(closing(3, 70), { table: { lastSequence: 60, entries: 1, digest: 'cd'.repeat(16) } })], b: [] },
    /as it was closed/,
    false,
  ],
];
for (const [why, said, reason, isAcceptable] of doubts) {
  test(`it is uncertain: ${why}`, async ({ stand }) => {
    const found = image(await stand.rebuild(said));
    assert.is(found.verdict, 'uncertain');
    assert.match(found.reason, reason);
    assert.is((await refusal(stand.grant('a'))).code, 'IMAGE_UNCERTAIN');
    assert.is(found.wouldLose !== '', isAcceptable);
    if (isAcceptable) assert.is(image(await stand.rebuild(said, { accept: ['web'] })).isAccepted, true);
    else assert.is((await refusal(stand.rebuild(said, { accept: ['web'] }))).code, 'NOTHING_TO_ACCEPT');
  });
}

test('a refused stand-by leaves no doubt: its epoch was its own', async ({ stand }) => {
  const standby = reportedLayer({ layer: TOP, epoch: 4, closing: null });
  const report = await stand.rebuild({ a: [closedLayer(closing(3, 70))], b: [standby] });
  assert.is(image(report).verdict, 'closed');
  assert.is((await stand.grant('b')).epoch, 4 + MARGIN + 1);
});

const MOVE = { migration: '00000000000000aa', from: 'a', to: 'b', images: ['web'] };
for (const role of ['standby', 'writer'] as const) {
  test(`a migration that is under way goes on to its end, its destination a ${role}`, async ({ stand }) => {
    const { migration } = MOVE;
    const source = reportedLayer({ layer: TOP, role: 'frozen', epoch: 3, migration, closing: closing(3, 70) });
    const there = reportedLayer({ layer: TOP, role, epoch: 4, migration });
    await stand.rebuild({ a: [source], b: [there] }, { migrations: [MOVE] });
    assert.equal([stand.head().writer, stand.head().epoch], ['a', 3]);
    assert.equal(stand.head().transfer, { migration, from: 'a', to: 'b', epoch: 4 });
    const end = { migration, moved: true, closings: [closing(3, 70)] };
    const { heads } = await stand.calls['transfer.finish'](end, context);
    assert.equal(
      heads.map(({ writer, epoch }) => [writer, epoch]),
      [['b', 4]],
    );
  });
}

test('of a migration that nobody follows any more the destination that writes is the writer', async ({ stand }) => {
  const { migration } = MOVE;
  const source = reportedLayer({ layer: TOP, role: 'frozen', epoch: 3, migration, closing: closing(3, 70) });
  await stand.rebuild({ a: [source], b: [reportedLayer({ layer: TOP, role: 'writer', epoch: 4, migration })] });
  assert.equal([stand.head().writer, stand.head().epoch, stand.head().transfer], ['b', 4, null]);
});

/** Records of a catalogue with an image of two layers, its snapshot, and a clone that nobody opened. */
async function keptRecords(stand: Stand): Promise<KeptRecords> {
  const { calls } = stand;
  for (const node of ['a', 'b']) {
    const report = { layers: [], unusable: [], members: [], kept: null };
    await calls['store.heard']({ node, report }, context);
  }
  await calls['image.add']({ image: 'web', layer: TOP, bytes: 4096, holder: 'a', closing: closing(0, 9) }, context);
  const cuts = [{ image: 'web', generation: 1, layer: layerName(2) }];
  const cut = '00000000000000c1';
  await calls['snapshot.begin']({ cut, snapshot: 'monday', cuts }, context);
  await calls['snapshot.finish']({ cut, snapshot: 'monday', sealed: [], atMs: 1 }, context);
  await calls['image.clone']({ image: 'clone', layer: layerName(3), snapshot: 'monday', disk: 'web' }, context);
  const { heads } = await calls['image.list']({}, context);
  assert.is(heads.length, 2);
  return stand.records();
}

test('names of snapshots, clones and tops that no store has come from the kept records', async ({ stand }) => {
  const kept = await keptRecords(stand);
  const before = stand.store.heads.reverse();
  stand.lose();
  const report = await stand.rebuild({ a: [closedLayer(closing(0, 9))], b: [] }, { kept });
  assert.equal(
    report.images.map(({ image: name, verdict }) => `${name} ${verdict}`),
    ['clone closed', 'web closed'],
  );
  assert.equal(report.snapshots, ['monday']);
  assert.equal(stand.store.heads, before);
  assert.is(stand.store.state.incarnation, 2, 'above that of the records');
  assert.equal([stand.store.state.behind, report.unnamed], ['', []]);
  assert.is((await stand.grant('b', 'clone')).epoch, MARGIN + 1);
});

test('what a person has set of an image is as the kept records have it', async ({ stand }) => {
  await stand.rebuild({ a: [closedLayer(closing(3, 70))], b: [] });
  const pin = { place: 'alpha', nodes: ['a'] };
  await stand.calls['pin.set']({ kind: 'image', name: 'web', pin, holder: 'a' }, context);
  const kept = await stand.records();
  stand.lose();
  await stand.rebuild({ a: [closedLayer(closing(3, 70))], b: [] }, { kept });
  assert.equal([stand.head().pin, stand.head().doubt], [pin, undefined]);
});

test('without kept records it is said what no store knows, and no layer is lost', async ({ stand }) => {
  const report = await stand.rebuild({
    a: [closedLayer(closing(3, 70)), reportedLayer({ layer: layerName(8), role: 'sealed', image: 'old' })],
    b: [],
  });
  assert.match(report.notes.join(), 'the names of snapshots are lost');
  assert.equal(report.unnamed, [{ layer: layerName(8), image: 'old', nodes: ['a'] }]);
});

test('what is on its way out is not made again', async ({ stand }) => {
  await keptRecords(stand);
  await stand.calls['image.remove']({ image: 'clone', nodes: ['a', 'b'] }, context);
  const kept = await stand.records();
  stand.lose();
  const clone = reportedLayer({ layer: layerName(3), image: 'clone', closing: { ...closing(0, 9), image: 'clone' } });
  const report = await stand.rebuild({ a: [closedLayer(closing(0, 9)), clone], b: [] }, { kept });
  assert.equal(
    report.images.map(({ image: name }) => name),
    ['web'],
  );
  assert.equal(stand.store.leaving, [{ layer: layerName(3), nodes: ['a', 'b'] }]);
});

test('kept records that know of a later end than any store make it uncertain', async ({ stand }) => {
  await stand.rebuild({ a: [closedLayer(closing(3, 70))], b: [] });
  await stand.grant('a');
  await stand.calls['epoch.close']({ image: 'web', node: 'a', closing: closing(3 + MARGIN + 1, 99) }, context);
  const kept = await stand.records();
  stand.lose();
  const found = image(await stand.rebuild({ a: [], b: [closedLayer(closing(3, 70))] }, { kept }));
  assert.equal([found.verdict, /closed later, under epoch 4100 at a/.test(found.reason)], ['uncertain', true]);
  assert.is(stand.store.get('web').granted, 3 + MARGIN + 1 + MARGIN, 'also what only the records have seen counts');
});

test('two images of one name are told apart by the kept records, and are uncertain without', async ({ stand }) => {
  const kept = await keptRecords(stand);
  stand.lose();
  const old = closedLayer(closing(7, 500), { layer: layerName(9) });
  const layers = { a: [closedLayer(closing(0, 9))], b: [old] };
  assert.equal(stand.store.heads, []);
  await stand.rebuild(layers, { kept });
  assert.is(stand.head().doubt, undefined);
  const other = new Stand();
  assert.match(image(await other.rebuild(layers)).reason, 'there are 2 images of the name');
});

test('records that are sound are not overwritten, unless a person says so', async ({ stand }) => {
  const layers = { a: [closedLayer(closing(3, 70))], b: [] };
  await stand.rebuild(layers);
  const before = { ...stand.store.get('web'), state: stand.store.state };
  assert.is(image(await stand.rebuild(layers)).verdict, 'known');
  assert.equal({ ...stand.store.get('web'), state: stand.store.state }, before);
  const other = { a: [closedLayer(closing(3, 70, 'cd'.repeat(16)))], b: [] };
  assert.is(image(await stand.rebuild(other, { mode: 'plan' })).verdict, 'conflict');
  assert.is((await refusal(stand.rebuild(other))).code, 'REBUILD_CONFLICT');
  assert.equal(stand.head().last.digest, 'ab'.repeat(16));
  await stand.rebuild(other, { accept: ['web'] });
  assert.equal(stand.head().last.digest, 'cd'.repeat(16));
});

test('a restored catalogue is rebuilt over its old records, and grants again only then', async ({ stand }) => {
  await stand.rebuild({ a: [closedLayer(closing(3, 70))], b: [] });
  const now = { a: [reportedLayer({ layer: TOP, role: 'writer', epoch: 9000 })], b: [] };
  await stand.rebuild(now, { mode: 'plan' });
  assert.is((await refusal(stand.grant('a'))).code, 'IMAGE_UNCERTAIN');
  await stand.rebuild(now);
  assert.equal([stand.head().writer, stand.head().epoch, stand.head().doubt], ['a', 9000, undefined]);
  assert.is(stand.store.get('web').granted, 9000 + MARGIN);
});

test('a rebuild that is cut off grants nothing, and can be repeated', async ({ stand }) => {
  const { commit } = stand.store;
  let commits = 0;
  stand.store.commit = (decide) => {
    if (++commits === 4) throw new Error('the power failed');
    return commit.call(stand.store, decide) as ReturnType<typeof commit<never>>;
  };
  const layers = { a: [closedLayer(closing(3, 70))], b: [] };
  await stand.rebuild(layers).then(
    () => assert.unreachable(),
    () => undefined,
  );
  assert.is((await refusal(stand.grant('a'))).code, 'CATALOGUE_BEHIND');
  await stand.rebuild(layers);
  assert.is((await stand.grant('a')).writer, 'a');
});

test.run();
