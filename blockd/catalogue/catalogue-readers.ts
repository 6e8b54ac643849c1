// Decides on images that are open for reading: at any number of nodes while nobody writes, and nobody writes meanwhile (TOCS
// 2017, 3.2.2: what is written has one user, what is shared is read-only). Who reads sees what the last close said; an
// opening for writing is refused, not its readers, for a reader that was cut off would not hear of it. Pure.
import type { KeptReader } from '../../wire/contracts/store-report.ts';
import { type Entry, isOpen, refuseBusy, refuseDoubt, refuseElsewhere } from './catalogue.ts';
import { sealedOf } from './catalogue-layers.ts';

/** One more node reads it. @throws OperationError IMAGE_UNCERTAIN, IMAGE_OPEN, PINNED, TRANSFER_STANDS, CUT_STANDS */
export function openReading(entry: Entry, node: string): Entry {
  const { head } = entry;
  refuseDoubt(head);
  refuseBusy(head);
  if (head.writer !== null) throw isOpen(head);
  refuseElsewhere(head, node);
  const readers = [...new Set([...(head.readers ?? []), node])].sort();
  return { ...entry, head: { ...head, readers } };
}

/** The node reads it no more. */
export function closeReading(entry: Entry, node: string): Entry {
  const { readers = [], ...head } = entry.head;
  const others = readers.filter((one) => one !== node);
  return { ...entry, head: others.length === 0 ? head : { ...head, readers: others } };
}

/** What each reader's store has to show. */
export function readersOf({ head, granted }: Entry): KeptReader[] {
  const { image, bytes, stack, readers = [] } = head;
  const all = [sealedOf(head), ...stack.below];
  const said = all.filter(({ entries }) => entries > 0);
  // Of an image that nobody has written the top alone says that.
  const layers = said.length > 0 ? said : all.slice(0, 1);
  return readers.map((node) => ({ image, node, bytes, epoch: granted, layers }));
}
