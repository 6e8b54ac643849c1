// What an answer to a flush means of one image: how many copies there were when it was given. It begins with the stores that
// say that they have everything, counts for certain once it is written down at the writer, and goes with the image's closing
// to each next one. Decides by `flush-rule.ts`; it answers nothing itself (SOUNDNESS A13).
import type { Clock, Timer } from '../../common/clock.ts';
import type { CopiesMeant, CopyPolicy } from '../../wire/contracts/propagation.ts';
import type { Image } from '../image/image.ts';
import { flushAnswer, type StoreView, safeStores, type WriterView } from '../propagation/flush-rule.ts';

/** How soon a note is tried again that a full disk did not take. */
const AGAIN_MS = 1_000;

export interface CopyPromiseParts {
  readonly image: Pick<Image, 'store' | 'noted' | 'meant' | 'mean'>;
  readonly clock: Clock;
  /** Looks again. */
  review(): void;
}

/** So many stores have everything by their own word; what was answered up to `since` may be on fewer. */
interface Held {
  readonly count: number;
  readonly since: number;
}

/** One image's promise, as long as this node writes it. */
export class CopyPromise {
  readonly #parts: CopyPromiseParts;
  #held: Held | undefined;
  #again: Timer | undefined;

  constructor(parts: CopyPromiseParts) {
    this.#parts = parts;
  }

  /** So many copies an answer means from now on. */
  count(policy: CopyPolicy, here: WriterView): number {
    return Math.min(policy.copies, Math.max(countOf(this.#parts.image.meant, policy, here), this.#held?.count ?? 1));
  }

  /** Whether everything that was answered is on as many as the policy asks for, and that is known over a restart. */
  isFormed(policy: CopyPolicy, here: WriterView): boolean {
    const { noted, meant } = this.#parts.image;
    return [noted, meant].every((one) => countOf(one, policy, here) >= policy.copies);
  }

  /** Whether the store had everything when it was last written down who does. */
  isKnown(node: string): boolean {
    return this.#parts.image.meant?.nodes.includes(node) === true;
  }

  /** To be called when anything of it may be otherwise, and the image is written here. `stores`: those that are asked for copies. */
  review(policy: CopyPolicy | undefined, here: WriterView, stores: readonly StoreView[]): void {
    const { image } = this.#parts;
    if (policy === undefined) {
      this.#held = undefined;
      this.#note(null);
      return;
    }
    const bound = Math.min(policy.copies, countOf(image.meant, policy, here));
    const { safeOn } = flushAnswer(policy, here, stores, 0);
    this.#hold(Math.min(policy.copies, safeOn), bound);
    const isReached =
      this.#held !== undefined && flushAnswer(policy, here, stores, this.#held.since).safeOn >= this.#held.count;
    const count = isReached ? (this.#held?.count ?? bound) : bound;
    this.#note(count > 1 ? this.#meantBy(policy, here, stores, count) : null);
  }

  /** Nobody asks any more. */
  reset(): void {
    this.#held = undefined;
    this.#again?.cancel();
    this.#again = undefined;
  }

  /** From now on answers wait for as many. */
  #hold(count: number, bound: number): void {
    const { durableSequence } = this.#parts.image.store;
    const since = count > (this.#held?.count ?? bound) ? durableSequence : (this.#held?.since ?? durableSequence);
    this.#held = count > bound ? { count, since } : undefined;
  }

  /** The stores are named as they were unless others have everything by now. */
  #meantBy(policy: CopyPolicy, here: WriterView, stores: readonly StoreView[], count: number): CopiesMeant {
    const { meant } = this.#parts.image;
    const { scope } = policy;
    const whole = [here.node, ...safeStores(policy, here, stores, 0).map(({ node }) => node)].sort();
    const known = isOf(meant, policy, here) ? meant.nodes : [];
    const isOther = whole.length >= count && !whole.every((node) => known.includes(node));
    return { scope, ...(scope === 'cloud' ? { cloud: here.cloud } : {}), count, nodes: isOther ? whole : known };
  }

  #note(copies: CopiesMeant | null): void {
    const { image, clock, review } = this.#parts;
    image.mean(copies).catch(() => {
      // Of a store that has failed nothing is to be noted any more.
      if (image.store.failure === undefined) this.#again ??= clock.setTimer(AGAIN_MS, () => this.#tryAgain(review));
    });
  }

  #tryAgain(review: () => void): void {
    this.#again = undefined;
    review();
  }
}

/** Copies in one cloud are none of another one's. */
function isOf(meant: CopiesMeant | null, { scope }: CopyPolicy, { cloud }: WriterView): meant is CopiesMeant {
  return meant?.scope === scope && (scope === 'world' || meant.cloud === cloud);
}

function countOf(meant: CopiesMeant | null, policy: CopyPolicy, here: WriterView): number {
  return isOf(meant, policy, here) ? meant.count : 1;
}
