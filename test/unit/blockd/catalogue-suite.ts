// What every store of the catalogue must do, whichever engine it is: run against `level` and against etcd. Here is how commits
// follow on one another; beside it what is kept, and random calls. Not a test itself.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openEpoch } from '../../../blockd/catalogue/catalogue.ts';
import { codeOf } from '../../../common/errors.ts';
import { add, MIGRATION, type StoreStand } from './catalogue-entries.ts';
import { catalogueRandomCalls } from './catalogue-random-calls.ts';
import { catalogueRecordsSuite } from './catalogue-records-suite.ts';

/** Declares the tests; each gets an empty engine. */
export function catalogueStoreSuite(name: string, stand: () => Promise<StoreStand>): void {
  catalogueRecordsSuite(name, stand);

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

  catalogueRandomCalls(name, stand);
}
