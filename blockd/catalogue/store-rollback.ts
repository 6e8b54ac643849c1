// Whether a store is an older copy of itself, and which images that puts in doubt: those that were written there, for what
// it flushed since may be nowhere any more, and those that it has no longer as they were closed (promises S3 and S4,
// SOUNDNESS D2). Pure.
import { OperationError } from '../../common/errors.ts';
import type { Head } from '../../wire/contracts/catalogue.ts';
import type { Notch, SaidNotch } from '../../wire/contracts/store-notch.ts';
import type { StoreReport } from '../../wire/contracts/store-report.ts';
import type { Entry } from './catalogue.ts';

/** Images that a refusal names: a line of them. */
const NAMED_MAX = 5;

/**
 * `late`: the catalogue knows of a newer notch than the store was asked for, so that the answer decides nothing. `same`
 * and `ahead`: it went on from where it was. `behind`: it did not, in a sentence.
 */
export type NotchVerdict =
  | { readonly kind: 'late' | 'same' | 'ahead' }
  | { readonly kind: 'behind'; readonly reason: string };

/** What a store's answer says beside the newest notch that it was seen at. */
export function judgeNotch(node: string, known: Notch | undefined, { now, at, wordAt }: SaidNotch): NotchVerdict {
  if (at !== (known?.count ?? 0)) return { kind: 'late' };
  if (known === undefined) return { kind: 'ahead' };
  if (now.store !== known.store) {
    return behind(
      `the store of node ${node} is another one than it was: emptied, or put in the place of the one before`,
    );
  }
  if (now.count < known.count) {
    return behind(
      `the store of node ${node} is an older copy of itself: it was seen at notch ${known.count} and is at ${now.count}`,
    );
  }
  // Without a word it was there too long ago to remember: it went on far from here.
  if (wordAt !== undefined && wordAt !== known.word) {
    return behind(
      `the store of node ${node} is an older copy that went on by itself: it is at notch ${now.count}, and its notch ` +
        `${known.count} is not the one that was seen`,
    );
  }
  return { kind: now.count === known.count ? 'same' : 'ahead' };
}

function behind(reason: string): NotchVerdict {
  return { kind: 'behind', reason };
}

/** The entries that such a store puts in doubt, changed; those that it has put in doubt before are left out. */
export function doubtedByRollback(
  entries: readonly Entry[],
  node: string,
  reason: string,
  report: StoreReport,
): Entry[] {
  return entries
    .filter(({ head }) => head.rollback !== node && isTouched(head, node, report))
    .map((entry) => ({ ...entry, head: { ...entry.head, doubt: reason, rollback: node } }));
}

/**
 * Nothing comes to a store that was put back before a person has settled what it lost: its newest disk may be put in its place
 * again, and what came meanwhile would be lost with the older one. What was opened there since may leave it.
 * @throws OperationError STORE_UNCERTAIN
 */
export function refuseUnsettledStore(heads: readonly Head[], node: string): void {
  const images = heads.filter(({ rollback }) => rollback === node).map(({ image }) => image);
  if (images.length === 0) return;
  throw new OperationError(
    'STORE_UNCERTAIN',
    `the store of node ${node} was put back as it was once, and ${namesOf(images)} may have lost by it what is not settled yet`,
    {
      remedy:
        `Put the newest disk of node ${node} in its place again if there is one; else look with supercloud catalogue ` +
        'rebuild what would be lost, and accept it. Or move to another node.',
    },
  );
}

function namesOf(images: readonly string[]): string {
  const named = images.slice(0, NAMED_MAX).join(', ');
  const more = images.length - NAMED_MAX;
  return `${images.length === 1 ? 'image' : 'images'} ${named}${more > 0 ? ` and ${more} more` : ''}`;
}

function isTouched(head: Head, node: string, report: StoreReport): boolean {
  const { writer, holder, transfer } = head;
  if (writer === node || transfer?.to === node) return true;
  return writer === null && holder === node && !isAsClosed(head, report);
}

/** Whether the store has the very table that closed the image last; of one that was never written, what lies below it. */
function isAsClosed({ stack, last }: Head, { layers }: StoreReport): boolean {
  const top = layers.find(({ layer }) => layer === stack.layer);
  const [below] = stack.below;
  if (top === undefined && last.entries === 0 && below !== undefined) {
    return layers.some(({ layer, table }) => layer === below.layer && table.digest === below.digest);
  }
  if (top === undefined) return false;
  const { lastSequence, entries, digest } = top.table;
  return digest === last.digest && entries === last.entries && lastSequence === last.lastSequence;
}
