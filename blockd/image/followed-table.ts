// The wait for another store's table of an image's top layer: whom it is heard from, whether it has come, why not. What
// follows from it is decided elsewhere.
import type { Clock, Timer } from '../../common/clock.ts';
import { OperationError } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { Closing } from '../../wire/contracts/blockd.ts';
import { FollowLink } from '../peer/follow-link.ts';
import type { Dial } from '../peer/peer-stream.ts';
import type { EpochEnd } from '../table/block-version.ts';
import type { Image } from './image.ts';
import type { ImageArrival } from './image-arrival.ts';
import type { LayerShelf } from './layer-shelf.ts';
import { PushedBlocks } from './pushed-blocks.ts';
import { cancelled, settledBefore } from './settled-before.ts';

/** A replica that is told no more to follow the writer goes on so long: a controller may be away meanwhile. */
const FOLLOW_MS = 900_000;

export interface FollowedTableParts {
  readonly image: Image;
  /** Hears of what comes before the image does. */
  readonly arrival: ImageArrival;
  /** This node's name. */
  readonly node: string;
  readonly layers: Pick<LayerShelf, 'trafficOf'>;
  readonly dial: Dial;
  readonly clock: Clock;
  readonly log: Log;
}

/** Whose table is followed, and why. */
interface Following {
  readonly source: string;
  readonly link: FollowLink;
}

/** One image's table as another store has it. */
export class FollowedTable {
  readonly #parts: FollowedTableParts;
  readonly #taker: PushedBlocks;
  #lapse: Timer | undefined;
  #following: Following | undefined;
  /** What the last source that was followed told before it was left. */
  #heard: { readonly ends: readonly EpochEnd[]; readonly equalUpTo: number | undefined } | undefined;

  constructor(parts: FollowedTableParts) {
    this.#parts = parts;
    this.#taker = new PushedBlocks(parts.image, parts.arrival);
  }

  /** How earlier epochs ended, as a source said that was followed since the start. */
  get ends(): readonly EpochEnd[] {
    return this.#link?.follower.ends ?? this.#heard?.ends ?? [];
  }

  /**
   * Follows the node's table, unless it does already; what it offers is taken. `epochMin`: under an older one it is no
   * writer any more.
   */
  follow(source: string, epochMin = 0): FollowLink {
    const { image, layers, dial, clock, log } = this.#parts;
    const { store } = image;
    this.#lapse?.cancel();
    if (this.#following?.source === source) {
      this.#following.link.tellComing();
      return this.#following.link;
    }
    this.end();
    const around = { dial, clock, log, traffic: layers.trafficOf(store.layer), taker: this.#taker };
    const link = new FollowLink({ store, source, epochMin, equalUpTo: this.#heard?.equalUpTo, ...around });
    this.#following = { source, link };
    return link;
  }

  /** As `follow`, for some minutes unless it is said again. */
  followAhead(source: string, epochMin: number): void {
    this.follow(source, epochMin);
    this.#lapse = this.#parts.clock.setTimer(FOLLOW_MS, () => this.end());
  }

  end(): void {
    this.#lapse?.cancel();
    const link = this.#link;
    link?.close();
    if (link !== undefined) this.#heard = { ends: link.follower.ends, equalUpTo: link.follower.afterSequence };
    this.#following = undefined;
  }

  get #link(): FollowLink | undefined {
    return this.#following?.link;
  }

  /** Answers once the writer's table is here. @throws OperationError NOT_FOLLOWING, CANCELLED */
  async ready(end: AbortSignal): Promise<void> {
    const link = this.#link;
    if (link === undefined) {
      throw new OperationError('NOT_FOLLOWING', `image ${this.#image} follows nobody here`, {
        remedy: 'Start the stand-by first.',
      });
    }
    await this.#until(link, () => link.follower.isEqual, end);
  }

  /** In one sentence why the table does not equal the closing within the time; nothing when it does. */
  async difference(closing: Closing, signal: AbortSignal): Promise<string> {
    const link = this.#link;
    if (link === undefined) return `image ${this.#image} follows nobody here`;
    while (!link.follower.equals(closing)) {
      if (await settledBefore(signal, link.follower.marked())) continue;
      const own = this.#parts.image.store.table.mark;
      const reason = link.reason === '' ? 'no newer changes came' : link.reason;
      return `image ${this.#image} is at sequence ${own.lastSequence} of ${closing.lastSequence} with ${own.entries} entries of ${closing.entries}: ${reason}`;
    }
    return '';
  }

  /** Gets the table that a closing describes, and how earlier epochs ended. @throws OperationError TABLE_DIFFERS, CANCELLED */
  async fetch(last: Closing, source: string, end: AbortSignal): Promise<readonly EpochEnd[]> {
    if (source === this.#parts.node) {
      throw new OperationError(
        'TABLE_DIFFERS',
        `image ${this.#image} here is not what epoch ${last.epoch} closed with`,
        {
          remedy: 'Restore it from another store or a recovery point.',
        },
      );
    }
    const link = this.follow(source);
    try {
      await this.#until(link, () => link.follower.equals(last), end);
      return link.follower.ends;
    } finally {
      this.end();
    }
  }

  get #image(): string {
    return this.#parts.image.store.image;
  }

  async #until(link: FollowLink, isReached: () => boolean, end: AbortSignal): Promise<void> {
    while (!isReached()) {
      if (await settledBefore(end, link.follower.marked())) continue;
      throw cancelled(`the table of image ${this.#image} did not come in time: ${link.reason}`);
    }
  }
}
