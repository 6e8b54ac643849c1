// The wait for another store's table of an image's top layer: whom it is heard from, whether it has come, why not. What
// follows from it is decided elsewhere.
import type { Clock, Timer } from '../../common/clock.ts';
import { OperationError } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { Closing } from '../../wire/contracts/blockd.ts';
import type { FillingLayers } from '../copies/copy-filling.ts';
import type { CopyShelf } from '../copies/copy-shelf.ts';
import { KeptFollower } from '../copies/kept-follower.ts';
import { wasWhole } from '../copies/whole-copy.ts';
import type { Image } from '../image/image.ts';
import { cancelled, settledBefore } from '../image/settled-before.ts';
import type { LayerShelf } from '../layers/layer-shelf.ts';
import { FollowLink } from '../peer/follow-link.ts';
import type { Dial } from '../peer/peer-stream.ts';
import { sameTable, type TableSource } from '../peer/table-follower.ts';
import { waitsAt } from '../propagation/flush-rule.ts';
import type { EpochEnd } from '../table/block-version.ts';
import type { ImageArrival } from './image-arrival.ts';
import type { PropagationBook } from './propagation-book.ts';
import { PushedBlocks } from './pushed-blocks.ts';

/** A replica that is told no more to follow the writer goes on so long: a controller may be away meanwhile. */
const FOLLOW_MS = 900_000;

export interface FollowedTableParts {
  readonly image: Image;
  /** Hears of what comes before the image does. */
  readonly arrival: ImageArrival;
  /** This node's name. */
  readonly node: string;
  readonly layers: FillingLayers & Pick<LayerShelf, 'records'>;
  readonly book: Pick<PropagationBook, 'of'>;
  readonly kept: Pick<CopyShelf, 'handOver'>;
  readonly dial: Dial;
  readonly clock: Clock;
  readonly log: Log;
}

/** A stream of the table's own, or the one on which a copy is kept here. */
interface TableLink {
  readonly follower: TableSource;
  readonly reason: string;
  tellComing(): void;
  close(): void;
}

/** Whose table is followed, and how. */
interface Following {
  readonly source: string;
  readonly epochMin: number;
  readonly link: TableLink;
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
   * writer any more. A copy that has everything is heard instead; when it ends, a stream of its own follows.
   */
  follow(source: string, epochMin = 0): void {
    this.#lapse?.cancel();
    if (this.#following?.source === source) {
      this.#following.link.tellComing();
      return;
    }
    this.end();
    this.#begin(source, epochMin);
  }

  #begin(source: string, epochMin: number): void {
    const { image, kept } = this.#parts;
    const keeper = kept.handOver(image.store.layer, source);
    const link: TableLink =
      keeper === undefined
        ? this.#ownStream(source, epochMin)
        : {
            follower: keeper,
            reason: '',
            tellComing: () => keeper.tellComing(this.#taker),
            close: () => keeper.close(),
          };
    if (keeper !== undefined) link.tellComing();
    this.#following = { source, epochMin, link };
    void keeper?.ended.then(() => {
      if (this.#link === link) this.#begin(source, epochMin);
    });
  }

  /** Where a copy is counted on, its names come with their contents on a stream of the table's own too. */
  #ownStream(source: string, epochMin: number): TableLink {
    const { image, layers, dial, clock, log } = this.#parts;
    const { store } = image;
    const equalUpTo = this.#heard?.equalUpTo;
    const around = { source, dial, clock, log };
    const tableTaker = (failed: (reason: string) => void): KeptFollower =>
      new KeptFollower({ ...around, layer: image.stack.top, layers, equalUpTo, failed });
    const traffic = layers.trafficOf(store.layer);
    const link = new FollowLink({
      ...{ ...around, store, epochMin, equalUpTo, traffic, taker: this.#taker },
      tableTaker: this.#isCountedOn ? tableTaker : undefined,
    });
    return {
      follower: link.follower,
      get reason() {
        return link.reason;
      },
      tellComing: () => link.tellComing(),
      close: () => link.close(),
    };
  }

  /** Whether flushes may have been answered for what is here: it was a whole copy, and the image has copies. */
  get #isCountedOn(): boolean {
    const { image, layers, book } = this.#parts;
    const { store } = image;
    const isCopied =
      waitsAt(book.of(store.image).policy) !== 'nothing' || layers.records.copiesOfStore(store, true) > 1;
    return isCopied && wasWhole(store);
  }

  /** As `follow`, for some minutes unless it is said again. */
  followAhead(source: string, epochMin: number): void {
    this.follow(source, epochMin);
    this.#lapse = this.#parts.clock.setTimer(FOLLOW_MS, () => this.end());
  }

  /** Whether a stand-by hears this layer from the node, and has been a whole copy of it: it may be one again. */
  mayHearCopy(layer: string, source: string): boolean {
    const { store } = this.#parts.image;
    const isHeard = store.layer === layer && this.#following?.source === source;
    return isHeard && store.state.role === 'standby' && wasWhole(store);
  }

  /** A copy of what it hears is kept here from now on: it is heard instead of a stream of the table's own. */
  hearCopy(source: string): void {
    const following = this.#following;
    if (following?.source !== source) return;
    this.end();
    this.#begin(source, following.epochMin);
  }

  end(): void {
    this.#lapse?.cancel();
    const link = this.#link;
    if (link !== undefined) this.#heard = { ends: link.follower.ends, equalUpTo: link.follower.afterSequence };
    link?.close();
    this.#following = undefined;
  }

  get #link(): TableLink | undefined {
    return this.#following?.link;
  }

  /** Answers once the writer's table is here. @throws OperationError NOT_FOLLOWING, CANCELLED */
  async ready(end: AbortSignal): Promise<void> {
    if (this.#link === undefined) {
      throw new OperationError('NOT_FOLLOWING', `image ${this.#image} follows nobody here`, {
        remedy: 'Start the stand-by first.',
      });
    }
    await this.#until((table) => table.isEqual, end);
  }

  /** In one sentence why the table does not equal the closing within the time; nothing when it does. */
  async difference(closing: Closing, signal: AbortSignal): Promise<string> {
    for (;;) {
      const link = this.#link;
      if (link === undefined) return `image ${this.#image} follows nobody here`;
      if (link.follower.equals(closing)) return '';
      if (await settledBefore(signal, link.follower.marked())) continue;
      const own = this.#parts.image.store.table.mark;
      const reason = link.reason === '' ? 'no newer changes came' : link.reason;
      return `image ${this.#image} is at sequence ${own.lastSequence} of ${closing.lastSequence} with ${own.entries} entries of ${closing.entries}: ${reason}`;
    }
  }

  /** Gets the table that a closing describes, and how earlier epochs ended. @throws OperationError TABLE_DIFFERS, CANCELLED */
  async fetch(last: Closing, source: string, end: AbortSignal): Promise<readonly EpochEnd[]> {
    this.end();
    if (sameTable(this.#parts.image.store.table.mark, last)) return this.ends;
    if (source === this.#parts.node) {
      throw new OperationError(
        'TABLE_DIFFERS',
        `image ${this.#image} here is not what epoch ${last.epoch} closed with`,
        {
          remedy: 'Restore it from another store or a recovery point.',
        },
      );
    }
    this.follow(source);
    try {
      return (await this.#until((table) => table.equals(last), end)).ends;
    } finally {
      this.end();
    }
  }

  get #image(): string {
    return this.#parts.image.store.image;
  }

  async #until(isReached: (table: TableSource) => boolean, end: AbortSignal): Promise<TableSource> {
    for (;;) {
      const link = this.#link;
      if (link === undefined) throw cancelled(`the table of image ${this.#image} is not waited for any more`);
      if (isReached(link.follower)) return link.follower;
      if (await settledBefore(end, link.follower.marked())) continue;
      throw cancelled(`the table of image ${this.#image} did not come in time: ${link.reason}`);
    }
  }
}
