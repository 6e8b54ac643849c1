// What an image's client reads: at once where everything is here, the rest when it has come. No sockets, files or time of
// its own; it changes nothing but where blocks lie.
import type { Clock, Timer } from '../../common/clock.ts';
import type { FetchCause } from '../layers/block-fetcher.ts';
import { FetchTimes } from '../layers/fetch-times.ts';
import type { LayerBlocks } from '../layers/layer-blocks.ts';
import type { DirectFile } from '../nbd/nbd-device.ts';
import type { AccessNotes } from '../propagation/access-notes.ts';
import type { BlockFile } from '../store/block-file.ts';
import type { ImageStore } from '../store/image-store.ts';
import { BLOCK_BYTES } from '../table/block-version.ts';
import { blockOf, endBlockOf } from './block-range.ts';
import { BlockStack } from './block-stack.ts';
import { RequestGate } from './request-gate.ts';

/** While somebody follows, what was written is told to him at the latest after this (SOUNDNESS A2). */
const FOLLOWED_BARRIER_MS = 1_000;

export interface ImageParts {
  readonly top: LayerBlocks;
  /** The layers below that are here; a top that has others waits for `layOver`. */
  readonly below?: readonly LayerBlocks[];
  readonly clock: Clock;
}

/** Reads of one image at this node. Offsets and lengths in bytes, within the image. */
export class ImageReads {
  readonly gate: RequestGate;
  readonly counters = { reads: 0, writes: 0, flushes: 0 };
  /** What clients waited for another node for, reads and others. */
  readonly fetchTimes = new FetchTimes();
  /** Reads that had to wait for another node. */
  misses = 0;
  /** Who wants to hear of each request. */
  notes: AccessNotes | undefined;
  readonly #clock: Clock;
  /** Of each client that waits for another node: to be told that the image is other layers. */
  readonly #waits = new Set<() => void>();
  #stack: BlockStack;
  #barrierTimer: Timer | undefined;

  constructor({ top, below = [], clock }: ImageParts) {
    this.#stack = new BlockStack(top, below);
    this.gate = new RequestGate(top.store.image);
    this.#clock = clock;
  }

  get stack(): BlockStack {
    return this.#stack;
  }

  /** The top layer's: all that is ever written. */
  get store(): ImageStore {
    return this.#stack.top.store;
  }

  get fetchedBlocks(): Readonly<Record<FetchCause, number>> {
    return this.#stack.fetchedBlocks;
  }

  /**
   * From here on the image is these layers; the gate lets no change through at this moment. Who waits for a block of one
   * that was merged may find it here by now, or elsewhere under the other's name alone.
   */
  layOver(top: LayerBlocks, below: readonly LayerBlocks[]): void {
    this.#stack = new BlockStack(top, below);
    for (const tell of this.#waits) tell();
  }

  /** Reads if it can be done at once; false otherwise, and nothing was done. @throws OperationError, Error of the disk */
  tryRead(offset: number, into: Uint8Array, mayWait = false): boolean {
    return this.tryBeginRead(offset, into.length) && this.readNow(offset, into, mayWait);
  }

  /** Whether everything is here, so that `readNow` may read it, or parts of it, in the same step. */
  tryBeginRead(offset: number, length: number): boolean {
    this.throwIfFailed();
    if (!this.gate.mayRead || this.#stack.someMissing(blockOf(offset), endBlockOf(offset + length))) return false;
    this.counters.reads++;
    return true;
  }

  /**
   * False when the disk would have to be waited for, unless `mayWait`; or a block turned out to be spoilt, and is missing
   * now. What was read means nothing then.
   */
  readNow(offset: number, into: Uint8Array, mayWait = false): boolean {
    const first = blockOf(offset);
    const end = endBlockOf(offset + into.length);
    const isRead = this.store.table.allInFile(first, end)
      ? this.store.file.read(into, offset, mayWait)
      : this.#stack.read(into, offset, mayWait);
    if (isRead) this.notes?.noteRead(first, end - first);
    else this.counters.reads--;
    return isRead;
  }

  /** The file that has all of these whole blocks, if nothing keeps them from being read; undefined otherwise. */
  fileOf(offset: number, length: number): BlockFile | undefined {
    if (offset % BLOCK_BYTES !== 0 || length % BLOCK_BYTES !== 0 || length === 0) return undefined;
    if (!this.gate.mayRead || this.store.failure !== undefined) return undefined;
    const file = this.#stack.fileOf(offset / BLOCK_BYTES, (offset + length) / BLOCK_BYTES);
    return file !== undefined && file.descriptor >= 0 ? file : undefined;
  }

  /** Whether these bytes, which somebody read from the file, are what the blocks are now; counts as a read if so. */
  isRead(file: DirectFile, offset: number, bytes: Uint8Array): boolean {
    const now = this.fileOf(offset, bytes.length);
    const first = offset / BLOCK_BYTES;
    if (now === undefined || now !== file || !now.isNamed(bytes, first)) return false;
    this.counters.reads++;
    this.notes?.noteRead(first, bytes.length / BLOCK_BYTES);
    return true;
  }

  /** Reads when it can be done. @throws OperationError BLOCKS_LOST, EXPORT_ENDED, STORE_FAILED */
  async readLater(offset: number, length: number): Promise<Uint8Array> {
    const into = new Uint8Array(length);
    for (let mayWait = false; !this.tryRead(offset, into, mayWait); mayWait = true) {
      await this.makeReadable(offset, length);
    }
    return into;
  }

  /**
   * Waits for the next thing that a read waits for: the gate, another store, this node's disk.
   * @throws OperationError BLOCKS_LOST, EXPORT_ENDED, STORE_FAILED; Error of the disk
   */
  async makeReadable(offset: number, length: number): Promise<void> {
    const [first, end] = [blockOf(offset), endBlockOf(offset + length)];
    if (!this.gate.mayRead) await this.gate.changed();
    else if (this.#stack.someMissing(first, end)) await this.#miss(first, end);
    else await this.#stack.warm(first, end);
  }

  async #miss(first: number, end: number): Promise<void> {
    await this.fetch(first, end, 'demand');
    this.misses++;
  }

  /** Whether a client waits for another node at this moment. */
  get isWaiting(): boolean {
    return this.#waits.size > 0;
  }

  /** Makes missing blocks local; for a client at most until the image is other layers. */
  async fetch(first: number, end: number, cause: FetchCause): Promise<void> {
    if (cause === 'demand') await this.#fetchInTime(first, end);
    else await this.#stack.fetch(first, end, cause);
    this.armBarrier();
  }

  async #fetchInTime(first: number, end: number): Promise<void> {
    const startedMs = this.#clock.nowMs();
    const restacked = Promise.withResolvers<void>();
    this.#waits.add(restacked.resolve);
    try {
      await Promise.race([this.#stack.fetch(first, end, 'demand'), restacked.promise]);
    } finally {
      this.#waits.delete(restacked.resolve);
    }
    this.fetchTimes.add(this.#clock.nowMs() - startedMs);
  }

  /** Makes what is missing in the range local, once it may be read. */
  async cache(offset: number, length: number): Promise<void> {
    const [first, end] = [blockOf(offset), endBlockOf(offset + length)];
    do {
      while (!this.gate.mayRead) await this.gate.changed();
      await this.fetch(first, end, 'demand');
    } while (this.#stack.someMissing(first, end));
  }

  /** What is not durable yet becomes so within the time while somebody follows. */
  protected armBarrier(): void {
    if (this.#barrierTimer !== undefined || this.store.followers === 0 || this.store.failure !== undefined) return;
    this.#barrierTimer = this.#clock.setTimer(FOLLOWED_BARRIER_MS, () => {
      this.#barrierTimer = undefined;
      // A failure stays with the store, which fails every later request; a full disk may have room the next time.
      this.store.flush()?.catch(() => this.armBarrier());
    });
  }

  protected throwIfFailed(): void {
    if (this.store.failure !== undefined) throw this.store.failure;
  }
}
