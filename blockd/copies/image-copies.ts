// The copies of one image that is written here: which stores keep one, what each has durably, and which flushes may be
// answered by that (SOUNDNESS A13). Reviews everything when something of it changes; decides by `flush-rule.ts` alone.
import type { Clock } from '../../common/clock.ts';
import type { Log } from '../../common/log.ts';
import type { CopiesShown } from '../../wire/contracts/blockd.ts';
import type { SealedLayer } from '../../wire/contracts/layers.ts';
import type { CopyPolicy, PropagationPolicy } from '../../wire/contracts/propagation.ts';
import type { Member } from '../../wire/names.ts';
import type { Answer, FlushSafety } from '../image/flush-safety.ts';
import type { Image } from '../image/image.ts';
import { isWriter } from '../image/image-roles.ts';
import { exportEnded } from '../image/request-gate.ts';
import type { LayerShelf } from '../layers/layer-shelf.ts';
import type { Dial } from '../peer/peer-stream.ts';
import { copyTargets, type FlushAnswer, flushAnswer, type StoreView, waitsAt } from '../propagation/flush-rule.ts';
import type { ImageStore } from '../store/image-store.ts';
import type { PropagationBook } from '../transfer/propagation-book.ts';
import { BarrierData } from './barrier-data.ts';
import { CopyLink, type CopySubject } from './copy-link.ts';
import { CopyPromise } from './copy-promise.ts';
import { FlushWaits } from './flush-waits.ts';
import { OwnCopy } from './own-copy.ts';

/** A member and where it is; one of which nobody said is a cloud of its own. */
interface Place {
  readonly node: string;
  readonly cloud: string;
}

export interface ImageCopiesParts {
  readonly image: Image;
  /** This node's name. */
  readonly node: string;
  readonly book: Pick<PropagationBook, 'of'>;
  /** All members; this node too if it was told. */
  readonly members: () => readonly Member[];
  readonly layers: Pick<LayerShelf, 'find' | 'followers' | 'trafficOf' | 'records'>;
  readonly dial: Dial;
  readonly clock: Clock;
  readonly log: Log;
}

/** One image's copies, as long as this node writes it. */
export class ImageCopies implements FlushSafety {
  readonly #parts: ImageCopiesParts;
  readonly #links = new Map<string, CopyLink>();
  readonly #waits = new FlushWaits();
  readonly #own: OwnCopy;
  readonly #promise: CopyPromise;
  #subject: CopySubject | undefined;
  #isDegraded = false;
  #isReviewing = false;

  constructor(parts: ImageCopiesParts) {
    this.#parts = parts;
    this.#own = new OwnCopy(parts.image);
    this.#promise = new CopyPromise({ ...parts, review: () => this.review() });
    parts.image.safety = this;
    parts.image.gate.watcher = () => this.review();
    this.review();
  }

  get waitsAt(): FlushSafety['waitsAt'] {
    return waitsAt(this.#asked);
  }

  safe(): Answer {
    const { image } = this.#parts;
    if (image.gate.mode === 'ended') return Promise.reject(exportEnded(image.store.image));
    const { durableSequence } = image.store;
    return this.#mayAnswer(durableSequence) ? undefined : this.#waits.add(durableSequence);
  }

  /** The policy, the members, the image's role or its layers may be others than at the last look. */
  review(): void {
    // A link that is made or closed here may tell of itself at once.
    if (this.#isReviewing) return;
    this.#isReviewing = true;
    try {
      if (this.#policy === undefined || !this.#isWritten) this.#closeLinks();
      else this.#choose(this.#policy);
    } finally {
      this.#isReviewing = false;
    }
    const { image } = this.#parts;
    // A closing has said what is meant.
    if (this.#isWritten && image.gate.mode === 'open') {
      // Asked for, so that it becomes so.
      void this.#own.isWhole;
      this.#promise.review(this.#policy, this.#here(), this.#views());
    }
    if (image.gate.mode === 'ended') this.#waits.end(exportEnded(image.store.image));
    else this.#waits.decide((sequence) => this.#mayAnswer(sequence));
    if (this.#isWritten) this.#note(this.#answerTo(image.store.durableSequence));
  }

  /** Nothing while the policy asks for no copies, or nobody writes. */
  show(): { copies?: CopiesShown } {
    const policy = this.#policy;
    if (policy === undefined || !this.#isWritten) return {};
    const { image } = this.#parts;
    const { safeOn } = this.#answerTo(image.store.durableSequence);
    const isWhole = this.#own.isWhole;
    const stores = Array.from(this.#links.values(), ({ node, isReachable, durableSequence, reason }) => ({
      ...{ node, reachable: isReachable, reason },
      durableSequence: durableSequence ?? null,
    }));
    const { copies } = policy;
    return {
      copies: {
        ...{ copies, degraded: this.#isDegraded, waitingFlushes: this.#waits.count, stores },
        safeOn: isWhole ? safeOn : safeOn - 1,
        forming: !isWhole || !this.#promise.isFormed(policy, this.#here()),
      },
    };
  }

  get #asked(): PropagationPolicy {
    return this.#parts.book.of(this.#parts.image.store.image).policy;
  }

  get #policy(): CopyPolicy | undefined {
    const policy = this.#asked;
    return policy.mode === 'sync' || policy.mode === 'sync-write' ? policy : undefined;
  }

  get #isWritten(): boolean {
    const { image } = this.#parts;
    return image.isWhole && isWriter(image.store.state.role) && image.gate.mode !== 'ended';
  }

  /**
   * An image that is just becoming another node's answers nothing: its end will. Nor does one whose store was put back, as a
   * copy knows that is newer (SOUNDNESS D2).
   */
  #mayAnswer(sequence: number): boolean {
    if (!this.#isWritten || [...this.#links.values()].some(({ isOutdated }) => isOutdated)) return false;
    const answer = this.#answerTo(sequence);
    this.#note(answer);
    return answer.kind !== 'wait';
  }

  #answerTo(sequence: number): FlushAnswer {
    const policy = this.#policy;
    const here = this.#here();
    const asked = policy === undefined ? this.#asked : { ...policy, copies: this.#promise.count(policy, here) };
    return flushAnswer(asked, here, this.#views(), sequence);
  }

  /** Told before the first answer that means less than the policy asks for, and when it is over. */
  #note({ kind, safeOn }: FlushAnswer): void {
    const isDegraded = kind === 'degraded';
    if (isDegraded === this.#isDegraded || kind === 'wait') return;
    this.#isDegraded = isDegraded;
    const { image, log } = this.#parts;
    const facts = { image: image.store.image, safeOn };
    if (isDegraded) log.warn(facts, 'flushes are answered with fewer copies than the policy asks for');
    else log.info(facts, 'flushes are answered with all their copies again');
  }

  #here(): Place {
    const { node } = this.#parts;
    return { node, cloud: this.#parts.members().find((member) => member.node === node)?.cloud ?? node };
  }

  /** The stores that have been asked for a copy; one that is being filled for long is no more waited for than one away. */
  #views(): StoreView[] {
    return this.#places().flatMap((view) => {
      const link = this.#links.get(view.node);
      return link === undefined ? [] : [{ ...view, isReachable: link.isTimely }];
    });
  }

  /** What is pinned has its copies at its place, or none. */
  #candidates(): readonly Member[] {
    const { members, layers, image } = this.#parts;
    const { layer, state } = image.store;
    const nodes = layers.records.nodesFor([layer, ...state.below.map((sealed) => sealed.layer)]);
    return nodes === undefined ? members() : members().filter(({ node }) => nodes.includes(node));
  }

  #places(): StoreView[] {
    return this.#candidates().map(({ node, cloud = node }) => {
      const link = this.#links.get(node);
      return {
        ...{ node, cloud, isReachable: link?.isReachable ?? true, durableSequence: link?.durableSequence ?? -1 },
        roundTripMs: preferred(link, this.#promise.isKnown(node)),
      };
    });
  }

  #choose(policy: CopyPolicy): void {
    const subject = this.#subjectOf(this.#parts.image.store);
    const targets = new Set(copyTargets(policy, this.#here(), this.#places()).map(({ node }) => node));
    const members = new Set(this.#candidates().map(({ node }) => node));
    for (const [node, link] of this.#links) {
      // One that is away is looked for: it may be the only one that can be back in time.
      const isHeard = targets.has(node) || ((!link.isReachable || link.isToBeHeard) && members.has(node));
      if (isHeard) link.follow(subject);
      else this.#drop(link);
    }
    for (const node of targets) if (!this.#links.has(node)) this.#links.set(node, this.#link(node, subject));
  }

  #link(node: string, subject: CopySubject): CopyLink {
    const { layers, dial, clock, log } = this.#parts;
    const { followers } = layers;
    const isKnown = this.#promise.isKnown(node);
    return new CopyLink({ node, subject, isKnown, followers, dial, clock, log, changed: () => this.review() });
  }

  #drop(link: CopyLink): void {
    this.#links.delete(link.node);
    link.close();
  }

  #closeLinks(): void {
    for (const link of this.#links.values()) this.#drop(link);
    this.#own.reset();
    this.#promise.reset();
    this.#subject = undefined;
    this.#isDegraded = false;
  }

  /** As the image's top has it: what a sealed layer says of those below it may have been merged since. */
  #belowOf({ layer, state }: ImageStore): readonly SealedLayer[] {
    const { below } = this.#parts.image.store.state;
    const at = below.findIndex((sealed) => sealed.layer === layer);
    return at < 0 ? state.below : below.slice(at + 1);
  }

  #subjectOf(store: ImageStore): CopySubject {
    if (this.#subject?.store === store) return this.#subject;
    const { image, layer, bytes } = store;
    const offer = (): ReturnType<CopySubject['offer']> => {
      const { epoch, generation } = store.state;
      const below = this.#belowOf(store);
      return {
        image,
        bytes,
        epoch,
        lastSequence: store.table.lastSequence,
        stack: { layer, generation, below: [...below] },
      };
    };
    const { layers } = this.#parts;
    const isGone = (): boolean => layers.find(layer)?.store !== store;
    this.#subject = { store, data: new BarrierData(store), traffic: layers.trafficOf(layer), isGone, offer };
    return this.#subject;
  }
}

/**
 * The order in which stores are chosen: those that have everything stay, then those that had it when the image was last
 * written, then those that are being filled, then the nearest; one that was never reached comes last.
 */
function preferred(link: CopyLink | undefined, isKnown: boolean): number {
  if (link?.durableSequence !== undefined) return -3;
  if (isKnown) return -2;
  if (link?.isReachable === true) return -1;
  return link?.roundTripMs ?? Number.MAX_SAFE_INTEGER;
}
