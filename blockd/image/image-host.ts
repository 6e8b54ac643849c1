// One image at this node with everything around it: its export, the stream it follows, its pull. Takes the steps of
// opening, moving and closing in their order; each is safe to repeat after a lost answer.
import type { Clock } from '../../common/clock.ts';
import { OperationError } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { Closing, StoreImage } from '../../wire/contracts/blockd.ts';
import type { Endpoint } from '../../wire/names.ts';
import type { NbdDevice } from '../nbd/nbd-device.ts';
import { FollowLink } from '../peer/follow-link.ts';
import type { Dial } from '../peer/peer-stream.ts';
import { sameTable } from '../peer/table-follower.ts';
import type { Traffic } from '../peer/traffic.ts';
import type { EpochEnd } from '../table/block-version.ts';
import { BackgroundPull } from './background-pull.ts';
import type { Image } from './image.ts';
import { deviceOf } from './image-device.ts';

/** A running export; the real one is a unix socket. */
export interface ImageExport {
  readonly path: string;
  readonly connections: number;
  close(): Promise<void>;
}

export interface HostParts {
  readonly image: Image;
  readonly node: string;
  readonly traffic: Traffic;
  readonly clock: Clock;
  readonly dial: Dial;
  readonly log: Log;
  /** Starts the export of a device. */
  readonly serve: (device: NbdDevice, name: string, bytes: number) => Promise<ImageExport>;
}

/** How long a close waits for the export's clients to go. */
const CLIENTS_GONE_MS = 10_000;
const POLL_MS = 50;

/** A granted opening for writing. */
export interface Opening {
  readonly epoch: number;
  readonly last: Closing;
  readonly from: Endpoint;
}

/** A granted stand-by. */
export interface StandBy {
  readonly migration: string;
  readonly epoch: number;
  readonly from: Endpoint;
}

/** One image at this node. */
export class ImageHost {
  readonly image: Image;
  readonly traffic: Traffic;
  readonly #parts: HostParts;
  readonly #pull: BackgroundPull;
  #export: ImageExport | undefined;
  #link: FollowLink | undefined;
  /** The migration for which a role is being taken at this moment. */
  #underWay: string | undefined;
  #interruption = new AbortController();

  constructor(parts: HostParts) {
    this.image = parts.image;
    this.traffic = parts.traffic;
    this.#parts = parts;
    this.#pull = new BackgroundPull(parts.image, parts.clock);
  }

  get name(): string {
    return this.image.store.image;
  }

  /** Goes on where the daemon stopped. */
  async resume(): Promise<void> {
    const { role, from, verified } = this.image.store.state;
    if (role === 'replica') return;
    await this.#serve();
    if (role === 'standby' && from !== null && !verified) this.#follow(from);
  }

  /** @throws OperationError IMAGE_OPEN, EPOCH_ENDED, TABLE_DIFFERS, CANCELLED */
  async open({ epoch, last, from }: Opening, signal: AbortSignal): Promise<string> {
    const { role, epoch: ownEpoch } = this.image.store.state;
    if (role === 'writer' && ownEpoch === epoch) return this.#serve();
    const end = this.#endOf(signal);
    await this.#fenceIfOpen(epoch);
    this.#checkEpoch(epoch);
    const ends = sameTable(this.image.store.table.mark, last) ? [] : await this.#fetchTable(last, from, end);
    await this.image.open(epoch, last, null, ends);
    return this.#serve();
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
      await this.#fenceIfOpen(epoch);
      this.#checkEpoch(epoch);
      await this.image.standBy(epoch, migration, from);
    }
    const path = await this.#serve();
    if (end.aborted) throw this.#cancelled('was given up');
    if (this.#link === undefined) this.#follow(from);
    return path;
  }

  /** Answers once the writer's table is here. @throws OperationError NOT_FOLLOWING, CANCELLED */
  async ready(signal: AbortSignal): Promise<void> {
    if (this.image.store.state.verified) return;
    const link = this.#link;
    if (link === undefined) {
      throw new OperationError('NOT_FOLLOWING', `image ${this.name} follows nobody here`, {
        remedy: 'Start the stand-by first.',
      });
    }
    await this.#until(link, () => link.follower.isEqual, this.#endOf(signal));
  }

  /** Ends a wait for another store's table, so that the next step need not wait for it. */
  interrupt(): void {
    this.#interruption.abort();
    this.#interruption = new AbortController();
  }

  async cancel(): Promise<void> {
    this.#unfollow();
    await this.image.abandon();
    await this.#unserve();
  }

  /** Whether the table equals the closing, and durably so, within the time; else in one sentence why not. */
  async verify(closing: Closing, signal: AbortSignal): Promise<string> {
    const { state, table } = this.image.store;
    if (state.role !== 'standby') return `image ${this.name} is a ${state.role} here, not a stand-by`;
    if (state.verified && state.closing !== null && sameTable(table.mark, closing)) return '';
    if (closing.epoch >= state.epoch) return `image ${this.name}: epoch ${closing.epoch} is not before ${state.epoch}`;
    const link = this.#link;
    if (link === undefined) return `image ${this.name} follows nobody here`;
    while (!link.follower.equals(closing)) {
      if (!(await settledBefore(signal, link.follower.marked()))) return this.#difference(closing, link);
    }
    this.#unfollow();
    await this.image.verified(closing);
    return '';
  }

  /** The verified stand-by writes from now on. @throws OperationError NOT_VERIFIED */
  async activate(migration: string): Promise<void> {
    const { state, table } = this.image.store;
    if (state.role === 'writer' && state.migration === migration) return;
    const { closing, verified, role } = state;
    if (role !== 'standby' || !verified || closing === null || !sameTable(table.mark, closing)) {
      throw new OperationError('NOT_VERIFIED', `image ${this.name} was not verified for migration ${migration}`, {
        remedy: 'Verify it against the closings that the source released.',
      });
    }
    await this.image.open(state.epoch, closing, migration);
    await this.#serve();
  }

  /** @throws OperationError NOT_WRITER */
  async freeze(migration: string): Promise<Closing> {
    const { role, migration: frozenFor } = this.image.store.state;
    if (role !== 'writer' && !(role === 'frozen' && frozenFor === migration)) throw this.#notWriter('freeze');
    return this.#during(migration, () => this.image.freeze(migration));
  }

  thaw(): Promise<void> {
    return this.image.thaw();
  }

  async release(): Promise<void> {
    await this.image.end();
    await this.#unserve();
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
    if (state.role !== 'writer' || state.epoch !== epoch) throw this.#notWriter('close', epoch);
    await this.#clientsGone();
    const last = await this.image.end();
    await this.#unserve();
    return last;
  }

  setPullRate(bytesPerSecond: number): void {
    this.#pull.setRate(bytesPerSecond);
  }

  /** Ends everything but keeps the role: the daemon stops. */
  async stop(): Promise<void> {
    this.#pull.setRate(0);
    this.#unfollow();
    await this.#unserve();
    this.image.gate.set('ended');
    await this.image.store.close();
  }

  show(): StoreImage {
    const { store } = this.image;
    const { entries, lastSequence, digest } = store.table.mark;
    const { local, elsewhere } = store.table.census();
    const { role, epoch } = store.state;
    return {
      ...{ image: this.name, bytes: store.bytes, role, epoch, lastSequence, digest },
      writtenBlocks: entries,
      localBlocks: local,
      dependsOn: Array.from(elsewhere, ([holder, blocks]) => ({ node: store.holderName(holder) || 'unknown', blocks })),
      counters: {
        ...this.image.counters,
        fetchedOnDemandBlocks: this.image.fetchedBlocks.demand,
        fetchedInBackgroundBlocks: this.image.fetchedBlocks.background,
        spoiltBlocks: store.file.spoiltBlocks,
        ...this.traffic,
      },
    };
  }

  async #serve(): Promise<string> {
    if (this.#export === undefined) {
      const { store } = this.image;
      this.#export = await this.#parts.serve(deviceOf(this.image), this.name, store.bytes);
    }
    return this.#export.path;
  }

  async #unserve(): Promise<void> {
    const running = this.#export;
    this.#export = undefined;
    await running?.close();
  }

  #follow(from: Endpoint): FollowLink {
    const { dial, clock, traffic, log } = this.#parts;
    this.#link = new FollowLink({ store: this.image.store, source: from.node, dial, clock, traffic, log });
    return this.#link;
  }

  #unfollow(): void {
    this.#link?.close();
    this.#link = undefined;
  }

  async #fetchTable(last: Closing, from: Endpoint, end: AbortSignal): Promise<readonly EpochEnd[]> {
    if (from.node === this.#parts.node) {
      throw new OperationError('TABLE_DIFFERS', `image ${this.name} here is not what epoch ${last.epoch} closed with`, {
        remedy: 'Restore it from another store or a recovery point.',
      });
    }
    const link = this.#follow(from);
    try {
      await this.#until(link, () => link.follower.equals(last), end);
      return link.follower.ends;
    } finally {
      this.#unfollow();
    }
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

  async #until(link: FollowLink, isReached: () => boolean, end: AbortSignal): Promise<void> {
    while (!isReached()) {
      if (!(await settledBefore(end, link.follower.marked()))) {
        throw this.#cancelled(`did not come in time: ${link.reason}`);
      }
    }
  }

  #cancelled(how: string): OperationError {
    return new OperationError('CANCELLED', `the table of image ${this.name} ${how}`, {
      remedy: 'Look at the node it comes from and at the link to it.',
    });
  }

  #difference(closing: Closing, link: FollowLink): string {
    const own = this.image.store.table.mark;
    const reason = link.reason === '' ? 'no newer changes came' : link.reason;
    return `image ${this.name} is at sequence ${own.lastSequence} of ${closing.lastSequence} with ${own.entries} entries of ${closing.entries}: ${reason}`;
  }

  /** An epoch that ended, or that is not beyond every ended one, can write nothing any more (promise S4). */
  #checkEpoch(epoch: number): void {
    const newest = this.image.store.state.ends.reduce((most, end) => Math.max(most, end.epoch), -1);
    if (epoch > newest) return;
    throw new OperationError(
      'EPOCH_ENDED',
      `image ${this.name}: epoch ${epoch} is not after ${newest}, which has ended`,
      {
        remedy: 'Ask the catalogue for a new epoch.',
      },
    );
  }

  /** A writer whose epoch was closed elsewhere gives way; one that may still write does not. */
  async #fenceIfOpen(granted: number): Promise<void> {
    const { role, epoch } = this.image.store.state;
    if (role === 'replica') return;
    if (role === 'standby') {
      await this.cancel();
      return;
    }
    if (granted <= epoch + 1) {
      throw new OperationError('IMAGE_OPEN', `image ${this.name} is open for writing here under epoch ${epoch}`, {
        remedy: 'Close it first.',
      });
    }
    this.#parts.log.warn({ image: this.name, epoch, granted }, 'a fenced writer gives way; what only it wrote is lost');
    await this.cancel();
  }

  async #clientsGone(): Promise<void> {
    const { clock } = this.#parts;
    const deadlineMs = clock.nowMs() + CLIENTS_GONE_MS;
    while ((this.#export?.connections ?? 0) > 0) {
      if (clock.nowMs() > deadlineMs) {
        throw new OperationError('IMAGE_IN_USE', `image ${this.name} still has a client`, {
          remedy: 'Stop the machine that uses it.',
        });
      }
      await new Promise<void>((resolve) => clock.setTimer(POLL_MS, resolve));
    }
  }

  #notWriter(operation: string, asked?: number): OperationError {
    const { role, epoch } = this.image.store.state;
    const under = asked === undefined ? '' : ` under epoch ${asked}`;
    return new OperationError(
      'NOT_WRITER',
      `cannot ${operation} image ${this.name}${under}: it is a ${role} of epoch ${epoch} here`,
      {
        remedy: 'Ask the catalogue which node writes it.',
      },
    );
  }
}

/** Whether the promise settled before the signal was aborted. */
function settledBefore(signal: AbortSignal, promise: Promise<void>): Promise<boolean> {
  return new Promise((resolve) => {
    const onAbort = (): void => resolve(false);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    void promise.then(() => {
      signal.removeEventListener('abort', onAbort);
      resolve(true);
    });
  });
}
