// Copies of what is pinned: at its place or nowhere, whoever is told of the pin first.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { CallContext } from '../../../../common/rpc/server.ts';
import { CopyStores, LAYER, type Node, SYNC } from './copy-stores.ts';

const context: CallContext<never> = {
  peer: { node: 'k', role: 'controller' },
  progress: () => undefined,
  signal: new AbortController().signal,
};

/** The node is told that the image is pinned to these nodes, or to none. */
async function pinned(stores: CopyStores, node: Node, serial: number, ...nodes: Node[]): Promise<void> {
  const pins = nodes.length === 0 ? [] : [{ layer: LAYER, place: 'alpha', nodes }];
  await stores.calls(node)['records.keep']({ mark: { incarnation: 1, serial }, pins, records: [] }, context);
  await stores.clock.advance(1_000);
}

function copiesAt(stores: CopyStores): string[] {
  return (stores.shelf('a').get('web').copies.show().copies?.stores ?? []).map(({ node }) => node);
}

test('a writer that hears of a pin keeps its copies at the place, and none elsewhere', async () => {
  const stores = await CopyStores.make();
  await stores.openAtA(SYNC);
  assert.equal(copiesAt(stores), ['b']);
  await pinned(stores, 'a', 1, 'a', 'c');
  assert.equal(copiesAt(stores), ['c']);
  await pinned(stores, 'a', 2, 'a');
  assert.equal(copiesAt(stores), []);
  await pinned(stores, 'a', 3);
  assert.is(copiesAt(stores).length, 1);
});

test('a store that hears of the pin first keeps no copy, and says why', async () => {
  const stores = await CopyStores.make(['a', 'b']);
  await pinned(stores, 'b', 1, 'a');
  await stores.openAtA(SYNC);
  const [copy] = stores.shelf('a').get('web').copies.show().copies?.stores ?? [];
  assert.is(copy?.durableSequence, null);
  assert.match(copy?.reason ?? '', 'pinned to alpha');
  assert.is(stores.shelf('b').layers.find(LAYER), undefined);
});

test.run();
