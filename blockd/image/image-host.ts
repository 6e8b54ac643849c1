// One image at this node with everything around it: its export, the tables it waits for, its pull. Takes the steps of
// opening, moving and closing in their order; each is safe to repeat after a lost answer.
import type { Clock } from '../../common/clock.ts';
import { OperationError } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { Closing } from '../../wire/contracts/blockd.ts';
import type { SealedLayer } from '../../wire/contracts/layers.ts';
import type { CopyShelf } from '../copies/copy-shelf.ts';
import { ImageCopies } from '../copies/image-copies.ts';
import type { LayerShelf } from '../layers/layer-shelf.ts';
import type { Dial } from '../peer/peer-stream.ts';
import type { EpochEnd } from '../table/block-version.ts';
import { BackgroundPull } from '../transfer/background-pull.ts';
import { FollowedTable, type FollowedTableParts } from '../transfer/followed-table.ts';
import { ImageArrival } from '../transfer/image-arrival.ts';
import { ImagePropagation, type ImagePropagationParts } from '../transfer/image-propagation.ts';
import { PullPace, type SpareProcessor } from '../transfer/pull-pace.ts';
import { FollowerWay } from '../transfer/push-way.ts';
import { StackCompletion } from '../transfer/stack-completion.ts';
import { StandByProof } from '../transfer/stand-by-proof.ts';
import type { Image } from './image.ts';
import { type ImageFigures, showImage } from './image-figures.ts';
import { checkEpoch, isOpen, notWriter, type Opening, type StandBy } from './image-roles.ts';
import { type Serve, ServedImage } from './served-image.ts';
import { cancelled } from './settled-before.ts';

export interface HostParts extends Pick<ImagePropagationParts, 'members' | 'book'> {
  readonly image: Image;
  readonly node: string;
  readonly layers: FollowedTableParts['layers'] & Pick<LayerShelf, 'bring' | 'followers'>;
  readonly kept: Pick<CopyShelf, 'handOver'>;
  readonly clock: Clock;
  readonly dial: Dial;
  readonly log: Log;
  readonly serve: Serve;
  /** Without it background work never stands back. */
  readonly processor?: SpareProcessor;
}

const FENCED = 'a fenced writer gives way; what only it wrote is no part of the image';

/** One image at this node. */
export class ImageHost {
  readonly image: Image;
  readonly propagation: ImagePropagation;
  readonly copies: ImageCopies;
  readonly served: ServedImage;
  readonly #parts: HostParts;
  readonly #pull: BackgroundPull;
  readonly #table: FollowedTable;
  readonly #below: StackCompletion;
  readonly #proof: StandByProof;
  /** The migration for which a role is being taken at this moment. */
  #underWay: string | undefined;
  #interruption = new AbortController();

  constructor(parts: HostParts) {
    this.image = parts.image;
    this.#parts = parts;
    const pace = new PullPace(parts.image, parts.clock, parts.processor);
    this.#pull = new BackgroundPull(parts.image, parts.clock, pace);
    const arrival = new ImageArrival(parts.image);
    this.#table = new FollowedTable({ ...parts, arrival });
    this.#below = new StackCompletion(parts);
    this.#proof = new StandByProof({ image: parts.image, table: this.#table, below: this.#below });
    this.served = new ServedImage(parts);
    this.copies = new ImageCopies(parts);
    const way = new FollowerWay(parts.image, parts.layers.followers);
    const pull = this.#pull;
    this.propagation = new ImagePropagation({ ...parts, way, arrival, pace, pull });
  }

  get name(): string {
    return this.image.store.image;
  }

  get table(): Pick<FollowedTable, 'mayHearCopy' | 'hearCopy'> {
    return this.#table;
  }

  /** Goes on where the daemon stopped. */
  async resume(): Promise<void> {
    const { role, from, verified } = this.image.store.state;
    if (!isOpen(role)) return;
    await this.served.begin();
    if (role === 'standby' && from !== null && !verified) this.#table.follow(from.node);
    this.#below.begin(from?.node ?? '');
    if (role !== 'standby') this.propagation.begin();
  }

  /** The image's layers below are these, which say the same as before. @throws Error of the disk */
  async restack(below: readonly SealedLayer[]): Promise<void> {
    if (JSON.stringify(below) === JSON.stringify(this.image.store.state.below)) return;
    await this.image.restack(below);
    this.#below.renew();
  }

  /** A layer below that was not to be had may be now. */
  completeAgain(): void {
    const { role, from } = this.image.store.state;
    if (isOpen(role) && !this.image.isWhole) this.#below.begin(from?.node ?? '');
  }

  /** A writer whose epoch was closed elsewhere gives way to a newer one. @throws OperationError IMAGE_OPEN, EPOCH_ENDED */
  async giveWay(epoch: number): Promise<void> {
    await this.#fenceIfOpen(epoch);
    checkEpoch(this.image.store.state, epoch);
  }

  /** A writer whose epoch is over, as the catalogue says, gives way; false, and nothing is done, while a client has it. */
  async giveWayUnused(why: string): Promise<boolean> {
    const { role, epoch } = this.image.store.state;
    if (role !== 'writer') return true;
    if (this.served.connections > 0) return false;
    this.#parts.log.warn({ image: this.name, epoch, why }, FENCED);
    await this.cancel();
    return true;
  }

  /** @throws OperationError IMAGE_OPEN, EPOCH_ENDED, TABLE_DIFFERS, CANCELLED */
  async open(opening: Opening, signal: AbortSignal): Promise<string> {
    const { role, epoch: ownEpoch } = this.image.store.state;
    if (role === 'writer' && ownEpoch === opening.epoch) return this.served.begin();
    const ends = await this.#bring(opening, signal);
    await this.image.open(opening.epoch, opening.last, null, ends);
    this.propagation.takeOver();
    this.propagation.begin();
    return this.served.begin();
  }

  /** Its tables are here as they were closed, for somebody who reads it. @throws as `open` */
  async rest(opening: Opening, signal: AbortSignal): Promise<void> {
    await this.image.rest(opening.last, await this.#bring(opening, signal));
  }

  async #bring({ epoch, last, from }: Opening, signal: AbortSignal): Promise<readonly EpochEnd[]> {
    const end = this.#endOf(signal);
    await this.giveWay(epoch);
    const ends = await this.#table.fetch(last, from.node, end);
    await this.#below.complete(from.node, end);
    return ends;
  }

  /** Whether the image has the role for the migration, durably or soon. */
  isIn(role: 'standby' | 'frozen', migration: string): boolean {
    const { state } = this.image.store;
    return this.#underWay === migration || (state.role === role && state.migration === migration);
  }

  /** Serves, and begins to follow the writer's table. @throws OperationError IMAGE_OPEN, EPOCH_ENDED, CANCELLED */
  standBy(order: StandBy, signal: AbortSignal): Promise<string> {
    return this.#during(order.migration, () => this.#standBy(order, this.#endOf(signal)));
  }

  async #standBy({ migration, epoch, from }: StandBy, end: AbortSignal): Promise<string> {
    const { state } = this.image.store;
    if (state.role !== 'standby' || state.migration !== migration) {
      await this.giveWay(epoch);
      await this.image.standBy(epoch, migration, from);
    }
    const path = await this.served.begin();
    if (end.aborted) throw cancelled(`the table of image ${this.name} was given up`);
    // Told again after it was verified it hears nothing more: what comes then would be taken over its own writes.
    if (!this.image.store.state.verified) this.#table.follow(from.node);
    this.#below.begin(from.node);
    return path;
  }

  /**
   * Follows the writer's table ahead of any migration, so that blocks can be pushed here: for some minutes, unless it is
   * said again. An image that is open here stays as it is. @throws OperationError EPOCH_ENDED
   */
  followAhead(source: string, epoch: number): void {
    const { state } = this.image.store;
    if (state.role !== 'replica') return;
    checkEpoch(state, epoch);
    this.#table.followAhead(source, epoch);
    if (!this.image.isWhole && !this.#below.isRunning) this.#below.begin(source);
  }

  /** Ends that, if it is so. */
  followNoMore(): void {
    if (this.image.store.state.role === 'replica') this.#endWaits();
  }

  /** Answers once the writer's table and the layers below are here. @throws OperationError NOT_FOLLOWING, CANCELLED */
  ready(signal: AbortSignal): Promise<void> {
    return this.#proof.ready(this.#endOf(signal));
  }

  /** Ends a wait for another store's table, so that the next step need not wait for it. */
  interrupt(): void {
    this.#interruption.abort();
    this.#interruption = new AbortController();
  }

  async cancel(): Promise<void> {
    this.propagation.end();
    this.#endWaits();
    await this.image.abandon();
    await this.served.end();
  }

  /** Whether the table equals the closing, and durably so, within the time; else in one sentence why not. */
  verify(closing: Closing, signal: AbortSignal): Promise<string> {
    return this.#proof.verify(closing, signal);
  }

  /** The verified stand-by writes from now on. @throws OperationError NOT_VERIFIED */
  async activate(migration: string): Promise<void> {
    const { state } = this.image.store;
    if (state.role === 'writer' && state.migration === migration) return;
    const last = this.#proof.verified(migration);
    this.#table.end();
    await this.image.open(state.epoch, last, migration);
    this.propagation.begin(state.from?.node);
    await this.served.begin();
  }

  /** @throws OperationError NOT_WRITER */
  async freeze(migration: string): Promise<Closing> {
    const { role, migration: frozenFor } = this.image.store.state;
    if (role !== 'writer' && !(role === 'frozen' && frozenFor === migration))
      throw notWriter('freeze', this.image.store.state);
    return this.#during(migration, () => this.image.freeze(migration));
  }

  thaw(): Promise<void> {
    return this.image.thaw();
  }

  async release(): Promise<void> {
    await this.image.end();
    this.propagation.end();
    await this.served.end();
  }

  /**
   * Ends the epoch, or says again how it ended; undefined when this store never had it.
   * @throws OperationError NOT_WRITER, IMAGE_IN_USE, STORE_FAILED
   */
  async close(epoch: number): Promise<Closing | undefined> {
    const { failure, state } = this.image.store;
    if (failure !== undefined) throw failure;
    if (state.role === 'replica' && state.closing?.epoch === epoch) return state.closing;
    if (state.epoch < epoch) return undefined;
    if (state.role !== 'writer' || state.epoch !== epoch) throw notWriter('close', state, epoch);
    await this.served.clientsGone();
    const last = await this.image.end();
    this.propagation.end();
    await this.served.end();
    return last;
  }

  /** It has another size: what was sized by the old one begins anew, and clients that come see it. */
  grow(): void {
    this.propagation.end();
    this.#pull.renew();
    this.propagation.begin();
    this.served.grow();
  }

  setPullRate(bytesPerSecond: number): void {
    this.#pull.setRate(bytesPerSecond);
  }

  /** Ends everything but keeps the role: the daemon stops, or another layer becomes the top. */
  async stop(): Promise<void> {
    this.#pull.setRate(0);
    this.propagation.end();
    this.#endWaits();
    await this.served.end();
    this.image.gate.set('ended');
  }

  show(): ImageFigures {
    return { ...showImage(this.image, (layer) => this.#parts.layers.trafficOf(layer)), ...this.copies.show() };
  }

  #endWaits(): void {
    this.#table.end();
    this.#below.end();
  }

  async #during<T>(migration: string, step: () => Promise<T>): Promise<T> {
    this.#underWay = migration;
    try {
      return await step();
    } finally {
      this.#underWay = undefined;
    }
  }

  /** The caller's end of a wait, or an `interrupt` from now on. */
  #endOf(signal: AbortSignal): AbortSignal {
    return AbortSignal.any([signal, this.#interruption.signal]);
  }

  /** A writer whose epoch was closed elsewhere gives way; one that may still write does not. */
  async #fenceIfOpen(granted: number): Promise<void> {
    const { role, epoch } = this.image.store.state;
    if (!isOpen(role)) return;
    if (role === 'standby') {
      await this.cancel();
      return;
    }
    if (granted <= epoch + 1) {
      throw new OperationError('IMAGE_OPEN', `image ${this.name} is open for writing here under epoch ${epoch}`, {
        remedy: 'Close it first.',
      });
    }
    this.#parts.log.warn({ image: this.name, epoch, granted }, FENCED);
    await this.cancel();
  }
}
