// The export of one image: begun once, ended when its clients have gone or are told to.
import { type Clock, deadline } from '../../common/clock.ts';
import { OperationError } from '../../common/errors.ts';
import type { LayerShelf } from '../layers/layer-shelf.ts';
import type { NbdDevice } from '../nbd/nbd-device.ts';
import type { Image } from './image.ts';
import { deviceOf } from './image-device.ts';
import { settledBefore } from './settled-before.ts';

/** A running export; the real one is a unix socket. */
export interface ImageExport {
  readonly path: string;
  readonly connections: number;
  /** Clients that come from now on see this size. Absent where no image ever gets another one. */
  grow?(bytes: number): void;
  /** Lets the clients that are there go once they have their answers; settles when they have gone. */
  release?(): Promise<void>;
  close(): Promise<void>;
}

/** Starts the export of a device. `isReadOnly`: no client may change it. */
export type Serve = (device: NbdDevice, name: string, bytes: number, isReadOnly?: boolean) => Promise<ImageExport>;

/** How long a close waits for the export's clients to go. */
const CLIENTS_GONE_MS = 10_000;
/** How long a renewal waits for answers that clients still wait for. */
const RELEASED_MS = 10_000;
const POLL_MS = 50;

interface ServedParts {
  readonly image: Image;
  readonly serve: Serve;
  readonly clock: Clock;
  readonly layers: Pick<LayerShelf, 'records' | 'followers'>;
}

/** One image's export. */
export class ServedImage {
  readonly #image: Image;
  readonly #serve: Serve;
  readonly #clock: Clock;
  readonly #layers: ServedParts['layers'];
  #export: ImageExport | undefined;
  #unwatch: readonly (() => void)[] = [];

  constructor({ image, serve, clock, layers }: ServedParts) {
    this.#image = image;
    this.#serve = serve;
    this.#clock = clock;
    this.#layers = layers;
  }

  /** Answers the socket. */
  async begin(): Promise<string> {
    const { image, bytes } = this.#image.store;
    this.#watchPins();
    this.#export ??= await this.#serve(deviceOf(this.#image), image, bytes);
    return this.#export.path;
  }

  get connections(): number {
    return this.#export?.connections ?? 0;
  }

  async end(): Promise<void> {
    const running = this.#export;
    this.#export = undefined;
    for (const unwatch of this.#unwatch) unwatch();
    this.#unwatch = [];
    await running?.close();
  }

  grow(): void {
    this.#export?.grow?.(this.#image.store.bytes);
  }

  /** @throws OperationError EXPORT_BUSY when a client still waits for an answer; it will go all the same */
  async renew(): Promise<void> {
    const released = this.#export?.release?.() ?? Promise.resolve();
    if (await settledBefore(deadline(this.#clock, RELEASED_MS), released)) return;
    throw new OperationError('EXPORT_BUSY', `a client of image ${this.#image.store.image} waits for an answer`, {
      remedy: 'Try again; another node may be asked for the block.',
    });
  }

  #watchPins(): void {
    const look = (): void => this.#look();
    const { records, followers } = this.#layers;
    if (this.#unwatch.length === 0) this.#unwatch = [records.watch(look), followers.watch(look)];
    look();
  }

  /**
   * A stub holds its requests back; a client that leaves for the place, where a store stands by to write, must not wait for
   * what it has asked here.
   */
  #look(): void {
    const { gate, store, stack } = this.#image;
    const { records, followers } = this.#layers;
    const isLeaving = followers.comingTo(store.layer) !== undefined;
    gate.hold(records.pinnedElsewhere(store.layer) ?? '', isLeaving);
    if (isLeaving) for (const layer of stack.layers) layer.endHeld();
  }

  /** @throws OperationError IMAGE_IN_USE */
  async clientsGone(): Promise<void> {
    const deadlineMs = this.#clock.nowMs() + CLIENTS_GONE_MS;
    while (this.connections > 0) {
      if (this.#clock.nowMs() > deadlineMs) {
        throw new OperationError('IMAGE_IN_USE', `image ${this.#image.store.image} still has a client`, {
          remedy: 'Stop the machine that uses it.',
        });
      }
      await new Promise<void>((resolve) => this.#clock.setTimer(POLL_MS, resolve));
    }
  }
}
