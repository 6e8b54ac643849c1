// Fetches what is missing here while nobody asks for it, at a stated rate, until the image depends on no other node; first
// what was read most where the image comes from, as far as that is known. Never faster than the rate, never more under way
// than the path takes without a queue, and never ahead of what a guest waits for (its lane is another). What was not used
// where the image comes from helps no guest soon: it stands back behind the guest's own work (`pull-pace.ts`).
import type { Clock, Timer } from '../../common/clock.ts';
import { missingIn } from '../image/block-range.ts';
import type { Image } from '../image/image.ts';
import { PullOrder, type PullRange } from '../propagation/pull-order.ts';
import { BLOCK_BYTES } from '../table/block-version.ts';
import type { PullPace } from './pull-pace.ts';
import { PullWindow, requestBlocks } from './pull-window.ts';

/** What an idle pull may send at once when it goes on, in ms of its rate. */
const BURST_MS = 200;
/** How soon it looks again after blocks turned out lost, or the image was no writer's. */
const LATER_MS = 5_000;

/** The pull of one image. */
export class BackgroundPull {
  readonly #image: Image;
  readonly #clock: Clock;
  #bytesPerMs = 0;
  #creditBytes = 0;
  #creditedMs = 0;
  readonly #window: PullWindow;
  readonly #pace: Pick<PullPace, 'share'>;
  #order: PullOrder;
  #isThrough = false;
  #timer: Timer | undefined;

  constructor(image: Image, clock: Clock, pace: Pick<PullPace, 'share'>) {
    this.#image = image;
    this.#clock = clock;
    this.#pace = pace;
    this.#window = new PullWindow(clock);
    this.#order = new PullOrder(image.store.blocks);
  }

  /** From now on these regions come first (`decodeHeat`). */
  prefer(hottest: Uint32Array): void {
    this.#order = new PullOrder(this.#image.store.blocks, hottest);
  }

  /** The image has another size. */
  renew(): void {
    this.#order = new PullOrder(this.#image.store.blocks);
  }

  /** 0 pauses; blocks that are under way still come. */
  setRate(bytesPerSecond: number): void {
    this.#timer?.cancel();
    this.#bytesPerMs = bytesPerSecond / 1000;
    this.#creditedMs = this.#clock.nowMs();
    this.#creditBytes = 0;
    this.#isThrough = false;
    this.#order.restart();
    this.#step();
  }

  /** Whether it has not been through everything yet since it was given its rate. */
  get isUnderWay(): boolean {
    return this.#bytesPerMs > 0 && !this.#isThrough;
  }

  #step(): void {
    this.#timer?.cancel();
    if (this.#bytesPerMs === 0) return;
    if (!this.#image.gate.mayChange) {
      this.#wait(LATER_MS);
      return;
    }
    this.#addCredit();
    while (this.#mayAsk && this.#creditBytes > 0) if (!this.#fetchNext()) return;
    if (this.#mayAsk) this.#wait(Math.ceil(1 - this.#creditBytes / this.#bytesPerMs));
  }

  get #mayAsk(): boolean {
    return this.#window.mayAsk(this.#image.isWaiting);
  }

  /** False when nothing is missing from the cursor on; the pull then ends, or begins anew after losses. */
  #fetchNext(): boolean {
    const { stack, store } = this.#image;
    const countMax = requestBlocks(this.#bytesPerMs * 1_000);
    const range = this.#order.next((from, end) => stack.nextMissing(from, end, 1)?.first, countMax);
    if (range === undefined) {
      this.#isThrough = true;
      const rest = stack.nextMissing(0, store.blocks, 1);
      this.#order.restart();
      if (rest !== undefined && this.#window.underWayBytes === 0) this.#wait(LATER_MS);
      if (rest === undefined) store.flush()?.catch(() => store.failure);
      return false;
    }
    this.#fetch(range);
    return true;
  }

  /** What fails is looked for again once the rest has been gone through. */
  #fetch({ first, end, isHot }: PullRange): void {
    const { stack } = this.#image;
    const bytes = missingIn(stack, first, end) * BLOCK_BYTES;
    this.#creditBytes -= isHot ? bytes : bytes / this.#pace.share;
    const step = (): void => this.#step();
    this.#window
      .during(bytes, !stack.isAsked(first, end), () => this.#image.fetch(first, end, 'background'))
      .then(step, step);
  }

  #addCredit(): void {
    const nowMs = this.#clock.nowMs();
    const earned = (nowMs - this.#creditedMs) * this.#bytesPerMs;
    this.#creditBytes = Math.min(this.#creditBytes + earned, BURST_MS * this.#bytesPerMs);
    this.#creditedMs = nowMs;
  }

  #wait(ms: number): void {
    this.#timer?.cancel();
    this.#timer = this.#clock.setTimer(Math.max(1, ms), () => this.#step());
  }
}
