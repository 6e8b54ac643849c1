// The catalogue's calls that pin images and snapshots to places, and free them.
import type { Handlers } from '../../common/rpc/server.ts';
import type { catalogueContract } from '../../wire/contracts/catalogue.ts';
import type { CatalogueGuard } from './catalogue-guard.ts';
import { snapshotOf } from './catalogue-layer-calls.ts';
import { layersOf, layersOfSnapshot } from './catalogue-layers.ts';
import {
  layerPins,
  pinImage,
  pinSnapshot,
  refuseConflict,
  refuseCopiesElsewhere,
  refusePointsElsewhere,
  standingOn,
} from './catalogue-pins.ts';
import type { CatalogueStore, Decided } from './catalogue-store.ts';

type PinCall = 'pin.set' | 'pin.list';

/** The handlers of those calls. */
export function pinCalls(
  store: CatalogueStore,
  guard: CatalogueGuard,
): Pick<Handlers<typeof catalogueContract>, PinCall> {
  return {
    'pin.list': async () => {
      await store.refresh();
      const { incarnation, serial } = store.state;
      return { mark: { incarnation, serial }, pins: layerPins(store) };
    },
    'pin.set': ({ kind, name, pin, holder, epoch }) =>
      store.commit((): Decided<{ alsoHeld: string[] }> => {
        guard.building();
        const wanted = pin ?? undefined;
        const image = kind === 'image' ? store.get(name) : undefined;
        const snapshot = kind === 'image' ? undefined : snapshotOf(store, name);
        const layers =
          image === undefined ? layersOfSnapshot(snapshot ?? snapshotOf(store, name)) : layersOf(image.head);
        const others = {
          heads: store.heads.filter((head) => head.image !== image?.head.image),
          snapshots: store.snapshots.filter((one) => one.snapshot !== snapshot?.snapshot),
        };
        if (wanted !== undefined) {
          refuseConflict(layers, wanted, others);
          refusePointsElsewhere(layers, wanted, store);
          const pins = layers.map((layer) => ({ layer, ...wanted }));
          for (const head of store.heads) refuseCopiesElsewhere(head, head.propagation?.policy, pins);
        }
        const alsoHeld = wanted === undefined ? [] : standingOn(layers, store, image?.head.image ?? '');
        if (image !== undefined)
          return { change: { entries: [pinImage(image, wanted, holder, epoch)] }, answer: { alsoHeld } };
        return { change: { snapshots: [pinSnapshot(snapshotOf(store, name), wanted, holder)] }, answer: { alsoHeld } };
      }),
  };
}
