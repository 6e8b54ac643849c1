// The catalogue in a real etcd of three members: the suite of all stores, several catalogues at once, members that die,
// stand still or lose an answer.
import { randomUUID } from 'node:crypto';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openEpoch } from '../../blockd/catalogue/catalogue.ts';
import { catalogueCalls } from '../../blockd/catalogue/catalogue-calls.ts';
import type { CatalogueStore } from '../../blockd/catalogue/catalogue-store.ts';
import { EtcdClient } from '../../blockd/catalogue/etcd-client.ts';
import { EtcdStore } from '../../blockd/catalogue/etcd-store.ts';
import { realClock } from '../../common/clock.ts';
import { codeOf } from '../../common/errors.ts';
import { ProgressLine } from '../../common/terminal/progress.ts';
import { ensurePackages } from '../../lab/host-packages.ts';
import { refusal } from '../refusal.ts';
import { closing, context, newEntry, type StoreStand } from '../unit/blockd/catalogue-entries.ts';
import { catalogueStoreSuite } from '../unit/blockd/catalogue-suite.ts';
import { EtcdServers } from './etcd-cluster.ts';
import { LossyGateway } from './lossy-gateway.ts';

const ROUNDS = 300;
const SKEW_ROUNDS = 100;
const MEMBERS = [0, 1, 2];
/** More than one transaction reads, and more than the record of commits remembers. */
const MANY_IMAGES = 150;
const MANY_COMMITS = 20;

let servers: EtcdServers;
const opened: { close(): unknown }[] = [];

test.before(async () => {
  await ensurePackages(['etcd-server'], new ProgressLine());
  servers = await EtcdServers.start(MEMBERS.length);
});

test.after(async () => {
  for (const one of opened) await one.close();
  await servers?.end();
});

const newPrefix = (): string => `${randomUUID()}/`;

async function open(prefix: string, endpoints = servers.endpoints): Promise<EtcdStore> {
  const store = await EtcdStore.open({ endpoints, prefix }, realClock);
  opened.push(store);
  return store;
}

/** Writes past every catalogue; no text deletes. */
async function write(key: string, value: string | undefined): Promise<void> {
  const client = new EtcdClient({ endpoints: servers.endpoints }, realClock);
  await client.swap([], [{ key, value }], realClock.nowMs() + 10_000).finally(() => client.close());
}

async function add(store: CatalogueStore, ...images: string[]): Promise<void> {
  await store.commit(() => ({ change: { entries: images.map(newEntry) }, answer: undefined }));
}

/** Grants the next epoch each time it counts: one that is done twice shows. */
function grant(store: CatalogueStore, image: string): Promise<number> {
  return store.commit(() => {
    const { head, granted } = store.get(image);
    return { change: { entries: [{ head, granted: granted + 1 }] }, answer: granted + 1 };
  });
}

catalogueStoreSuite('etcd', async (): Promise<StoreStand> => {
  const prefix = newPrefix();
  return { open: () => open(prefix), damage: (key, text) => write(prefix + key, text) };
});

test('a second catalogue reads what the first committed, and decides on it', async () => {
  const prefix = newPrefix();
  const [first, second] = [await open(prefix), await open(prefix)];
  await add(first, 'web', 'log');
  await catalogueCalls(first)['epoch.open']({ image: 'web', node: 'a' }, context);
  assert.is(second.find('web'), undefined);
  const refused = await refusal(
    Promise.resolve(catalogueCalls(second)['epoch.open']({ image: 'web', node: 'b' }, context)),
  );
  assert.is(refused.code, 'IMAGE_OPEN');
  await catalogueCalls(second)['image.remove']({ image: 'log', nodes: [] }, context);
  await catalogueCalls(second)['epoch.close']({ image: 'web', node: 'a', closing: closing('web', 1, 5) }, context);
  const { heads } = await catalogueCalls(first)['image.list']({}, context);
  assert.equal(heads, [second.get('web').head]);
  assert.is(heads[0]?.last.lastSequence, 5);
  await catalogueCalls(first)['epoch.open']({ image: 'web', node: 'a' }, context);
  await second.refresh();
  await catalogueCalls(first)['epoch.close']({ image: 'web', node: 'a', closing: closing('web', 2, 6) }, context);
  // It must neither refuse nor answer out of its memory.
  assert.is((await catalogueCalls(second)['epoch.open']({ image: 'web', node: 'b' }, context)).epoch, 3);
  assert.is(await grant(second, 'web'), 4);
  assert.is(await first.commit(() => ({ change: {}, answer: first.get('web').granted })), 4);
});

test('of two catalogues none takes back how far the other has seen a store come', async () => {
  const prefix = newPrefix();
  const [first, second] = [await open(prefix), await open(prefix)];
  const word = '00000000000000aa';
  const hear = async (store: CatalogueStore, count: number, at: number) => {
    const said = { now: { store: word, count, word }, at, wordAt: word };
    return (await catalogueCalls(store)['notch.heard']({ heard: [{ node: 'a', said }] }, context)).again;
  };
  assert.equal(await hear(first, 5, 0), []);
  assert.equal(await hear(second, 3, 0), ['a'], 'it was asked before the other answer came');
  const { notches } = await catalogueCalls(second)['notch.list']({}, context);
  assert.equal(
    notches.map(({ notch }) => notch.count),
    [5],
  );
  assert.equal(await hear(second, 6, 5), []);
  assert.equal(await hear(first, 6, 5), ['a']);
  assert.is(first.notchOf('a')?.count, 6);
  assert.is(first.state.serial, 0, 'it is no commit that a store would keep');
});

test('clouds that share an etcd do not see each other', async () => {
  const [one, other] = [await open('one/catalogue/'), await open('one/catalogue2/')];
  await add(one, 'web');
  await other.refresh();
  assert.equal(other.heads, []);
  await add(other, 'web');
});

test(`of two catalogues that are asked for one head at once one grants it, ${ROUNDS} times`, async () => {
  const prefix = newPrefix();
  const stores = [await open(prefix), await open(prefix)] as const;
  await add(stores[0], 'web');
  for (let round = 1; round <= ROUNDS; round++) {
    const outcomes = await Promise.allSettled(
      stores.map(async (store, index) =>
        catalogueCalls(store)['epoch.open']({ image: 'web', node: index === 0 ? 'a' : 'b' }, context),
      ),
    );
    const granted = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
    const refused = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [codeOf(outcome.reason)] : []));
    assert.equal([granted.map(({ epoch }) => epoch), refused], [[round], ['IMAGE_OPEN']]);
    const node = granted[0]?.writer ?? '';
    const closer = catalogueCalls(stores[round % 2 === 0 ? 0 : 1]);
    await closer['epoch.close']({ image: 'web', node, closing: closing('web', round, round) }, context);
  }
  for (const store of stores) {
    await store.refresh();
    assert.is(store.get('web').granted, ROUNDS);
  }
});

test('what a decision only read counts too: of two heads of which one may be open, one is', async () => {
  const prefix = newPrefix();
  const stores = [await open(prefix), await open(prefix)] as const;
  const openUnless = (store: CatalogueStore, image: string, other: string): Promise<string> =>
    store.commit(() => {
      if (store.get(other).head.writer !== null) return { change: {}, answer: other };
      return { change: { entries: [openEpoch(store.get(image), 'a')] }, answer: image };
    });
  for (let round = 0; round < SKEW_ROUNDS; round++) {
    await add(stores[0], 'web', 'log');
    await stores[1].refresh();
    const [first, second] = await Promise.all([
      openUnless(stores[0], 'web', 'log'),
      openUnless(stores[1], 'log', 'web'),
    ]);
    assert.is(first, second);
  }
});

test('three catalogues commit at once, and no number is lost or doubled', async () => {
  const prefix = newPrefix();
  const stores = await Promise.all([0, 1, 2].map(() => open(prefix)));
  await add(stores[0] as EtcdStore, 'web', 'log');
  const numbers: number[] = [];
  // In rounds, since the time of a call counts while it waits behind others.
  for (let round = 0; round < 20; round++) {
    const asked = stores.flatMap((store) => [grant(store, 'web'), grant(store, 'log')]);
    numbers.push(...(await Promise.all(asked)));
  }
  const each = Array.from({ length: 60 }, (_, index) => index + 1);
  assert.equal(
    [...numbers].sort((one, other) => one - other),
    [...each, ...each].sort((one, other) => one - other),
  );
});

test('an answer that is lost is no second grant, also when another catalogue commits in between', async () => {
  const prefix = newPrefix();
  const gateway = await LossyGateway.start(servers.endpoints[0] ?? '');
  opened.push(gateway);
  const other = await open(prefix);
  const store = await open(prefix, [gateway.endpoint, ...servers.endpoints]);
  await add(other, 'web', 'log');
  gateway.toLose = 1;
  assert.is(await grant(store, 'web'), 1);
  await store.close();
  const again = await open(prefix, [gateway.endpoint, ...servers.endpoints]);
  gateway.toLose = 1;
  gateway.onDone = async () => {
    await grant(other, 'web');
  };
  assert.is(await grant(again, 'web'), 2);
  assert.is(gateway.lost, 2);
  await again.refresh();
  assert.is(again.get('web').granted, 3);
  await again.close();
});

for (const victim of MEMBERS) {
  test(`member ${victim} is killed while commits go on: none is lost, none is done twice`, async () => {
    const prefix = newPrefix();
    const store = await open(prefix, servers.endpoints.slice(victim).concat(servers.endpoints));
    await add(store, 'web');
    const numbers: number[] = [];
    for (let commit = 0; commit < 30; commit++) {
      const asked = grant(store, 'web');
      if (commit === 10) await servers.kill(victim);
      numbers.push(await asked);
    }
    assert.equal(
      numbers,
      Array.from({ length: 30 }, (_, index) => index + 1),
    );
    await store.close();
    await servers.restart(victim);
    const again = await open(prefix, servers.endpoints.slice(victim));
    assert.is(again.get('web').granted, 30);
    await again.close();
  });
}

test('without a majority every call ends with STORE_UNREACHABLE; afterwards what was in doubt is done once', async () => {
  const prefix = newPrefix();
  const store = await open(prefix);
  await add(store, 'web');
  for (const member of [1, 2]) servers.signal(member, 'SIGSTOP');
  const open_ = () =>
    store.commit(() => {
      const entry = openEpoch(store.get('web'), 'a');
      return { change: { entries: [entry] }, answer: entry.head.epoch };
    });
  // The later ones wait behind the first and are given up with it, not one after the other.
  const refused = await Promise.all([open_(), store.refresh(), open_(), store.refresh(), open(prefix)].map(refusal));
  for (const { code, remedy } of refused) {
    assert.is(code, 'STORE_UNREACHABLE');
    assert.match(remedy, 'majority');
  }
  assert.equal(
    refused.map(({ message }) => message.includes('none was asked')),
    [false, true, true, true, false],
  );
  for (const member of [1, 2]) servers.signal(member, 'SIGCONT');
  await servers.ready();
  assert.is(await open_(), 1);
  assert.is(store.get('web').granted, 1);
  await store.close();
});

test('nobody there is said with each member and why', async () => {
  const error = await refusal(open(newPrefix(), ['http://127.0.0.1:1', 'http://127.0.0.1:2']));
  assert.is(error.code, 'STORE_UNREACHABLE');
  assert.match(error.message, /127\.0\.0\.1:1 \(connect ECONNREFUSED.*127\.0\.0\.1:2 \(connect ECONNREFUSED/);
});

test('what a stranger wrote past the catalogue is not written over unseen', async () => {
  const prefix = newPrefix();
  const store = await open(prefix);
  await add(store, 'web');
  const { head } = newEntry('web');
  await write(`${prefix}head!web`, JSON.stringify({ head, granted: 41 }));
  assert.is(await grant(store, 'web'), 42);
  await write(`${prefix}head!web`, 'rot');
  assert.is((await refusal(grant(store, 'web'))).code, 'CATALOGUE_DAMAGED');
  await store.close();
});

test('an etcd that went back decides nothing more', async () => {
  const prefix = newPrefix();
  const store = await open(prefix);
  await add(store, 'web');
  await write(`${prefix}commit`, undefined);
  const error = await refusal(grant(store, 'web'));
  assert.is(error.code, 'CATALOGUE_DAMAGED');
  assert.match(error.message, 'went back');
  await store.close();
});

test('a catalogue that missed many commits, or commits of many images, reads everything anew', async () => {
  const prefix = newPrefix();
  const [near, far] = [await open(prefix), await open(prefix)];
  const images = Array.from({ length: MANY_IMAGES }, (_, index) => `web-${index}`);
  await add(near, ...images.slice(0, 100));
  await add(near, ...images.slice(100));
  await far.refresh();
  assert.is(far.heads.length, MANY_IMAGES);
  for (let commit = 1; commit <= MANY_COMMITS; commit++) {
    assert.is(await grant(near, 'web-0'), commit);
    await near.commit(() => ({ change: { removed: `web-${commit}` }, answer: undefined }));
  }
  assert.is(await grant(far, 'web-0'), MANY_COMMITS + 1);
  assert.is(far.heads.length, MANY_IMAGES - MANY_COMMITS);
});

test('a damaged commit record is named', async () => {
  const prefix = newPrefix();
  const store = await open(prefix);
  await add(store, 'web');
  await write(`${prefix}commit`, '{}');
  const error = await refusal(store.refresh());
  assert.is(error.code, 'CATALOGUE_DAMAGED');
  assert.match(error.message, 'record commit');
  await store.close();
});

test.run();
