// The catalogue made again from what stores say: what is certain, what is not and why, and what is never overwritten.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { refusal } from '../../refusal.ts';
import { context } from './catalogue-entries.ts';
import { closedLayer, closing, image, type Layers, MARGIN, Stand, TOP } from './rebuild-stand.ts';
import { reportedLayer } from './reported-layer.ts';

const test = suite<{ stand: Stand }>('catalogue rebuild');
test.before.each((context) => {
  context.stand = new Stand();
});

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
