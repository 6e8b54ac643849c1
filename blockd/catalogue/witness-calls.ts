// The catalogue's calls by which it is compared with the stores, and by which they get its records to keep.
import type { Handlers } from '../../common/rpc/server.ts';
import type { catalogueContract, Head } from '../../wire/contracts/catalogue.ts';
import type { KeptHead, KeptRecords, LayerCopies } from '../../wire/contracts/store-report.ts';
import { layersOf } from './catalogue-layers.ts';
import { layerPins } from './catalogue-pins.ts';
import { readersOf } from './catalogue-readers.ts';
import { isState, recordsOf } from './catalogue-records.ts';
import type { CatalogueStore } from './catalogue-store.ts';
import { layerPoints } from './layer-points.ts';
import type { StoreBook } from './store-book.ts';
import { compareStore } from './store-comparison.ts';

/** The handlers of those calls. */
export function witnessCalls(
  store: CatalogueStore,
  stores?: StoreBook,
): Pick<Handlers<typeof catalogueContract>, 'store.heard' | 'catalogue.state' | 'records.list'> {
  return {
    'store.heard': async ({ node, report }) => {
      const answer = await store.commit(() => {
        const { state, leaving } = store;
        const { behind, doubted } = compareStore({ state, entries: entriesOf(store), leaving }, node, report);
        const isNews = behind !== '' && state.behind === '';
        const change = { entries: doubted, ...(isNews ? { state: { behind } } : {}) };
        return { change, answer: { behind: behind || state.behind, doubtful: doubted.map(({ head }) => head.image) } };
      });
      stores?.take(node, report);
      return answer;
    },
    'catalogue.state': async () => {
      await store.refresh();
      const doubtful = store.heads.filter(({ doubt }) => doubt !== undefined).map(({ image }) => image);
      return { state: store.state, heard: stores?.nodes ?? [], doubtful };
    },
    'records.list': async () => {
      await store.refresh();
      return allRecords(store);
    },
  };
}

function entriesOf(store: CatalogueStore): ReturnType<CatalogueStore['get']>[] {
  return store.heads.map(({ image }) => store.get(image));
}

/** In one step: they are of one commit. */
function allRecords(store: CatalogueStore): KeptRecords {
  const { state, snapshots, leaving } = store;
  const { incarnation, serial } = state;
  const entries = recordsOf({ entries: entriesOf(store), leaving }, state);
  const others = snapshots.flatMap((snapshot) => recordsOf({ snapshots: [snapshot] }, state));
  const records = [...entries, ...others].flatMap(({ key, text }) =>
    text === undefined || isState(key) ? [] : [{ key, text }],
  );
  const kept = snapshots.map(({ snapshot, disks }) => ({
    snapshot,
    disks: disks.map(({ image, bytes, layers }) => ({ image, bytes, layers })),
  }));
  return {
    mark: { incarnation, serial },
    pins: layerPins(store),
    copies: layerCopies(store),
    points: layerPoints(store),
    snapshots: kept,
    readers: entriesOf(store).flatMap(readersOf),
    heads: store.heads.map(keptHead),
    leaving: leaving.map(({ layer, nodes }) => ({ layer, nodes })),
    records,
  };
}

function keptHead({ image, epoch, writer, holder, doubt }: Head): KeptHead {
  return { image, epoch, writer, holder, isDoubtful: doubt !== undefined };
}

/** The layers that are to be at several stores, each once, with the most that a policy asks for. */
function layerCopies({ heads }: Pick<CatalogueStore, 'heads'>): LayerCopies[] {
  const copies = new Map<string, number>();
  for (const head of heads) {
    const policy = head.propagation?.policy;
    if (policy?.mode !== 'sync' && policy?.mode !== 'sync-write') continue;
    for (const layer of layersOf(head)) copies.set(layer, Math.max(copies.get(layer) ?? 0, policy.copies));
  }
  return Array.from(copies, ([layer, count]) => ({ layer, copies: count }));
}
