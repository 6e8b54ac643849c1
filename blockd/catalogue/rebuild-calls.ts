// The call by which the catalogue is made again from the stores: plans, and carries the plan out in commits of which every
// one leaves a catalogue that grants nothing it should not.
import { OperationError } from '../../common/errors.ts';
import type { Handlers } from '../../common/rpc/server.ts';
import type { catalogueContract } from '../../wire/contracts/catalogue.ts';
import type { RebuildOrder, RebuildReport } from '../../wire/contracts/rebuild.ts';
import type { CatalogueChange, CatalogueStore } from './catalogue-store.ts';
import { RebuildEvidence } from './rebuild-evidence.ts';
import { planRebuild, type RebuildPlan } from './rebuild-plan.ts';
import type { StoreBook } from './store-book.ts';

/** Records of one commit: etcd takes 128 operations in one, and some are its own. */
const COMMIT_RECORDS_MAX = 100;

/** The handler of that call. */
export function rebuildCalls(
  store: CatalogueStore,
  stores?: StoreBook,
): Pick<Handlers<typeof catalogueContract>, 'catalogue.rebuild'> {
  return {
    'catalogue.rebuild': async (order) => {
      await store.refresh();
      const plan = planned(store, order, stores);
      if (order.mode === 'plan') return plan.report;
      if (order.mode === 'reconcile') return reconcile(store, order, stores);
      refuse(plan.report, order);
      return execute(store, plan);
    },
  };
}

function planned(store: CatalogueStore, order: RebuildOrder, stores?: StoreBook): RebuildPlan {
  return planRebuild(new RebuildEvidence(order, stores?.reports ?? new Map(), store.leaving), store);
}

/** @throws OperationError NO_IMAGE, IMAGE_OPEN, NOTHING_TO_ACCEPT, REBUILD_CONFLICT */
function refuse({ images }: RebuildReport, { accept }: RebuildOrder): void {
  for (const name of accept) {
    const image = images.find((one) => one.image === name);
    if (image === undefined) {
      throw new OperationError('NO_IMAGE', `the stores know of no image ${name}`, { remedy: 'Look at the plan.' });
    }
    if (image.toClose !== undefined) {
      throw new OperationError(
        'IMAGE_OPEN',
        `image ${name} is still open at node ${image.toClose.node}: ${image.reason}`,
        {
          remedy: 'Repeat it; see that the VM that had it open does not run.',
        },
      );
    }
    if (image.verdict !== 'uncertain' || image.isAccepted) continue;
    throw new OperationError('NOTHING_TO_ACCEPT', `there is no state of image ${name} to take: ${image.reason}`, {
      remedy: 'Bring back the node that has it.',
    });
  }
  const conflicts = images.filter(({ verdict, isAccepted }) => verdict === 'conflict' && !isAccepted);
  const [first] = conflicts;
  if (first === undefined) return;
  const names = conflicts.map(({ image }) => image).join(', ');
  throw new OperationError('REBUILD_CONFLICT', `the catalogue has other records of ${names}: ${first.reason}`, {
    remedy: `Nothing was changed. If the stores are right, say --accept ${names}.`,
  });
}

/**
 * A catalogue that is made anew says first that it is not the newest, so that one whose rebuild was cut off grants nothing;
 * the rest may be repeated. @throws OperationError REBUILD_RACED
 */
async function execute(store: CatalogueStore, plan: RebuildPlan): Promise<RebuildReport> {
  const { entries, snapshots, leaving, report } = plan;
  let { serial } = plan;
  const commit = (change: CatalogueChange): Promise<void> =>
    store.commit(() => {
      refuseRaced(store, serial);
      return { change, answer: undefined };
    });
  const { incarnation } = report;
  const isNew = incarnation !== store.state.incarnation;
  const changes: CatalogueChange[] = [
    ...(isNew ? [{ state: { behind: store.state.behind || 'it is being rebuilt' } }] : []),
    ...partsOf(entries).map((part) => ({ entries: part })),
    ...partsOf(snapshots).map((part) => ({ snapshots: part })),
    ...partsOf(leaving).map((part) => ({ leaving: part })),
    ...(isNew ? [{ state: { incarnation, behind: '' } }] : []),
  ];
  for (const change of changes) {
    await commit(change);
    serial++;
  }
  return { ...report, isDone: true };
}

/** The plan was made for other records: what came between must not be undone by it. */
function refuseRaced({ state }: CatalogueStore, serial: number): void {
  if (state.serial === serial) return;
  throw new OperationError('REBUILD_RACED', 'the catalogue has changed while it was being rebuilt', {
    remedy: 'Repeat it.',
  });
}

/** What is in doubt and is certain by now; one decision, on the newest records. */
function reconcile(store: CatalogueStore, order: RebuildOrder, stores?: StoreBook): Promise<RebuildReport> {
  return store.commit(() => {
    const { entries, report } = planned(store, { ...order, accept: [] }, stores);
    const settled = entries.filter(
      ({ head }) => head.doubt === undefined && store.find(head.image)?.head.doubt !== undefined,
    );
    const isSound = store.state.behind === '';
    const change = isSound ? { entries: settled.slice(0, COMMIT_RECORDS_MAX) } : {};
    const names = (change.entries ?? []).map(({ head }) => head.image);
    return {
      change,
      answer: { ...report, isDone: true, images: report.images.filter(({ image }) => names.includes(image)) },
    };
  });
}

function partsOf<T>(all: readonly T[]): T[][] {
  const parts: T[][] = [];
  for (let from = 0; from < all.length; from += COMMIT_RECORDS_MAX)
    parts.push(all.slice(from, from + COMMIT_RECORDS_MAX));
  return parts;
}
