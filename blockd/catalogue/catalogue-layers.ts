// Decides on images' stacks of layers: snapshots, clones, a larger size, and which layers nothing names any more. Pure
// functions from heads and snapshots to heads and snapshots; one that refuses throws and changes nothing.
import { OperationError } from '../../common/errors.ts';
import type { Closing, CutImage } from '../../wire/contracts/blockd.ts';
import type { Head, Leaving, Snapshot, SnapshotDisk } from '../../wire/contracts/catalogue.ts';
import { BELOW_MAX, type SealedLayer } from '../../wire/contracts/layers.ts';
import { type Entry, isOpen, refuseBusy, refuseDoubt, refuseReaders } from './catalogue.ts';

/** Of a table without entries. */
const NO_ENTRIES = { entries: 0, digest: '0'.repeat(32) } as const;

/** What layers are named by. */
export interface Named {
  readonly heads: readonly Head[];
  readonly snapshots: readonly Snapshot[];
}

export interface SnapshotOrder {
  readonly cut: string;
  readonly snapshot: string;
  readonly cuts: readonly { readonly image: string; readonly generation: number; readonly layer: string }[];
}

/**
 * Commits images to one cut; again the same for one that stands.
 * @throws OperationError IMAGE_UNCERTAIN, TRANSFER_STANDS, CUT_STANDS, STACK_CHANGED, STACK_FULL, NOT_TOGETHER
 */
export function beginSnapshot(entries: readonly Entry[], { cut, snapshot, cuts }: SnapshotOrder): Entry[] {
  if (entries.every(({ head }) => head.cut?.id === cut)) return [...entries];
  const writers = new Set(entries.flatMap(({ head }) => head.writer ?? []));
  if (writers.size > 1) {
    throw new OperationError('NOT_TOGETHER', `the images are open at ${[...writers].sort().join(' and ')}`, {
      remedy: 'Take a snapshot of each by itself.',
    });
  }
  return entries.map((entry) => {
    const { head } = entry;
    refuseDoubt(head);
    refuseBusy(head);
    const wanted = cuts.find(({ image }) => image === head.image);
    if (wanted === undefined) throw new Error(`cut ${cut} is not of image ${head.image}`);
    refuseOtherGeneration(head, wanted.generation);
    refuseFull(head);
    return { ...entry, head: { ...head, cut: { id: cut, snapshot, layer: wanted.layer } } };
  });
}

/** The images with their new tops, and the snapshot. @throws OperationError CLOSING_MISSING, OTHER_STACK */
export function finishSnapshot(
  entries: readonly Entry[],
  name: string,
  sealed: readonly CutImage[],
  atMs: number,
): { entries: Entry[]; snapshot: Snapshot } {
  const disks: SnapshotDisk[] = [];
  const covered = entries.map((entry) => {
    const { head } = entry;
    const { image, bytes, writer, holder, cut } = head;
    if (cut === null) throw new Error(`image ${image} is in no cut`);
    const below = writer === null ? sealedOf(head) : sealedBy(head, sealed);
    const next = coverHead(head, cut.layer, bytes, below);
    disks.push({ image, bytes, holder: writer ?? holder, layers: next.stack.below });
    return { ...entry, head: next };
  });
  return { entries: covered, snapshot: { snapshot: name, atMs, disks } };
}

/** The cut will not be made. */
export function abortSnapshot(entries: readonly Entry[]): Entry[] {
  return entries.map((entry) => ({ ...entry, head: { ...entry.head, cut: null } }));
}

export interface CloneOrder {
  readonly image: string;
  readonly layer: string;
  /** Which image of the snapshot. */
  readonly disk: string;
}

/** A new image on a snapshot's layers; repeating the same is well. @throws OperationError NO_DISK, IMAGE_EXISTS, STACK_FULL */
export function cloneImage(known: Entry | undefined, snapshot: Snapshot, { image, layer, disk }: CloneOrder): Entry {
  if (known?.head.stack.layer === layer) return known;
  if (known !== undefined) {
    throw new OperationError('IMAGE_EXISTS', `there is an image ${image} already`, { remedy: 'Choose another name.' });
  }
  const { bytes, holder, layers: below } = diskOf(snapshot, disk);
  if (below.length > BELOW_MAX) throw full(disk);
  const lastSequence = below[0]?.lastSequence ?? 0;
  const last: Closing = { image, epoch: 0, lastSequence, ...NO_ENTRIES, generation: 1 };
  const head: Head = {
    ...{ image, bytes, epoch: 0, writer: null, holder, last, closings: [], transfer: null },
    ...{ stack: { layer, generation: 1, below }, cut: null },
  };
  return { head, granted: 0 };
}

/** A closed image under a larger top. @throws OperationError IMAGE_OPEN, IMAGE_READ, TRANSFER_STANDS, CUT_STANDS, SHRINK_REFUSED, STACK_FULL */
export function resizeImage(entry: Entry, layer: string, bytes: number): Entry {
  const { head } = entry;
  if (head.stack.layer === layer && head.bytes === bytes) return entry;
  refuseDoubt(head);
  refuseBusy(head);
  if (head.writer !== null) throw isOpen(head);
  refuseReaders(head);
  refuseShrinking(head, bytes);
  refuseFull(head);
  return { ...entry, head: coverHead(head, layer, bytes, sealedOf(head)) };
}

export interface GrowthOrder {
  readonly cut: string;
  readonly generation: number;
  readonly layer: string;
  readonly bytes: number;
}

/**
 * Commits an open image to a cut above which it is larger; again the same for one that stands.
 * @throws OperationError IMAGE_UNCERTAIN, TRANSFER_STANDS, CUT_STANDS, NOT_WRITER, SHRINK_REFUSED, STACK_CHANGED, STACK_FULL
 */
export function beginGrowth(entry: Entry, { cut, generation, layer, bytes }: GrowthOrder): Entry {
  const { head } = entry;
  if (head.cut?.id === cut) return entry;
  refuseDoubt(head);
  refuseBusy(head);
  if (head.writer === null) {
    throw new OperationError('NOT_WRITER', `image ${head.image} was closed meanwhile`, { remedy: 'Order it again.' });
  }
  refuseShrinking(head, bytes);
  refuseOtherGeneration(head, generation);
  refuseFull(head);
  return { ...entry, head: { ...head, cut: { id: cut, layer, bytes } } };
}

/** The image with its larger top, as its node has cut it. @throws OperationError CLOSING_MISSING, OTHER_STACK */
export function finishGrowth(entry: Entry, cut: string, sealed: readonly CutImage[]): Entry {
  const { head } = entry;
  if (head.cut?.id !== cut) return entry;
  const { layer, bytes = head.bytes } = head.cut;
  return { ...entry, head: coverHead(head, layer, bytes, sealedBy(head, sealed)) };
}

/** Those of the layers that no image, cut or snapshot names, to be asked of the nodes. */
export function leavingOf(layers: readonly string[], { heads, snapshots }: Named, nodes: readonly string[]): Leaving[] {
  const named = namedLayers({ heads, snapshots });
  return [...new Set(layers)].filter((layer) => !named.has(layer)).map((layer) => ({ layer, nodes: [...nodes] }));
}

/** Whether something needs its blocks: it is named, or what it became a part of is. */
export function isNeeded(
  layer: string,
  { heads, snapshots, leaving }: Named & { readonly leaving: readonly Leaving[] },
): boolean {
  const layers = namedLayers({ heads, snapshots });
  const { merge } = leaving.find((one) => one.layer === layer) ?? {};
  return layers.has(layer) || (merge !== undefined && layers.has(merge.target));
}

function namedLayers({ heads, snapshots }: Named): Set<string> {
  return new Set([...heads.flatMap((head) => layersOf(head)), ...snapshots.flatMap(layersOfSnapshot)]);
}

export function layersOfSnapshot({ disks }: Snapshot): string[] {
  return disks.flatMap(({ layers }) => layers.map(({ layer }) => layer));
}

/** All layers that an image names, one that is to be its next top included. */
export function layersOf({ stack, cut }: Head): string[] {
  return [stack.layer, ...stack.below.map(({ layer }) => layer), ...(cut === null ? [] : [cut.layer])];
}

/** The head under a new, empty top. Its numbers go on: no number ever names two contents (promise S3). */
function coverHead(head: Head, layer: string, bytes: number, sealed: SealedLayer): Head {
  const generation = head.stack.generation + 1;
  const last = { ...head.last, lastSequence: sealed.lastSequence, ...NO_ENTRIES, generation };
  return { ...head, bytes, last, stack: { layer, generation, below: [sealed, ...head.stack.below] }, cut: null };
}

/** The top of a closed image as it was closed. */
export function sealedOf({ stack, bytes, last }: Head): SealedLayer {
  const { lastSequence, entries, digest } = last;
  return { layer: stack.layer, bytes, lastSequence, entries, digest };
}

/** The top of an open image as its node has cut it. */
function sealedBy({ image, stack }: Head, sealed: readonly CutImage[]): SealedLayer {
  const said = sealed.find((one) => one.image === image)?.sealed;
  if (said === undefined) {
    throw new OperationError('CLOSING_MISSING', `how image ${image} was cut is not said`, {
      remedy: 'Ask the node that writes it.',
    });
  }
  if (said.layer === stack.layer) return said;
  throw new OperationError('OTHER_STACK', `layer ${said.layer} was cut, and image ${image} has ${stack.layer} on top`, {
    remedy: 'Ask the node that writes it for its stack.',
  });
}

function diskOf({ snapshot, disks }: Snapshot, image: string): SnapshotDisk {
  const disk = disks.find((one) => one.image === image);
  if (disk !== undefined) return disk;
  throw new OperationError('NO_DISK', `snapshot ${snapshot} has no image ${image}`, {
    remedy: `It has ${disks.map((one) => one.image).join(', ')}.`,
  });
}

function refuseOtherGeneration({ image, stack }: Head, generation: number): void {
  if (stack.generation === generation) return;
  throw new OperationError('STACK_CHANGED', `the layers of image ${image} have changed meanwhile`, {
    remedy: 'Order it again.',
  });
}

function refuseShrinking(head: Head, bytes: number): void {
  if (bytes > head.bytes) return;
  throw new OperationError('SHRINK_REFUSED', `image ${head.image} has ${head.bytes} bytes; ${bytes} are not more`, {
    remedy: 'An image only grows; to make it smaller, copy its files into a new one.',
  });
}

function refuseFull({ image, stack }: Head): void {
  if (stack.below.length >= BELOW_MAX) throw full(image);
}

function full(image: string): OperationError {
  return new OperationError('STACK_FULL', `image ${image} has ${BELOW_MAX} layers below its top`, {
    remedy: 'Delete snapshots that nobody needs (supercloud snapshot list): their layers become one within seconds.',
  });
}
