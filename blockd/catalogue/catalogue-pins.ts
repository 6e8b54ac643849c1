// Decides on pins: an image or a snapshot whose blocks are at one place and nowhere else (TOCS 2017, 3.3: elsewhere it is a
// stub). A pin covers all layers of what is pinned. Pure functions; one that refuses throws and changes nothing.
import { OperationError } from '../../common/errors.ts';
import type { Head, Pin, Snapshot } from '../../wire/contracts/catalogue.ts';
import type { PropagationPolicy } from '../../wire/contracts/propagation.ts';
import type { LayerPin } from '../../wire/contracts/store-report.ts';
import { type Entry, refuseBusy, refuseDoubt, refuseReaders } from './catalogue.ts';
import { layersOf, layersOfSnapshot, type Named } from './catalogue-layers.ts';
import { pointNodes } from './layer-points.ts';

/**
 * The image pinned, or free again. `holder`: who was seen to have all of it there, in the epoch `seenIn`.
 * @throws OperationError IMAGE_UNCERTAIN, IMAGE_CHANGED, IMAGE_OPEN, IMAGE_READ, TRANSFER_STANDS, CUT_STANDS
 */
export function pinImage(entry: Entry, pin: Pin | undefined, holder: string, seenIn = entry.head.epoch): Entry {
  const { pin: _, ...head } = entry.head;
  if (pin === undefined) return { ...entry, head };
  refuseDoubt(head);
  refuseBusy(head);
  if (seenIn !== head.epoch) {
    throw new OperationError('IMAGE_CHANGED', `image ${head.image} was opened while it was looked for`, {
      remedy: 'Pin it again.',
    });
  }
  if (head.readers?.some((node) => !pin.nodes.includes(node)) === true) refuseReaders(head);
  if (head.writer === null) return { ...entry, head: { ...head, holder, pin } };
  if (pin.nodes.includes(head.writer)) return { ...entry, head: { ...head, pin } };
  throw new OperationError(
    'IMAGE_OPEN',
    `image ${head.image} is open at ${head.writer}, which is not at ${pin.place}`,
    {
      remedy: 'Move its VM there first.',
    },
  );
}

export function pinSnapshot({ pin: _, ...snapshot }: Snapshot, pin: Pin | undefined, holder: string): Snapshot {
  if (pin === undefined) return snapshot;
  return { ...snapshot, pin, disks: snapshot.disks.map((disk) => ({ ...disk, holder })) };
}

/** Every layer that is pinned, once. */
export function layerPins({ heads, snapshots }: Named): LayerPin[] {
  const pins = new Map<string, LayerPin>();
  const cover = (layers: readonly string[], pin: Pin | undefined): void => {
    for (const layer of pin === undefined ? [] : layers) if (pin) pins.set(layer, { layer, ...pin });
  };
  for (const head of heads) cover(layersOf(head), head.pin);
  for (const snapshot of snapshots) cover(layersOfSnapshot(snapshot), snapshot.pin);
  return [...pins.values()];
}

/** A layer has one place. @throws OperationError PIN_CONFLICT */
export function refuseConflict(layers: readonly string[], { place, nodes }: Pin, others: Named): void {
  const other = layerPins(others).find((pin) => layers.includes(pin.layer) && pin.nodes.join() !== nodes.join());
  if (other === undefined) return;
  throw new OperationError('PIN_CONFLICT', `layer ${other.layer} of it is pinned to ${other.place}, not to ${place}`, {
    remedy: 'Unpin what pins it there first: look with supercloud image list and supercloud snapshot list.',
  });
}

/** Copies lie at the place of what is pinned, or nowhere. @throws OperationError COPIES_PINNED */
export function refuseCopiesElsewhere(
  head: Head,
  policy: PropagationPolicy | undefined,
  pins: readonly LayerPin[],
): void {
  const layers = layersOf(head);
  const pin = pins.find(({ layer }) => layers.includes(layer));
  if (pin === undefined || (policy?.mode !== 'sync' && policy?.mode !== 'sync-write')) return;
  const { copies, scope } = policy;
  if (scope === 'cloud' && pin.nodes.length >= copies) return;
  const places = scope === 'cloud' ? `nodes: there are ${pin.nodes.length} of them` : 'clouds';
  throw new OperationError(
    'COPIES_PINNED',
    `image ${head.image} is pinned to ${pin.place}, and its policy wants copies in ${copies} ${places}`,
    { remedy: 'Ask for fewer copies within the cloud (--scope cloud), for another policy, or unpin what pins it.' },
  );
}

/** What is pinned has its recovery points at its place too: the pin would take them away. @throws OperationError POINT_ELSEWHERE */
export function refusePointsElsewhere(layers: readonly string[], { place, nodes }: Pin, { snapshots }: Named): void {
  for (const snapshot of snapshots) {
    const node = pointNodes(snapshot).find((one) => !nodes.includes(one));
    if (node === undefined || !layersOfSnapshot(snapshot).some((layer) => layers.includes(layer))) continue;
    throw new OperationError(
      'POINT_ELSEWHERE',
      `snapshot ${snapshot.snapshot} is a recovery point at ${node}, which is not at ${place}, and has layers of it`,
      { remedy: 'Delete that snapshot first, or name another place for recovery points (supercloud propagation set).' },
    );
  }
}

/** What is pinned becomes a recovery point at its place, or nowhere. @throws OperationError POINT_ELSEWHERE */
export function refuseCarryElsewhere(snapshot: Snapshot, node: string, named: Named): void {
  const layers = layersOfSnapshot(snapshot);
  const pin = layerPins(named).find((one) => layers.includes(one.layer) && !one.nodes.includes(node));
  if (pin === undefined) return;
  throw new OperationError(
    'POINT_ELSEWHERE',
    `snapshot ${snapshot.snapshot} is no recovery point at ${node}: layer ${pin.layer} of it is pinned to ${pin.place}`,
    { remedy: 'Unpin what pins it, or name that place for its recovery points (supercloud propagation set).' },
  );
}

/** Other images that stand on one of the layers: elsewhere they wait too where they need it. */
export function standingOn(layers: readonly string[], { heads }: Named, but: string): string[] {
  return heads
    .filter((head) => head.image !== but && layersOf(head).some((one) => layers.includes(one)))
    .map(({ image }) => image);
}

/** What is pinned does not go (promise S8). @throws OperationError PINNED */
export function refusePinned(what: string, pin: Pin | undefined): void {
  if (pin === undefined) return;
  throw new OperationError('PINNED', `${what} is pinned to ${pin.place}`, { remedy: 'Unpin it first.' });
}
