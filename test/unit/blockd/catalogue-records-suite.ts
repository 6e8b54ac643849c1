// What a store of the catalogue keeps over a reopening, whichever engine it is, and what it says of records that are damaged.
// Not a test itself.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { catalogueCalls } from '../../../blockd/catalogue/catalogue-calls.ts';
import { DEFAULT_SETTINGS } from '../../../blockd/propagation/default-settings.ts';
import type { NodeNotch } from '../../../wire/contracts/store-notch.ts';
import { refusal } from '../../refusal.ts';
import { add, closing, context, isCode, LAYER, MIGRATION, newEntry, type StoreStand } from './catalogue-entries.ts';

/** Beside it no other policy makes recovery points. */
const SCHEDULE = { everySeconds: 60, place: 'b', keep: 2 };
const WORD = '00000000000000aa';

/** Declares the tests; each gets an empty engine. */
export function catalogueRecordsSuite(name: string, stand: () => Promise<StoreStand>): void {
  test(`${name}: what was committed is there when it is opened again`, async () => {
    const { open } = await stand();
    const first = await open();
    await add(first, 'web', 'log');
    await first.commit(() => ({
      change: { removed: 'log', finished: { migration: MIGRATION, outcome: { moved: true, images: ['web'] } } },
      answer: undefined,
    }));
    assert.is(first.find('log'), undefined);
    await first.close();
    const second = await open();
    assert.equal(second.heads, [newEntry('web').head]);
    assert.equal(second.get('web'), newEntry('web'));
    assert.equal(await second.finished(MIGRATION), { moved: true, images: ['web'] });
    assert.is(await second.finished('00000000000000bb'), undefined);
    assert.throws(() => second.get('log'), isCode('NO_IMAGE'));
    await second.close();
  });

  test(`${name}: snapshots and layers that are to leave are there for whoever opens it next, until they go`, async () => {
    const { open } = await stand();
    const first = await open();
    const snapshot = { snapshot: 'monday', atMs: 1, disks: [] };
    const leaving = [{ layer: LAYER, nodes: ['a'] }];
    await first.commit(() => ({ change: { snapshots: [snapshot], leaving }, answer: undefined }));
    assert.equal([first.findSnapshot('monday'), first.leaving], [snapshot, leaving]);
    await first.close();
    const second = await open();
    assert.equal([second.snapshots, second.leaving], [[snapshot], leaving]);
    const gone = { snapshotRemoved: 'monday', leaving: [{ layer: LAYER, nodes: [] }] };
    await second.commit(() => ({ change: gone, answer: undefined }));
    assert.equal([second.snapshots, second.leaving], [[], []]);
    await second.close();
  });

  test(`${name}: how blocks get to other places is kept with the image, and goes with it`, async () => {
    const { open } = await stand();
    const first = await open();
    await add(first, 'web');
    const calls = catalogueCalls(first);
    assert.equal(await calls['propagation.show']({ image: 'web' }, context), DEFAULT_SETTINGS);
    const settings = { ...DEFAULT_SETTINGS, policy: { mode: 'proactive' }, s: 'auto' } as const;
    await calls['propagation.set']({ image: 'web', settings }, context);
    const policy = { mode: 'async', rpoSeconds: 60, place: 'b' } as const;
    const refused = Promise.resolve(
      calls['propagation.set']({ image: 'web', settings: { ...settings, policy, snapshots: SCHEDULE } }, context),
    );
    assert.is((await refusal(refused)).code, 'POLICY_UNSUPPORTED');
    await calls['epoch.open']({ image: 'web', node: 'a' }, context);
    await first.close();
    const second = await open();
    const again = catalogueCalls(second);
    assert.equal(await again['propagation.show']({ image: 'web' }, context), settings);
    assert.equal(second.get('web').head.propagation, settings);
    await again['epoch.close']({ image: 'web', node: 'a', closing: closing('web', 1, 1) }, context);
    await again['image.remove']({ image: 'web', nodes: [] }, context);
    await add(second, 'web');
    assert.equal(await again['propagation.show']({ image: 'web' }, context), DEFAULT_SETTINGS);
    await second.close();
  });

  test(`${name}: each commit counts, also over a reopening, and nothing else does`, async () => {
    const { open } = await stand();
    const first = await open();
    assert.equal(first.state, { incarnation: 1, serial: 0, behind: '' });
    await add(first, 'web', 'log');
    await first.commit(() => ({ change: {}, answer: undefined }));
    await first.commit(() => ({ change: { state: { incarnation: 2, behind: 'it was restored' } }, answer: undefined }));
    await first.close();
    const second = await open();
    assert.equal(second.state, { incarnation: 2, serial: 2, behind: 'it was restored' });
    await second.commit(() => ({ change: { removed: 'log', state: { behind: '' } }, answer: undefined }));
    assert.equal(second.state, { incarnation: 2, serial: 3, behind: '' });
    await second.close();
  });

  test(`${name}: how far stores have come is there for whoever opens it next, and is no commit by itself`, async () => {
    const { open, damage } = await stand();
    const first = await open();
    await add(first, 'web');
    const notchOf = (count: number): NodeNotch => ({ node: 'a', notch: { store: WORD, count, word: WORD } });
    await first.commit(() => ({ change: { notches: [notchOf(7), { ...notchOf(1), node: 'b' }] }, answer: undefined }));
    assert.equal([first.state.serial, first.notchOf('a'), first.notchOf('c')], [1, notchOf(7).notch, undefined]);
    const entries = [newEntry('log')];
    await first.commit(() => ({ change: { entries, notches: [notchOf(8)] }, answer: undefined }));
    await first.close();
    const second = await open();
    assert.equal([second.state.serial, second.notches.sort(byNode)], [2, [notchOf(8), { ...notchOf(1), node: 'b' }]]);
    const ask = async (count: number, at: number) =>
      catalogueCalls(second)['notch.heard'](
        { heard: [{ node: 'a', said: { now: notchOf(count).notch, at, wordAt: WORD } }] },
        context,
      );
    assert.equal(await ask(9, 8), { again: [], doubtful: [] });
    assert.equal(await ask(10, 8), { again: ['a'], doubtful: [] }, 'it was asked before the other answer came');
    assert.is(second.notchOf('a')?.count, 9);
    await second.close();
    await damage('notch!a', '{}');
    assert.match((await refusal(open())).message, 'notch!a');
  });

  const rot: readonly [string, string][] = [
    ['no JSON', '{"head":'],
    ['another shape', '{"head":{"image":"web"},"granted":1}'],
    ['another image', JSON.stringify(newEntry('log'))],
  ];
  for (const [what, text] of rot) {
    test(`${name}: a damaged record is named, and nothing is opened over it: ${what}`, async () => {
      const { open, damage } = await stand();
      const store = await open();
      await add(store, 'web');
      await store.close();
      await damage('head!web', text);
      const error = await refusal(open());
      assert.is(error.code, 'CATALOGUE_DAMAGED');
      assert.match(error.message, 'head!web');
      await damage('head!web', JSON.stringify(newEntry('web')));
      const mended = await open();
      assert.is(mended.heads.length, 1);
      await mended.close();
    });
  }

  test(`${name}: a damaged record of a finished transfer is named when it is asked for`, async () => {
    const { open, damage } = await stand();
    await damage(`finished!${MIGRATION}`, '[]');
    const store = await open();
    assert.is((await refusal(store.finished(MIGRATION))).code, 'CATALOGUE_DAMAGED');
    await store.close();
  });
}

function byNode(one: NodeNotch, other: NodeNotch): number {
  return one.node < other.node ? -1 : 1;
}
