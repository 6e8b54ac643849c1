// What every store of the catalogue must do, whichever engine it is: run against `level` and against etcd. Not a test itself.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { addImage, type Entry, openEpoch } from '../../../blockd/catalogue/catalogue.ts';
import { catalogueCalls } from '../../../blockd/catalogue/catalogue-calls.ts';
import type { CatalogueStore } from '../../../blockd/catalogue/catalogue-store.ts';
import { DEFAULT_SETTINGS } from '../../../blockd/propagation/default-settings.ts';
import { codeOf } from '../../../common/errors.ts';
import type { CallContext } from '../../../common/rpc/server.ts';
import type { Closing } from '../../../wire/contracts/blockd.ts';
import type { Head } from '../../../wire/contracts/catalogue.ts';
import type { NodeNotch } from '../../../wire/contracts/store-notch.ts';
import { refusal } from '../../refusal.ts';
import { Prng } from '../../sim/prng.ts';
import { ModelStore } from './catalogue-model.ts';

/** An engine with no records in it. */
export interface StoreStand {
  /** The store as it was left; one at a time. */
  open(): Promise<CatalogueStore>;
  /** Writes a record past the store. */
  damage(key: string, text: string): Promise<void>;
}

/** Beside it no other policy makes recovery points. */
const SCHEDULE = { everySeconds: 60, place: 'b', keep: 2 };
/** Enough for every call to have met every other in most of their states. */
const STEPS = 400;
const CHANCE_OF_REOPENING = 0.03;
const MIGRATION = '00000000000000aa';

/** The callers of the catalogue are checked before its handlers. */
export const context: CallContext<null> = {
  peer: { node: 'k', role: 'controller' },
  progress: () => undefined,
  signal: new AbortController().signal,
};

const LAYER = 'l00000000000000aa';
const WORD = '00000000000000aa';

export function closing(image: string, epoch: number, lastSequence: number): Closing {
  return { image, epoch, lastSequence, entries: 1, digest: '0'.repeat(32), generation: 1 };
}

export function newEntry(image: string): Entry {
  return addImage(undefined, { image, layer: LAYER, bytes: 4096, holder: 'a', closing: closing(image, 0, 1) });
}

/** Declares the tests; each gets an empty engine. */
export function catalogueStoreSuite(name: string, stand: () => Promise<StoreStand>): void {
  const add = (store: CatalogueStore, ...images: string[]): Promise<void> =>
    store.commit(() => ({ change: { entries: images.map(newEntry) }, answer: undefined }));

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

  test(`${name}: a decision that refuses changes nothing, and the next one counts`, async () => {
    const { open } = await stand();
    const store = await open();
    await add(store, 'web');
    const none = (): never => {
      throw store.get('web').head.writer === null ? new Error('refused') : new Error('changed');
    };
    await store.commit(none).then(
      () => assert.unreachable(),
      (error: unknown) => assert.is(String(error), 'Error: refused'),
    );
    assert.is(await store.commit(() => ({ change: {}, answer: 7 })), 7);
    await add(store, 'log');
    assert.is(store.heads.length, 2);
    await store.close();
  });

  test(`${name}: each decision sees all earlier ones, whatever it waits for`, async () => {
    const { open } = await stand();
    const store = await open();
    await add(store, 'web');
    const commits = ['a', 'b', 'c'].map((node) =>
      store.commit(async () => {
        await store.finished(MIGRATION);
        const entry = openEpoch(store.get('web'), node);
        return { change: { entries: [entry] }, answer: entry.head.epoch };
      }),
    );
    const outcomes = await Promise.allSettled(commits);
    assert.equal(
      outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : codeOf(outcome.reason))),
      [1, 'IMAGE_OPEN', 'IMAGE_OPEN'],
    );
    await store.close();
    const again = await open();
    assert.is(again.get('web').granted, 1);
    await again.close();
  });

  test(`${name}: a commit that was begun is done when the store is closed`, async () => {
    const { open } = await stand();
    const store = await open();
    const adding = add(store, 'web');
    await store.close();
    await adding;
    const again = await open();
    assert.is(again.heads.length, 1);
    await again.close();
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

  test(`${name}: ${STEPS} random calls are answered as by a model, over reopenings`, async () => {
    const { open } = await stand();
    const random = new Prng(20_251_125);
    const model = new ModelStore();
    let store: CatalogueStore = await open();
    for (let step = 0; step < STEPS; step++) {
      if (random.chance(CHANCE_OF_REOPENING)) {
        await store.close();
        store = await open();
      }
      const seed = random.integer(2 ** 32);
      const [answer, expected] = [await randomCall(store, seed), await randomCall(model, seed)];
      assert.equal(answer, expected, `step ${step}`);
      const byName = ({ heads }: CatalogueStore) => heads.sort((one, other) => (one.image < other.image ? -1 : 1));
      assert.equal(byName(store), byName(model), `heads after step ${step}`);
      assert.equal(layersIn(store), layersIn(model), `snapshots and layers after step ${step}`);
    }
    await store.close();
  });
}

function byNode(one: NodeNotch, other: NodeNotch): number {
  return one.node < other.node ? -1 : 1;
}

/** What is kept beside the heads, in one order. */
function layersIn({ snapshots, leaving }: CatalogueStore): string[] {
  return [...snapshots, ...leaving].map((record) => JSON.stringify(record)).sort();
}

/** One call that follows from the seed and the state: its answer, or the code of its refusal. */
async function randomCall(store: CatalogueStore, seed: number): Promise<unknown> {
  const random = new Prng(seed);
  const calls = catalogueCalls(store);
  const image = random.pick(['web', 'log', 'db']);
  const node = random.pick(['a', 'b']);
  const migration = `000000000000000${random.integer(8)}`;
  const head = store.find(image)?.head;
  const firstLayer = `l${Buffer.from(image).toString('hex').padStart(16, '0')}`;
  const end = (name: string): Closing => {
    const { epoch = 0, last } = store.find(name)?.head ?? {};
    return closing(name, random.chance(0.9) ? epoch : epoch + 1, (last?.lastSequence ?? 0) + random.integer(3));
  };
  const ask = [
    () =>
      calls['image.add'](
        { image, layer: firstLayer, bytes: 4096, holder: node, closing: closing(image, 0, 1) },
        context,
      ),
    () => calls['epoch.open']({ image, node }, context),
    () => calls['epoch.open']({ image, node }, context),
    () => calls['epoch.close']({ image, node, closing: end(image) }, context),
    () => calls['epoch.abandon']({ image, node, epoch: head?.epoch ?? 0 }, context),
    () => calls['transfer.begin']({ migration, images: [image], from: node, to: 'c' }, context),
    async () =>
      epochsOf(await calls['transfer.begin']({ migration, images: ['web', 'log'], from: 'a', to: 'b' }, context)),
    async () => {
      const standing = random.chance(0.8) ? (head?.transfer?.migration ?? migration) : migration;
      const closings = ['web', 'log', 'db'].map(end);
      return epochsOf(
        await calls['transfer.finish']({ migration: standing, moved: random.chance(0.5), closings }, context),
      );
    },
    () => calls['image.head']({ image }, context),
    () => calls['propagation.set']({ image, settings: { ...DEFAULT_SETTINGS, s: random.integer(3) } }, context),
    () => calls['propagation.show']({ image }, context),
    () => {
      const layer = `l000000000000000${random.integer(8)}`;
      const cuts = [{ image, generation: head?.stack.generation ?? 1, layer }];
      return calls['snapshot.begin']({ cut: migration, snapshot: `s${random.integer(4)}`, cuts }, context);
    },
    () => {
      const { id = migration, snapshot = 's1' } = head?.cut ?? {};
      return calls['snapshot.finish']({ cut: id, snapshot, sealed: [], atMs: 1 }, context);
    },
    () => calls['snapshot.abort']({ cut: head?.cut?.id ?? migration }, context),
    () => calls['snapshot.remove']({ snapshot: `s${random.integer(4)}`, nodes: ['a', 'b'] }, context),
    () => calls['layer.gone']({ layer: firstLayer, node }, context),
    async () => epochsOf(await calls['image.list']({}, context)),
    () => (random.chance(0.4) ? calls['image.remove']({ image, nodes: ['a', 'b'] }, context) : undefined),
  ];
  try {
    return await ask[random.integer(ask.length)]?.();
  } catch (error) {
    return codeOf(error) ?? error;
  }
}

/** In no order: that of the heads is the engine's. */
function epochsOf({ heads }: { readonly heads: readonly Head[] }): string[] {
  return heads.map(({ image, epoch }) => `${image} ${epoch}`).sort();
}

function isCode(code: string): (error: Error) => boolean {
  return (error) => codeOf(error) === code;
}
