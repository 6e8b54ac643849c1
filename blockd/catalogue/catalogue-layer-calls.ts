// The catalogue's calls on layers: snapshots, clones, sizes, and what is to leave the nodes. Each decides and commits, once,
// before it answers.
import { OperationError } from '../../common/errors.ts';
import type { Handlers } from '../../common/rpc/server.ts';
import type { catalogueContract, Head, Snapshot } from '../../wire/contracts/catalogue.ts';
import { checkRemovable, type Entry } from './catalogue.ts';
import type { CatalogueGuard } from './catalogue-guard.ts';
import {
  abortSnapshot,
  beginGrowth,
  beginSnapshot,
  cloneImage,
  finishGrowth,
  finishSnapshot,
  isNeeded,
  layersOf,
  layersOfSnapshot,
  leavingOf,
  resizeImage,
} from './catalogue-layers.ts';
import { mergeLayers } from './catalogue-merges.ts';
import { refuseCarryElsewhere, refusePinned } from './catalogue-pins.ts';
import type { CatalogueStore } from './catalogue-store.ts';

type LayerCall =
  | 'image.remove'
  | 'image.clone'
  | 'image.resize'
  | 'growth.begin'
  | 'growth.finish'
  | 'snapshot.begin'
  | 'snapshot.finish'
  | 'snapshot.abort'
  | 'snapshot.carry'
  | 'snapshot.arrived'
  | 'snapshot.list'
  | 'snapshot.remove'
  | 'layer.merge'
  | 'layer.leaving'
  | 'layer.leave'
  | 'layer.gone'
  | 'layer.needed';

/** The handlers of those calls; `change` commits one image's entry. */
export function layerCalls(
  store: CatalogueStore,
  change: (decide: () => Entry) => Promise<Head>,
  guard: CatalogueGuard,
): Pick<Handlers<typeof catalogueContract>, LayerCall> {
  return {
    'image.remove': ({ image, nodes }) =>
      store.commit(() => {
        const entry = store.find(image);
        if (entry === undefined) return { change: {}, answer: { leaving: [] } };
        guard.forgetting();
        checkRemovable(entry);
        refusePinned(`image ${image}`, entry.head.pin);
        const heads = store.heads.filter((head) => head.image !== image);
        const leaving = leavingOf(layersOf(entry.head), { heads, snapshots: store.snapshots }, nodes);
        return { change: { removed: image, leaving }, answer: { leaving } };
      }),
    'image.clone': ({ snapshot, ...order }) =>
      change(() => {
        guard.building();
        return cloneImage(store.find(order.image), snapshotOf(store, snapshot), order);
      }),
    'image.resize': ({ image, layer, bytes }) =>
      change(() => {
        guard.building();
        return resizeImage(store.get(image), layer, bytes);
      }),
    'growth.begin': ({ image, ...order }) =>
      change(() => {
        guard.building();
        return beginGrowth(store.get(image), order);
      }),
    'growth.finish': ({ image, cut, sealed }) => change(() => finishGrowth(store.get(image), cut, sealed)),
    'snapshot.begin': (order) =>
      store.commit(() => {
        guard.building();
        refuseTaken(store, order.snapshot, order.cut);
        const names = [...new Set(order.cuts.map(({ image }) => image))];
        const entries = beginSnapshot(
          names.map((image) => store.get(image)),
          order,
        );
        return { change: { entries }, answer: { heads: entries.map(({ head }) => head) } };
      }),
    'snapshot.finish': ({ cut, snapshot: name, sealed, atMs }) =>
      store.commit(() => {
        const before = store.inCut(cut);
        if (before.length === 0) return { change: {}, answer: snapshotOf(store, name) };
        const { entries, snapshot } = finishSnapshot(before, name, sealed, atMs);
        return { change: { entries, snapshots: [snapshot] }, answer: snapshot };
      }),
    'snapshot.abort': ({ cut }) =>
      store.commit(() => ({ change: { entries: abortSnapshot(store.inCut(cut)) }, answer: {} })),
    'snapshot.carry': ({ snapshot: name, node }) =>
      store.commit(() => {
        const before = snapshotOf(store, name);
        if (before.carriedTo === node) return { change: {}, answer: before };
        refuseCarryElsewhere(before, node, store);
        const snapshot = { ...before, carriedTo: node };
        return { change: { snapshots: [snapshot] }, answer: snapshot };
      }),
    'snapshot.arrived': ({ snapshot: name, recovery }) =>
      store.commit(() => {
        const snapshot = { ...snapshotOf(store, name), recovery };
        return { change: { snapshots: [snapshot] }, answer: snapshot };
      }),
    'snapshot.list': async () => {
      await store.refresh();
      return { snapshots: store.snapshots };
    },
    'snapshot.remove': ({ snapshot, nodes }) =>
      store.commit(() => {
        const known = snapshotOf(store, snapshot);
        refusePinned(`snapshot ${snapshot}`, known.pin);
        guard.forgetting();
        const snapshots = store.snapshots.filter((one) => one.snapshot !== snapshot);
        const leaving = leavingOf(layersOfSnapshot(known), { heads: store.heads, snapshots }, nodes);
        return { change: { snapshotRemoved: snapshot, leaving }, answer: { leaving } };
      }),
    'layer.merge': (request) =>
      store.commit(() => {
        guard.forgetting();
        const { heads, snapshots, state } = store;
        const entries = heads.flatMap(({ image }) => store.find(image) ?? []);
        const change = mergeLayers({ entries, snapshots, state, leaving: store.leaving }, request);
        const { layer } = request.merge.from;
        const leaving = (change.leaving ?? store.leaving).filter((one) => one.layer === layer);
        return { change, answer: { leaving } };
      }),
    'layer.leaving': async () => {
      await store.refresh();
      return { leaving: store.leaving };
    },
    'layer.leave': ({ layers, nodes }) =>
      store.commit(() => {
        guard.forgetting();
        const leaving = leavingOf(layers, store, nodes);
        return { change: { leaving }, answer: { leaving } };
      }),
    'layer.gone': ({ layer, node }) =>
      store.commit(() => {
        const before = store.leaving.find((one) => one.layer === layer);
        if (before === undefined) return { change: {}, answer: {} };
        const nodes = before.nodes.filter((one) => one !== node);
        return { change: { leaving: [{ ...before, nodes }] }, answer: {} };
      }),
    'layer.needed': async ({ layer }) => {
      await store.refresh();
      return { isNeeded: isNeeded(layer, store) };
    },
  };
}

/** @throws OperationError NO_SNAPSHOT */
export function snapshotOf(store: CatalogueStore, snapshot: string): Snapshot {
  const found = store.findSnapshot(snapshot);
  if (found !== undefined) return found;
  throw new OperationError('NO_SNAPSHOT', `there is no snapshot ${snapshot}`, {
    remedy: 'List them with supercloud snapshot list.',
  });
}

/** The cut that stands under the name may ask again. */
function refuseTaken(store: CatalogueStore, snapshot: string, cut: string): void {
  const isTaken = store.heads.some((head) => head.cut?.snapshot === snapshot && head.cut.id !== cut);
  if (!isTaken && store.findSnapshot(snapshot) === undefined) return;
  throw new OperationError('SNAPSHOT_EXISTS', `there is a snapshot ${snapshot} already`, {
    remedy: 'Choose another name.',
  });
}
