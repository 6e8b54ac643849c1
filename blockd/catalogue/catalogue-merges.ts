// Decides on merges of layers: two that lie one on the other wherever either is named become one, in every image and
// snapshot at once. What they say together stays the same, so no generation of a stack is raised by it. Pure; one that
// refuses throws and changes nothing.
import { OperationError } from '../../common/errors.ts';
import type { CatalogueState, Head, Leaving, Snapshot } from '../../wire/contracts/catalogue.ts';
import { type LayerMerge, MERGED_MAX, type MergedLayer, type SealedLayer } from '../../wire/contracts/layers.ts';
import type { Entry } from './catalogue.ts';
import type { CatalogueChange } from './catalogue-store.ts';

/** Everything that names a layer. */
export interface MergeRecords {
  readonly state: CatalogueState;
  readonly entries: readonly Entry[];
  readonly snapshots: readonly Snapshot[];
  readonly leaving: readonly Leaving[];
}

export interface MergeRequest {
  readonly merge: LayerMerge;
  /** The members: each is asked to merge what it has. */
  readonly nodes: readonly string[];
}

/**
 * The records with the two as one, and the upper one leaving; nothing when it is so already.
 * @throws OperationError LAYER_NEEDED, LAYER_BUSY, LAYERS_DIFFER, MERGES_WAIT
 */
export function mergeLayers(records: MergeRecords, { merge, nodes }: MergeRequest): CatalogueChange {
  const { from, into } = merge;
  if (records.leaving.some((one) => one.layer === from.layer && one.merge !== undefined)) return {};
  const entries = records.entries.filter(({ head }) => names(head.stack.below, merge) || isEither(merge, head.stack));
  const snapshots = records.snapshots.filter(({ disks }) => disks.some(({ layers }) => names(layers, merge)));
  for (const { head } of entries) {
    refuseBusy(head);
    refuseNeeded([head.stack, ...head.stack.below], merge);
    refuseOther(head.stack.below, merge);
  }
  for (const { disks } of snapshots) {
    for (const { layers } of disks.filter((disk) => names(disk.layers, merge))) {
      refuseNeeded(layers, merge);
      refuseOther(layers, merge);
    }
  }
  if (entries.length + snapshots.length === 0) throw needed(merge, 'nothing names them any more');
  const one = mergedLayer(merge, records.leaving);
  return {
    entries: entries.map((entry) => withHead(entry, one, from.layer)),
    snapshots: snapshots.map((snapshot) => ({
      ...snapshot,
      disks: snapshot.disks.map((disk) => ({ ...disk, layers: replaced(disk.layers, one, from.layer) })),
    })),
    leaving: [
      {
        layer: from.layer,
        nodes: [...nodes],
        merge: { from, into, merged: one, serial: records.state.serial, target: into.layer },
      },
      // What was merged into the upper one before is a part of the lower one now.
      ...records.leaving.flatMap((before) =>
        before.merge?.target === from.layer ? [{ ...before, merge: { ...before.merge, target: into.layer } }] : [],
      ),
    ],
  };
}

/** What the merged layer is, with the names under which some node still has a part of it. @throws OperationError MERGES_WAIT */
function mergedLayer({ from, into, merged }: LayerMerge, leaving: readonly Leaving[]): SealedLayer {
  const isLeft = ({ layer }: MergedLayer): boolean => leaving.some((one) => one.layer === layer);
  const before = [...(from.merged ?? []), ...(into.merged ?? [])].filter(isLeft);
  const parts = [{ layer: from.layer, lastSequence: from.lastSequence }, ...before];
  const { layer, bytes, lastSequence, entries, digest } = merged;
  const isSound = layer === into.layer && bytes === into.bytes && bytes === from.bytes;
  if (!isSound || lastSequence !== from.lastSequence || lastSequence < into.lastSequence) {
    throw new OperationError('LAYERS_DIFFER', `layer ${from.layer} cannot become a part of layer ${into.layer}`, {
      remedy: 'Layers of different sizes stay apart.',
    });
  }
  if (parts.length <= MERGED_MAX) return { layer, bytes, lastSequence, entries, digest, merged: parts };
  throw new OperationError('MERGES_WAIT', `${MERGED_MAX} merges into layer ${layer} wait for nodes that are away`, {
    remedy: 'Bring those nodes back: look with supercloud node list.',
  });
}

function withHead(entry: Entry, one: SealedLayer, from: string): Entry {
  const { stack } = entry.head;
  return { ...entry, head: { ...entry.head, stack: { ...stack, below: replaced(stack.below, one, from) } } };
}

function replaced(layers: readonly SealedLayer[], one: SealedLayer, from: string): SealedLayer[] {
  if (!layers.some(({ layer }) => layer === from)) return [...layers];
  return layers.filter(({ layer }) => layer !== from).map((sealed) => (sealed.layer === one.layer ? one : sealed));
}

function isEither({ from, into }: LayerMerge, { layer }: { readonly layer: string }): boolean {
  return layer === from.layer || layer === into.layer;
}

function names(layers: readonly SealedLayer[], merge: LayerMerge): boolean {
  return layers.some((layer) => isEither(merge, layer));
}

/** Each must lie on the other, and what is written is no part of it. `layers`: the newest first, of an image with its top. */
function refuseNeeded(layers: readonly { readonly layer: string }[], merge: LayerMerge): void {
  const upper = layers.findIndex(({ layer }) => layer === merge.from.layer);
  const lower = layers.findIndex(({ layer }) => layer === merge.into.layer);
  if (upper < 0 || lower !== upper + 1) throw needed(merge, 'something needs one of them by itself');
}

function refuseOther(layers: readonly SealedLayer[], merge: LayerMerge): void {
  const isSame = (one: SealedLayer, other: SealedLayer): boolean =>
    one.layer !== other.layer ||
    (one.digest === other.digest && one.entries === other.entries && one.lastSequence === other.lastSequence);
  const hasBoth = [merge.from, merge.into].every(
    (wanted) => layers.some(({ layer }) => layer === wanted.layer) && layers.every((one) => isSame(one, wanted)),
  );
  if (!hasBoth) throw needed(merge, 'they are others by now, or one of them is being written');
}

/** A pin is no hindrance: it covers both wherever they are named, has one place, and covers what they become. */
function refuseBusy({ image, transfer, cut, doubt }: Head): void {
  if (transfer !== null) throw busy(`image ${image} is being moved`);
  if (cut !== null) throw busy(`image ${image} is being cut`);
  if (doubt !== undefined) throw busy(`image ${image} is uncertain: ${doubt}`);
}

function needed({ from, into }: LayerMerge, why: string): OperationError {
  return new OperationError('LAYER_NEEDED', `layers ${from.layer} and ${into.layer} stay apart: ${why}`, {
    remedy: 'Look at what names them with supercloud image list and supercloud snapshot list.',
  });
}

function busy(why: string): OperationError {
  return new OperationError('LAYER_BUSY', `no layers are merged now: ${why}`, {
    remedy: 'It is tried again by itself.',
  });
}
