// The catalogue's calls: each decides on heads and commits, once, before it answers.

import { OperationError } from '../../common/errors.ts';
import type { Handlers } from '../../common/rpc/server.ts';
import type { catalogueContract, Head } from '../../wire/contracts/catalogue.ts';
import { DEFAULT_SETTINGS } from '../propagation/default-settings.ts';
import { refuseUnsupported } from '../propagation/supported-policy.ts';
import {
  abandonEpoch,
  addImage,
  beginTransfer,
  closeEpoch,
  type Entry,
  finishTransfer,
  openEpoch,
  setPropagation,
} from './catalogue.ts';
import { CatalogueGuard } from './catalogue-guard.ts';
import { layerCalls } from './catalogue-layer-calls.ts';
import { layerPins, refuseCopiesElsewhere } from './catalogue-pins.ts';
import { closeReading, openReading } from './catalogue-readers.ts';
import type { CatalogueStore } from './catalogue-store.ts';
import { notchCalls } from './notch-calls.ts';
import { pinCalls } from './pin-calls.ts';
import { rebuildCalls } from './rebuild-calls.ts';
import type { StoreBook } from './store-book.ts';
import { refuseUnsettledStore } from './store-rollback.ts';
import { witnessCalls } from './witness-calls.ts';

/** The handlers of the catalogue's calls. Without a book of the stores that were compared nothing waits for them. */
export function catalogueCalls(store: CatalogueStore, stores?: StoreBook): Handlers<typeof catalogueContract> {
  const guard = new CatalogueGuard(store, stores);
  const change = (decide: () => Entry): Promise<Head> =>
    store.commit(() => {
      const entry = decide();
      return { change: { entries: [entry] }, answer: entry.head };
    });
  return {
    'image.add': (params) =>
      change(() => {
        guard.building();
        return addImage(store.find(params.image), params);
      }),
    ...layerCalls(store, change, guard),
    ...pinCalls(store, guard),
    ...witnessCalls(store, stores),
    ...notchCalls(store),
    ...rebuildCalls(store, stores),
    'image.list': async () => {
      await store.refresh();
      return { heads: store.heads };
    },
    'image.head': async ({ image }) => {
      await store.refresh();
      return store.get(image).head;
    },
    'propagation.set': async ({ image, settings }) => {
      refuseUnsupported(image, settings);
      return change(() => {
        const entry = store.get(image);
        refuseCopiesElsewhere(entry.head, settings.policy, layerPins(store));
        return setPropagation(entry, settings);
      });
    },
    'propagation.show': async ({ image }) => {
      await store.refresh();
      return store.get(image).head.propagation ?? DEFAULT_SETTINGS;
    },
    'epoch.open': ({ image, node }) =>
      change(() => {
        guard.granting(node);
        return openEpoch(store.get(image), node);
      }),
    'reader.open': ({ image, node }) =>
      change(() => {
        guard.granting(node);
        return openReading(store.get(image), node);
      }),
    'reader.close': ({ image, node }) => change(() => closeReading(store.get(image), node)),
    'epoch.close': ({ image, node, closing }) => change(() => closeEpoch(store.get(image), node, closing)),
    'epoch.abandon': ({ image, node, epoch }) => change(() => abandonEpoch(store.get(image), node, epoch)),
    'transfer.begin': ({ images, ...order }) =>
      store.commit(async () => {
        guard.granting(order.to);
        if ((await store.finished(order.migration)) !== undefined) throw over(order.migration);
        const entries = beginTransfer(
          images.map((image) => store.get(image)),
          order,
        );
        refuseUnsettledStore(store.heads, order.to);
        return { change: { entries }, answer: { heads: headsOf(entries) } };
      }),
    'transfer.finish': ({ migration, moved, closings }) =>
      store.commit(async () => {
        const before = await store.finished(migration);
        if (before !== undefined) {
          if (before.moved !== moved) throw over(migration);
          const heads = before.images.flatMap((image) => store.find(image)?.head ?? []);
          return { change: {}, answer: { heads } };
        }
        const entries = finishTransfer(store.inTransfer(migration), migration, moved, closings);
        if (entries.length === 0) throw unknown(migration);
        const outcome = { moved, images: entries.map(({ head }) => head.image) };
        return { change: { entries, finished: { migration, outcome } }, answer: { heads: headsOf(entries) } };
      }),
  };
}

function headsOf(entries: readonly Entry[]): Head[] {
  return entries.map(({ head }) => head);
}

function over(migration: string): OperationError {
  return new OperationError('TRANSFER_OVER', `migration ${migration} has ended, and otherwise`, {
    remedy: 'Ask the destination for its record.',
  });
}

function unknown(migration: string): OperationError {
  return new OperationError('NO_TRANSFER', `no image is in migration ${migration}`);
}
