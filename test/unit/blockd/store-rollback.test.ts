// What a store that was put back means for the images: which are in doubt, that nothing is granted of them, and that no
// store's word ends that (promises S3 and S4, SOUNDNESS D2).
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Entry } from '../../../blockd/catalogue/catalogue.ts';
import { judgeNotch } from '../../../blockd/catalogue/store-rollback.ts';
import type { Head } from '../../../wire/contracts/catalogue.ts';
import type { Notch, SaidNotch } from '../../../wire/contracts/store-notch.ts';
import type { ReportedLayer } from '../../../wire/contracts/store-report.ts';
import { refusal } from '../../refusal.ts';
import { context, newEntry } from './catalogue-entries.ts';
import { layerName } from './layered-image.ts';
import { closedLayer, closing, image, Stand, TOP } from './rebuild-stand.ts';
import { reportedLayer } from './reported-layer.ts';

const STORE = 'aa'.repeat(8);

function notch(count: number, word = `${count}`): Notch {
  return { store: STORE, count, word: word.padStart(16, '0') };
}

function said(now: Notch, at: number, wordAt?: Notch): SaidNotch {
  return { now, at, ...(wordAt === undefined ? {} : { wordAt: wordAt.word }) };
}

const verdicts: readonly [what: string, known: Notch | undefined, answer: SaidNotch, kind: string][] = [
  ['the first answer of a store', undefined, said(notch(7), 0), 'ahead'],
  ['nothing was changed there', notch(7), said(notch(7), 7, notch(7)), 'same'],
  ['it went on', notch(7), said(notch(9), 7, notch(7)), 'ahead'],
  ['it went on so far that it has forgotten', notch(7), said(notch(999), 7), 'ahead'],
  ['asked before another answer came', notch(7), said(notch(6), 6, notch(6)), 'late'],
  ['asked before any answer came', notch(7), said(notch(6), 0), 'late'],
  ['asked for what the catalogue does not know', undefined, said(notch(6), 6, notch(6)), 'late'],
  ['an older copy', notch(7), said(notch(6), 7), 'behind'],
  ['an older copy that went on as far', notch(7), said(notch(7, 'f7'), 7, notch(7, 'f7')), 'behind'],
  ['an older copy that went on further', notch(7), said(notch(9), 7, notch(7, 'f7')), 'behind'],
  ['another store', notch(7), said({ ...notch(7), store: 'bb'.repeat(8) }, 7, notch(7)), 'behind'],
];
for (const [what, known, answer, kind] of verdicts) {
  test(`${what}: ${kind}`, () => {
    const verdict = judgeNotch('a', known, answer);
    assert.is(verdict.kind, kind);
    if (verdict.kind === 'behind') assert.match(verdict.reason, 'node a is a');
  });
}

function entry(name: string, change: Partial<Head>): Entry {
  const { head, granted } = newEntry(name);
  return { head: { ...head, stack: { layer: TOP, generation: 1, below: [] }, ...change }, granted };
}

/** A catalogue that has seen the store of node a at notch 7. */
async function standWith(...entries: Entry[]): Promise<Stand> {
  const stand = new Stand();
  await stand.store.commit(() => ({
    change: { entries, notches: [{ node: 'a', notch: notch(7) }] },
    answer: undefined,
  }));
  for (const node of ['a', 'b']) {
    const report = { layers: [], unusable: [], members: [], kept: null };
    await stand.calls['store.heard']({ node, report }, context);
  }
  return stand;
}

/** The store of node a is at notch 6, with these layers. */
async function hearOld(stand: Stand, layers: ReportedLayer[] = []): Promise<string[]> {
  const report = { layers, unusable: [], members: [], kept: null };
  const at = stand.store.notchOf('a')?.count ?? 0;
  const heard = { node: 'a', said: said(notch(6), at), report };
  const { doubtful } = await stand.calls['notch.heard']({ heard: [heard] }, context);
  return doubtful.map((one) => one.image).sort();
}

const BELOW = { layer: layerName(2), bytes: 4096, lastSequence: 3, entries: 1, digest: 'cd'.repeat(16) };
const CLOSED = closing(3, 70);
const BEGUN = { migration: '00000000000000aa', from: 'b', to: 'a', epoch: 4 };
const UNWRITTEN = { ...CLOSED, entries: 0 };
const CLONE: Partial<Head> = { last: UNWRITTEN, stack: { layer: layerName(3), generation: 2, below: [BELOW] } };

const images: readonly [what: string, head: Partial<Head>, layers: ReportedLayer[], isDoubted: boolean][] = [
  ['it is written there', { writer: 'a', epoch: 4 }, [reportedLayer({ layer: TOP, role: 'writer', epoch: 4 })], true],
  ['it was granted there', { writer: 'a', epoch: 4 }, [closedLayer(CLOSED)], true],
  ['it comes there', { writer: 'b', epoch: 3, transfer: BEGUN }, [], true],
  ['it is written elsewhere', { writer: 'b', epoch: 4, holder: 'a' }, [], false],
  ['another has it as it was closed', { last: CLOSED, holder: 'b' }, [], false],
  ['it is there as it was closed', { last: CLOSED }, [closedLayer(CLOSED)], false],
  ['it is there as it was closed before', { last: CLOSED }, [closedLayer(closing(2, 60, 'cd'.repeat(16)))], true],
  ['it was closed there and is gone', { last: CLOSED }, [], true],
  ['it was made there and is gone', { last: UNWRITTEN }, [], true],
  ['a clone that nobody opened', CLONE, [reportedLayer({ layer: BELOW.layer, table: BELOW })], false],
  ['a clone of what is gone', CLONE, [], true],
];
for (const [what, head, layers, isDoubted] of images) {
  test(`an image ${isDoubted ? 'is' : 'is not'} in doubt by a store that was put back: ${what}`, async () => {
    const stand = await standWith(entry('web', head));
    assert.equal(await hearOld(stand, layers), isDoubted ? ['web'] : []);
    assert.is(stand.head().rollback, isDoubted ? 'a' : undefined);
    assert.equal(stand.store.notchOf('a'), notch(6), 'from here on it counts from where it is');
  });
}

test('of what is in doubt nothing is granted, it says why and what to do; the rest goes on', async () => {
  const stand = await standWith(entry('web', { writer: 'a', epoch: 4 }), entry('log', { holder: 'b' }));
  await hearOld(stand);
  for (const node of ['a', 'b']) {
    const { code, message, remedy } = await refusal(stand.grant(node));
    assert.is(code, 'IMAGE_UNCERTAIN');
    assert.match(message, 'the store of node a is an older copy of itself: it was seen at notch 7 and is at 6');
    assert.match(remedy, 'catalogue rebuild');
  }
  const order = { migration: '00000000000000aa', images: ['web'], from: 'a', to: 'b' };
  assert.is((await refusal(stand.calls['transfer.begin'](order, context) as Promise<unknown>)).code, 'IMAGE_UNCERTAIN');
  assert.is((await stand.grant('b', 'log')).writer, 'b');
  assert.equal((await stand.calls['catalogue.state']({}, context)).doubtful, ['web']);
});

test('nothing is moved to a store that was put back until a person has settled it; from there what is sound goes', async () => {
  const entries = [
    entry('web', { writer: 'a', epoch: 4, last: CLOSED }),
    entry('log', { writer: 'b', epoch: 4, holder: 'b', stack: { layer: layerName(5), generation: 1, below: [] } }),
    entry('db', { holder: 'b', stack: { layer: layerName(6), generation: 1, below: [] } }),
  ];
  const stand = await standWith(...entries);
  await hearOld(stand);
  const begin = async (migration: string, image: string, from: string, to: string) =>
    stand.calls['transfer.begin']({ migration, images: [image], from, to }, context);
  const { code, message, remedy } = await refusal(begin('00000000000000aa', 'log', 'b', 'a'));
  assert.is(code, 'STORE_UNCERTAIN');
  assert.match(message, 'the store of node a was put back as it was once, and image web may have lost by it');
  assert.match(remedy, 'catalogue rebuild');
  assert.is(stand.head('log').transfer, null);
  await stand.grant('a', 'db');
  await begin('00000000000000bb', 'db', 'a', 'b');
  await stand.rebuild({ a: [closedLayer(closing(4, 75))], b: [] }, { accept: ['web'] });
  await begin('00000000000000aa', 'log', 'b', 'a');
  assert.is(stand.head('log').transfer?.to, 'a');
});

test('a closing of what was put back leaves the image in doubt', async () => {
  const stand = await standWith(entry('web', { writer: 'a', epoch: 4, last: CLOSED }));
  await hearOld(stand);
  await stand.calls['epoch.close']({ image: 'web', node: 'a', closing: closing(4, 75) }, context);
  assert.equal([stand.head().writer, stand.head().rollback], [null, 'a']);
  assert.is((await refusal(stand.grant('b'))).code, 'IMAGE_UNCERTAIN');
});

test('without a report nothing is decided; it is asked for, and a late answer too', async () => {
  const stand = await standWith(entry('web', { writer: 'a', epoch: 4 }));
  const hear = async (answer: SaidNotch) =>
    stand.calls['notch.heard']({ heard: [{ node: 'a', said: answer }] }, context);
  assert.equal(await hear(said(notch(6), 7)), { again: ['a'], doubtful: [] });
  assert.equal(await hear(said(notch(8), 6, notch(6))), { again: ['a'], doubtful: [] });
  assert.equal([stand.store.notchOf('a'), stand.head().doubt], [notch(7), undefined]);
  assert.equal(await hear(said(notch(8), 7, notch(7))), { again: [], doubtful: [] });
  assert.equal(stand.store.notchOf('a'), notch(8));
});

test('a hundred images of one store, and two such stores, are put in doubt by several commits', async () => {
  const many = Array.from({ length: 101 }, (_, index) => entry(`i${index}`, { writer: 'a', epoch: 4 }));
  const stand = await standWith(...many, entry('other', { writer: 'b', epoch: 4 }));
  await stand.store.commit(() => ({ change: { notches: [{ node: 'b', notch: notch(9) }] }, answer: undefined }));
  const report = { layers: [], unusable: [], members: [], kept: null };
  const heard = [
    { node: 'a', said: said(notch(6), 7), report },
    { node: 'b', said: said(notch(6), 9), report },
  ];
  const counts: number[] = [];
  for (let left = heard; left.length > 0; ) {
    const { again, doubtful } = await stand.calls['notch.heard']({ heard: left }, context);
    counts.push(doubtful.length);
    left = left.filter(({ node }) => again.includes(node));
  }
  assert.equal(counts, [50, 50, 1, 1]);
  assert.is(stand.store.heads.filter(({ rollback }) => rollback === undefined).length, 0);
});

test('no store ends it, nor a rebuild; a person does, once it is closed, and the next epoch is another', async () => {
  const stand = await standWith({ ...entry('web', { writer: 'a', epoch: 4, last: CLOSED }), granted: 4 });
  await hearOld(stand);
  const open = { a: [reportedLayer({ layer: TOP, role: 'writer', epoch: 4 })], b: [] };
  assert.equal((await stand.rebuild(open, { mode: 'reconcile' })).images, []);
  const found = image(await stand.rebuild(open, { mode: 'plan' }));
  assert.equal([found.verdict, found.toClose], ['uncertain', { node: 'a', layer: TOP, epoch: 4 }]);
  assert.match(found.wouldLose, 'whatever was flushed at a after the state that is there now');
  assert.is((await refusal(stand.rebuild(open, { accept: ['web'] }))).code, 'IMAGE_OPEN');
  const closed = { a: [closedLayer(closing(4, 75))], b: [] };
  assert.is(image(await stand.rebuild(closed)).verdict, 'uncertain');
  assert.is(stand.head().rollback, 'a', 'it was not accepted');
  assert.is(image(await stand.rebuild(closed, { accept: ['web'] })).isAccepted, true);
  assert.equal([stand.head().doubt, stand.head().rollback, stand.head().writer], [undefined, undefined, null]);
  const head = await stand.grant('b');
  assert.equal([head.epoch, head.last], [5, closing(4, 75)]);
});

test('what is in doubt by it stays so when the catalogue is lost: the kept records say it', async () => {
  const stand = await standWith(entry('web', { writer: 'a', epoch: 4, last: CLOSED }));
  await hearOld(stand);
  const kept = await stand.records();
  stand.lose();
  const report = await stand.rebuild({ a: [closedLayer(closing(4, 75))], b: [] }, { kept });
  assert.is(image(report).verdict, 'uncertain');
  assert.is(stand.head().rollback, 'a');
});

test('how far stores have come is no news to the stores', async () => {
  const stand = await standWith(entry('web', {}));
  const before = await stand.records();
  await stand.calls['notch.heard']({ heard: [{ node: 'a', said: said(notch(8), 7, notch(7)) }] }, context);
  assert.equal(await stand.records(), before);
  assert.equal(await stand.calls['notch.list']({}, context), { notches: [{ node: 'a', notch: notch(8) }] });
});

test.run();
