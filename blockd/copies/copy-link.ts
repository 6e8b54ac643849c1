// A writer's link to one store that keeps a copy of its image: dials it, offers the image, dials again when the stream was
// lost, and knows what is durable there. A new stream begins anew: nothing that was said on an earlier one counts.
import type { Clock, Timer } from '../../common/clock.ts';
import { messageOf } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { CopyOffer } from '../../wire/contracts/layers.ts';
import type { Followers } from '../peer/followers.ts';
import type { Dial, PeerStream } from '../peer/peer-stream.ts';
import type { Traffic } from '../peer/traffic.ts';
import type { ImageStore } from '../store/image-store.ts';
import type { BarrierData } from './barrier-data.ts';
import { CopyFeed } from './copy-feed.ts';

const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 2_000;
/** A store that did not take the offer for so long counts as one that cannot be reached; one that lacks something for so
 * long as one that is not waited for, where the policy goes on without it. */
const LOST_MS = 5_000;

/** So many offers in a row were accepted and came to nothing: that another one is accepted proves nothing any more. */
const FRUITLESS_MAX = 3;

/** What is to be copied: changes when the image is cut. */
export interface CopySubject {
  readonly store: ImageStore;
  readonly data: BarrierData;
  readonly traffic: Traffic;
  /** Whether it was merged into the layer below it: nobody hears its table any more. */
  isGone(): boolean;
  offer(): CopyOffer;
}

export interface CopyLinkParts {
  readonly node: string;
  readonly subject: CopySubject;
  readonly followers: Followers;
  readonly dial: Dial;
  readonly clock: Clock;
  readonly log: Log;
  /** It had everything when the image was last written, also elsewhere. */
  readonly isKnown: boolean;
  /** Something of the link is otherwise now. */
  changed(): void;
}

/** One store of the image's copies. */
export class CopyLink {
  readonly node: string;
  readonly #parts: CopyLinkParts;
  #subject: CopySubject;
  /** What it is to have after that, the newest last. */
  #next: CopySubject[] = [];
  #feed: CopyFeed | undefined;
  #stream: PeerStream | undefined;
  #turn = 0;
  #retryMs = RETRY_MIN_MS;
  #timer: Timer | undefined;
  #lost: Timer | undefined;
  #late: Timer | undefined;
  #isReachable = true;
  #isTimely = true;
  #isAccepted = false;
  #fruitless = 0;
  #isOutdated = false;
  #isHeard = false;
  #durableSequence: number | undefined;
  /** Layers below the one that was offered. */
  #offeredOver = 0;
  #dialledMs = 0;
  #roundTripMs: number | undefined;
  #reason = 'not connected yet';

  constructor(parts: CopyLinkParts) {
    this.node = parts.node;
    this.#parts = parts;
    this.#subject = parts.subject;
    this.#awaitLoss();
    this.#awaitLate();
    this.#connect();
  }

  /** Whether it is to be counted on rather than another store. */
  get isReachable(): boolean {
    return this.#isReachable || this.#isOutdated;
  }

  /** Its copy is newer than what is written here: whatever others say, no flush is answered over what is gone here (SOUNDNESS D2). */
  get isOutdated(): boolean {
    return this.#isOutdated;
  }

  /** It may know better than what is written here, and has not said yet. */
  get isToBeHeard(): boolean {
    return this.#isOutdated || (this.#parts.isKnown && !this.#isHeard);
  }

  /** Whether it has everything, or was without something for a short time only. */
  get isTimely(): boolean {
    return this.#isTimely;
  }

  /** Everything up to it is durable there; undefined while nothing is known to be. */
  get durableSequence(): number | undefined {
    return this.#durableSequence;
  }

  /** Undefined before the first answer. */
  get roundTripMs(): number | undefined {
    return this.#roundTripMs;
  }

  /** In one sentence why nothing is durable there; nothing while all is well. For people. */
  get reason(): string {
    return this.#reason;
  }

  /**
   * The image has another top now. Everything of those before is brought there first, as copies, while they are layers: as layers
   * below they would come by their tables alone, and what was durable there be unreadable until the contents had come too. One that
   * has fewer layers below, since they were merged, is offered anew: nobody has them any more for a store that waits for them.
   */
  follow(subject: CopySubject): void {
    if ((this.#next.at(-1) ?? this.#subject) !== subject) {
      this.#next = [...this.#next.filter((one) => !one.isGone()), subject];
      this.#goOn();
    } else if (this.#feed !== undefined && this.#durableSequence === undefined) {
      if (layersBelow(this.#subject.offer()) >= this.#offeredOver) return;
      this.#isAccepted = false;
      this.#again('layers below it were merged');
    }
  }

  close(): void {
    this.#turn++;
    this.#timer?.cancel();
    this.#lost?.cancel();
    this.#late?.cancel();
    this.#end();
  }

  #connect(): void {
    if (this.#subject.isGone()) this.#takeNext();
    const turn = ++this.#turn;
    const isCurrent = (): boolean => turn === this.#turn;
    let feed: CopyFeed | undefined;
    const events = {
      received: (chunk: Uint8Array) => {
        if (isCurrent()) feed?.received(chunk);
      },
      drained: () => {
        if (isCurrent()) feed?.drained();
      },
      closed: () => {
        if (isCurrent()) this.#again('the stream ended');
      },
    };
    this.#dialledMs = this.#parts.clock.nowMs();
    this.#parts.dial(this.node, this.#subject.store.layer, events, 'copies').then(
      (stream) => {
        if (!isCurrent()) return stream.close();
        feed = this.#begin(stream);
        return undefined;
      },
      (error: unknown) => {
        if (isCurrent()) this.#again(messageOf(error));
      },
    );
  }

  #begin(stream: PeerStream): CopyFeed {
    const { clock, followers } = this.#parts;
    const { store, data, traffic } = this.#subject;
    const offer = this.#subject.offer();
    this.#offeredOver = layersBelow(offer);
    const feed = new CopyFeed({
      ...{ store, data, followers, traffic, clock, stream, node: this.node, offer },
      accepted: () => this.#accepted(),
      durable: (sequence) => this.#durable(sequence),
      outdated: () => {
        this.#isHeard = this.#isOutdated = true;
      },
      failed: (reason) => this.#again(reason),
    });
    this.#stream = stream;
    this.#feed = feed;
    this.#dialledMs = clock.nowMs();
    feed.offer();
    return feed;
  }

  #accepted(): void {
    this.#roundTripMs = this.#parts.clock.nowMs() - this.#dialledMs;
    this.#isAccepted = true;
    if (this.#fruitless < FRUITLESS_MAX) this.#found();
    this.#reason = 'catching up';
    this.#parts.changed();
  }

  #found(): void {
    this.#lost?.cancel();
    this.#lost = undefined;
    this.#isReachable = true;
  }

  #durable(sequence: number): void {
    this.#durableSequence = sequence;
    this.#found();
    this.#fruitless = 0;
    this.#isOutdated = false;
    this.#isHeard = true;
    this.#late?.cancel();
    this.#late = undefined;
    this.#isTimely = true;
    this.#reason = '';
    this.#retryMs = RETRY_MIN_MS;
    this.#parts.changed();
    this.#goOn();
  }

  /** To the next newer top, if there is one, and nothing more to be told of this one. */
  #goOn(): void {
    if (this.#next.length === 0 || !(this.#feed?.isSettled === true || this.#subject.isGone())) return;
    this.#takeNext();
    this.#again('');
  }

  #takeNext(): void {
    do this.#subject = this.#next.shift() ?? this.#subject;
    while (this.#next.length > 0 && this.#subject.isGone());
  }

  #again(reason: string): void {
    if (reason !== '') {
      this.#reason = reason;
      const { image, layer } = this.#subject.store;
      this.#parts.log.warn({ image, layer, node: this.node, reason }, 'a copy is offered again');
    }
    this.#turn++;
    this.#timer?.cancel();
    this.#end();
    if (reason !== '' && this.#isAccepted && this.#durableSequence === undefined) this.#fruitless++;
    this.#isAccepted = false;
    this.#durableSequence = undefined;
    if (this.#isReachable && this.#lost === undefined) this.#awaitLoss();
    if (this.#isTimely && this.#late === undefined) this.#awaitLate();
    this.#timer = this.#parts.clock.setTimer(reason === '' ? 0 : this.#retryMs, () => this.#connect());
    if (reason !== '') this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS);
    this.#parts.changed();
  }

  #end(): void {
    const stream = this.#stream;
    this.#feed?.closed();
    this.#feed = undefined;
    this.#stream = undefined;
    stream?.close();
  }

  #awaitLoss(): void {
    this.#lost = this.#parts.clock.setTimer(LOST_MS, () => {
      this.#lost = undefined;
      this.#isReachable = false;
      this.#parts.changed();
    });
  }

  #awaitLate(): void {
    this.#late = this.#parts.clock.setTimer(LOST_MS, () => {
      this.#late = undefined;
      this.#isTimely = false;
      this.#parts.changed();
    });
  }
}

function layersBelow({ stack }: CopyOffer): number {
  return stack.below.length;
}
