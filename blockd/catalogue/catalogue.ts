// Decides on images' heads (the data view, TOCS 2017 3.2.1): who may write under which epoch, how epochs ended, which
// transfer stands. Pure functions from heads to heads; one that refuses throws and changes nothing.
import { Type } from '#typebox';
import { OperationError } from '../../common/errors.ts';
import type { Closing } from '../../wire/contracts/blockd.ts';
import { Head } from '../../wire/contracts/catalogue.ts';
import type { PropagationSettings } from '../../wire/contracts/propagation.ts';
import { Epoch, Name } from '../../wire/names.ts';
import { EPOCH_MAX } from '../table/block-version.ts';

/** What is kept per image. */
export const Entry = Type.Object({
  head: Head,
  /** The highest epoch ever granted, also to a transfer that was refused: it is never granted again (promise S3). */
  granted: Epoch,
});
export type Entry = Type.Static<typeof Entry>;

/** How a finished transfer ended, kept so that its repetition changes nothing. */
export const Finished = Type.Object({ moved: Type.Boolean(), images: Type.Array(Name) });
export type Finished = Type.Static<typeof Finished>;

export interface NewHead {
  readonly image: string;
  readonly layer: string;
  readonly bytes: number;
  readonly holder: string;
  readonly closing: Closing;
}

export interface TransferOrder {
  readonly migration: string;
  readonly from: string;
  readonly to: string;
}

/** A new image's entry; repeating the same is well. @throws OperationError IMAGE_EXISTS */
export function addImage(known: Entry | undefined, { image, layer, bytes, holder, closing }: NewHead): Entry {
  if (known !== undefined) {
    const { head } = known;
    const isSame = head.stack.layer === layer && head.bytes === bytes && head.holder === holder;
    if (isSame && sameClosing(head.last, closing)) return known;
    throw new OperationError('IMAGE_EXISTS', `there is an image ${image} already`, { remedy: 'Choose another name.' });
  }
  const head = {
    image,
    bytes,
    epoch: closing.epoch,
    writer: null,
    holder,
    last: closing,
    closings: [],
    transfer: null,
    stack: { layer, generation: closing.generation, below: [] },
    cut: null,
  };
  return { head, granted: closing.epoch };
}

/** @throws OperationError IMAGE_OPEN, IMAGE_READ, TRANSFER_STANDS, CUT_STANDS */
export function checkRemovable({ head }: Entry): void {
  refuseBusy(head);
  if (head.writer !== null) throw isOpen(head);
  refuseReaders(head);
}

/** Changes how the image's blocks get to other places, whoever writes it meanwhile. */
export function setPropagation(entry: Entry, propagation: PropagationSettings): Entry {
  return { ...entry, head: { ...entry.head, propagation } };
}

/** Grants the next epoch; the node that has it already gets the same. @throws OperationError IMAGE_UNCERTAIN, IMAGE_OPEN, IMAGE_READ, TRANSFER_STANDS, CUT_STANDS */
export function openEpoch(entry: Entry, node: string): Entry {
  const { head } = entry;
  refuseDoubt(head);
  refuseBusy(head);
  if (head.writer === node) return entry;
  refuseReaders(head);
  if (head.writer !== null) throw isOpen(head);
  const epoch = nextEpoch(entry);
  return { head: { ...head, epoch, writer: node }, granted: epoch };
}

/** Records how the writer's epoch ended. @throws OperationError NOT_WRITER, TRANSFER_STANDS, CUT_STANDS, OTHER_STACK */
export function closeEpoch(entry: Entry, node: string, closing: Closing): Entry {
  const { head } = entry;
  if (head.writer === null && head.holder === node && sameClosing(head.last, closing)) return entry;
  refuseBusy(head);
  refuseOtherWriter(head, node);
  return { ...entry, head: { ...ended(head, node, closing), writer: null } };
}

/** Takes an epoch back that its node never wrote under: it stays granted, to nobody. @throws OperationError NOT_WRITER, TRANSFER_STANDS, CUT_STANDS */
export function abandonEpoch(entry: Entry, node: string, epoch: number): Entry {
  const { head } = entry;
  if (head.writer === null && head.epoch === epoch) return entry;
  refuseBusy(head);
  refuseOtherWriter(head, node);
  if (head.epoch !== epoch) {
    throw new OperationError('WRONG_EPOCH', `image ${head.image} is in epoch ${head.epoch}, not in ${epoch}`);
  }
  return { ...entry, head: { ...head, writer: null } };
}

/** Commits all images to one transfer, which is granted their next epochs. @throws OperationError IMAGE_UNCERTAIN, PINNED, NOT_WRITER, TRANSFER_STANDS, CUT_STANDS */
export function beginTransfer(entries: readonly Entry[], { migration, from, to }: TransferOrder): Entry[] {
  if (from === to) {
    throw new OperationError('SAME_NODE', `migration ${migration} goes from ${from} to itself`, {
      remedy: 'Choose another destination.',
    });
  }
  if (entries.every(({ head }) => head.transfer?.migration === migration)) return [...entries];
  return entries.map((entry) => {
    refuseDoubt(entry.head);
    refuseElsewhere(entry.head, to);
    refuseBusy(entry.head);
    refuseOtherWriter(entry.head, from);
    const epoch = nextEpoch(entry);
    return { head: { ...entry.head, transfer: { migration, from, to, epoch } }, granted: epoch };
  });
}

/** Ends a transfer as the destination's record says. @throws OperationError NO_TRANSFER, CLOSING_MISSING */
export function finishTransfer(
  entries: readonly Entry[],
  migration: string,
  moved: boolean,
  closings: readonly Closing[],
): Entry[] {
  return entries.map((entry) => {
    const { head } = entry;
    const { transfer } = head;
    if (transfer?.migration !== migration) {
      throw new OperationError('NO_TRANSFER', `image ${head.image} is not in migration ${migration}`);
    }
    if (!moved) return { ...entry, head: { ...head, transfer: null } };
    const closing = closings.find((one) => one.image === head.image);
    if (closing === undefined) {
      throw new OperationError(
        'CLOSING_MISSING',
        `migration ${migration} moved, but how image ${head.image} closed is not said`,
        {
          remedy: 'Ask the source for its released record.',
        },
      );
    }
    const next = ended(head, transfer.from, closing);
    return { ...entry, head: { ...next, epoch: transfer.epoch, writer: transfer.to, transfer: null } };
  });
}

/** The head after its epoch ended at a node. @throws OperationError WRONG_EPOCH, OTHER_STACK */
function ended(head: Head, node: string, closing: Closing): Head {
  if (closing.image !== head.image || closing.epoch !== head.epoch || closing.lastSequence < head.last.lastSequence) {
    throw new OperationError(
      'WRONG_EPOCH',
      `image ${head.image} is in epoch ${head.epoch}, closed at sequence ${head.last.lastSequence} before; ` +
        `a closing of epoch ${closing.epoch} at sequence ${closing.lastSequence} does not end it`,
    );
  }
  const { generation } = head.stack;
  if (closing.generation !== generation) {
    throw new OperationError(
      'OTHER_STACK',
      `image ${head.image} has generation ${generation} of its layers and was closed with ${closing.generation}`,
      { remedy: 'Look at the image with supercloud image show; a snapshot that is under way is finished by itself.' },
    );
  }
  const end = { epoch: closing.epoch, lastSequence: closing.lastSequence };
  return { ...head, holder: node, last: closing, closings: [...head.closings, end] };
}

function nextEpoch({ head, granted }: Entry): number {
  const epoch = granted + 1;
  if (epoch <= EPOCH_MAX) return epoch;
  throw new OperationError('EPOCH_MAX', `image ${head.image} has used all ${EPOCH_MAX} epochs`, {
    remedy: 'Copy it into a new image.',
  });
}

function sameClosing(one: Closing, other: Closing): boolean {
  return one.epoch === other.epoch && one.lastSequence === other.lastSequence && one.digest === other.digest;
}

/** What may not be the newest state is not opened, moved or built upon. @throws OperationError IMAGE_UNCERTAIN */
export function refuseDoubt({ image, doubt, rollback }: Head): void {
  if (doubt === undefined) return;
  throw new OperationError('IMAGE_UNCERTAIN', `image ${image} may not be its newest state: ${doubt}`, {
    remedy:
      rollback === undefined
        ? 'Bring that node back, or look with supercloud catalogue rebuild what would be lost, and accept it.'
        : `Put the newest disk of node ${rollback} in its place again if there is one, and delete the VM that has the image ` +
          'open. Then look with supercloud catalogue rebuild what would be lost, and accept it; or go on with a clone of a snapshot.',
  });
}

/** Who reads a closed image is not written under. @throws OperationError IMAGE_READ */
export function refuseReaders({ image, readers = [] }: Head): void {
  if (readers.length === 0) return;
  throw new OperationError('IMAGE_READ', `image ${image} is open for reading at ${readers.join(' and ')}`, {
    remedy: `Close it there first: ${readers.map((node) => `supercloud image close ${image} --at ${node}`).join('; ')}`,
  });
}

/** What is pinned moves to its place, or within it, and nowhere else. @throws OperationError PINNED */
export function refuseElsewhere({ image, pin }: Head, to: string): void {
  if (pin === undefined || pin.nodes.includes(to)) return;
  throw new OperationError('PINNED', `image ${image} is pinned to ${pin.place}, and node ${to} is not there`, {
    remedy: `Use it at ${pin.place} (a VM with it moves there), or unpin the image.`,
  });
}

/** @throws OperationError TRANSFER_STANDS, CUT_STANDS */
export function refuseBusy(head: Head): void {
  refuseTransfer(head);
  if (head.cut === null) return;
  const { snapshot } = head.cut;
  const what = snapshot === undefined ? 'a larger size' : `snapshot ${snapshot}`;
  throw new OperationError('CUT_STANDS', `${what} of image ${head.image} is under way`, {
    remedy: 'Wait for it; the controller finishes it or takes it back as soon as its node answers.',
  });
}

function refuseTransfer(head: Head): void {
  if (head.transfer === null) return;
  const { migration, from, to } = head.transfer;
  throw new OperationError(
    'TRANSFER_STANDS',
    `image ${head.image} is on its way from ${from} to ${to} (${migration})`,
    {
      remedy: 'Wait for the migration, or abort it.',
    },
  );
}

function refuseOtherWriter(head: Head, node: string): void {
  if (head.writer === node) return;
  const writer = head.writer ?? 'nobody';
  throw new OperationError(
    'NOT_WRITER',
    `image ${head.image} is written by ${writer} in epoch ${head.epoch}, not by ${node}`,
  );
}

export function isOpen(head: Head): OperationError {
  return new OperationError('IMAGE_OPEN', `image ${head.image} is open for writing at node ${head.writer}`, {
    remedy: 'Close it there first.',
  });
}
