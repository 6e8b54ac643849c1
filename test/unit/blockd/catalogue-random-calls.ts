// Random calls of the catalogue, answered by an engine as by a model, over reopenings. Not a test itself.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { catalogueCalls } from '../../../blockd/catalogue/catalogue-calls.ts';
import type { CatalogueStore } from '../../../blockd/catalogue/catalogue-store.ts';
import { DEFAULT_SETTINGS } from '../../../blockd/propagation/default-settings.ts';
import { codeOf } from '../../../common/errors.ts';
import type { Closing } from '../../../wire/contracts/blockd.ts';
import type { Head } from '../../../wire/contracts/catalogue.ts';
import { Prng } from '../../sim/prng.ts';
import { closing, context, type StoreStand } from './catalogue-entries.ts';
import { ModelStore } from './catalogue-model.ts';

/** Enough for every call to have met every other in most of their states. */
const STEPS = 400;
const CHANCE_OF_REOPENING = 0.03;

/** Declares the test, which gets an empty engine. */
export function catalogueRandomCalls(name: string, stand: () => Promise<StoreStand>): void {
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
