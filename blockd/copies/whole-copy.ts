// Whether a layer here was a whole copy once, so that answers may count on what was flushed then; and the note that says so
// while its table changes.
import { isWriter } from '../image/image-roles.ts';
import type { ImageStore } from '../store/image-store.ts';
import type { StoreState } from '../store/store-record.ts';

/**
 * Whether it was a whole copy, or is what its writer closed here with: nothing that was flushed then is missing, also when
 * it is not sure from where on the table is to be heard.
 */
export function wasWhole({ table, state }: ImageStore): boolean {
  if (state.copiedUpTo !== undefined) return true;
  if (state.closing === null) return false;
  // An offer of a copy raises the number from which the table counts on, whatever comes of it; its entries are the same then.
  const { digest, entries } = table.mark;
  return state.closing.digest === digest && state.closing.entries === entries && !table.hasMissing;
}

/** Whether flushes may have been answered for what is here: it was a whole copy, of an image that has `copies`. */
export function isCountedOn(store: ImageStore, copies: number): boolean {
  return wasWhole(store) && (copies > 1 || store.state.copiedUpTo !== undefined);
}

/**
 * Whether what is here stays until something newer is here: not where names of newer blocks may be heard without their content
 * (a follower that was never a whole copy).
 */
export function keepsFlushed(store: ImageStore): boolean {
  const { role } = store.state;
  const mayHear = role === 'replica' || role === 'standby' || role === 'loose';
  return !mayHear || wasWhole(store);
}

/** Whether it writes under an epoch that is over: what it writes over its blocks is nothing newer of the image (SOUNDNESS A7). */
export function isCutOff({ state }: ImageStore, newestEpoch: number): boolean {
  return isWriter(state.role) && state.epoch < newestEpoch;
}

/** To be durable before the first change to what was closed here: the closing does not say it any more then. */
export function wholeNote(store: ImageStore): Pick<StoreState, 'copiedUpTo'> | undefined {
  const { copiedUpTo, closing } = store.state;
  if (copiedUpTo !== undefined || closing === null || !wasWhole(store)) return undefined;
  return { copiedUpTo: closing.lastSequence };
}

/** Makes it durable, if it is to be. @throws OperationError ENOSPC, STORE_FAILED */
export async function noteWhole(store: ImageStore): Promise<void> {
  const state = wholeNote(store);
  if (state !== undefined) await store.commit({ state });
}
