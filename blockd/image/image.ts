// One image as its client sees it: local reads and writes at once, the rest when it can be done. All changes happen in
// one synchronous step each, which is the lock of their blocks. No sockets, no files, no time of its own.
import type { Clock, Timer } from '../../common/clock.ts';
import { OperationError } from '../../common/errors.ts';
import type { Closing } from '../../wire/contracts/blockd.ts';
import type { Endpoint } from '../../wire/names.ts';
import type { ImageStore } from '../store/image-store.ts';
import type { StoreState } from '../store/store-record.ts';
import { ZERO_SUM } from '../table/block-checksum.ts';
import { BLOCK_BYTES, type EpochEnd } from '../table/block-version.ts';
import { DATA, HERE } from '../table/version-run.ts';
import { BlockFetcher, type FetchCause, type FetcherParts } from './block-fetcher.ts';
import { RequestGate } from './request-gate.ts';

/** While somebody follows, what was written is told to him at the latest after this (SOUNDNESS A2). */
const FOLLOWED_BARRIER_MS = 1_000;
/** Two partial blocks side by side are less than this. */
const ZEROS = new Uint8Array(2 * BLOCK_BYTES);
const IN_FILE = DATA | HERE;

export interface ImageParts extends FetcherParts {
  readonly clock: Clock;
}

/** Done at once (undefined) or when the promise is. */
export type Answer = Promise<void> | undefined;

/** Requests and changes of role of one image at this node. Offsets and lengths in bytes, within the image. */
export class Image {
  readonly store: ImageStore;
  readonly gate: RequestGate;
  readonly counters = { reads: 0, writes: 0, flushes: 0 };
  readonly #clock: Clock;
  readonly #fetcher: BlockFetcher;
  #barrierTimer: Timer | undefined;

  constructor(parts: ImageParts) {
    this.store = parts.store;
    this.gate = new RequestGate(parts.store.image);
    this.#clock = parts.clock;
    this.#fetcher = new BlockFetcher(parts);
    const { role } = this.store.state;
    if (role === 'writer') this.gate.set('open');
    if (role === 'frozen') this.gate.set('frozen');
  }

  get fetchedBlocks(): Readonly<Record<FetchCause, number>> {
    return this.#fetcher.fetchedBlocks;
  }

  /** Reads if it can be done at once; false otherwise, and nothing was done. @throws OperationError, Error of the disk */
  tryRead(offset: number, into: Uint8Array, mayWait = false): boolean {
    return this.tryBeginRead(offset, into.length) && this.readNow(offset, into, mayWait);
  }

  /** Whether everything is here, so that `readNow` may read it, or parts of it, in the same step. */
  tryBeginRead(offset: number, length: number): boolean {
    this.#throwIfFailed();
    if (!this.gate.mayRead || this.store.table.someMissing(blockOf(offset), endBlockOf(offset + length))) return false;
    this.counters.reads++;
    return true;
  }

  /**
   * False when the disk would have to be waited for, unless `mayWait`; or a block turned out to be spoilt, and is missing
   * now. What was read means nothing then.
   */
  readNow(offset: number, into: Uint8Array, mayWait = false): boolean {
    const end = endBlockOf(offset + into.length);
    const isRead = this.store.table.allInFile(blockOf(offset), end)
      ? this.store.file.read(into, offset, mayWait)
      : this.#readMixed(offset, into, end, mayWait);
    if (!isRead) this.counters.reads--;
    return isRead;
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
    else if (this.store.table.someMissing(first, end)) await this.fetch(first, end, 'demand');
    else await this.store.file.warm(first, end);
  }

  /**
   * Reads a closed image that `checkWhole` accepted.
   * @throws OperationError BLOCKS_SPOILT when data has turned out since not to be what its version names
   */
  readHere(offset: number, into: Uint8Array): void {
    this.#throwIfFailed();
    if (this.#readMixed(offset, into, endBlockOf(offset + into.length), true)) return;
    const where = `the ${into.length} bytes at offset ${offset} of image ${this.store.image}`;
    throw new OperationError('BLOCKS_SPOILT', `${where} are not all here as they were written`, {
      remedy: 'Let a VM open the image here and pull it (supercloud image pull): another store may have them.',
    });
  }

  /**
   * Whether this store alone can say what a closed image is.
   * @throws OperationError IMAGE_OPEN, TABLE_DIFFERS, BLOCKS_ELSEWHERE
   */
  checkWhole(last: Closing): void {
    const { image, state, table, blocks } = this.store;
    if (state.role !== 'replica') {
      throw new OperationError('IMAGE_OPEN', `image ${image} is a ${state.role} here`, { remedy: 'Close it first.' });
    }
    if (table.mark.digest !== last.digest) {
      throw new OperationError('TABLE_DIFFERS', `image ${image} here is not what epoch ${last.epoch} closed with`, {
        remedy: 'Ask the node that closed it last.',
      });
    }
    if (!table.someMissing(0, blocks)) return;
    const missing = [...table.census().elsewhere.values()].reduce((sum, count) => sum + count, 0);
    throw new OperationError('BLOCKS_ELSEWHERE', `${missing} of the blocks of image ${image} are at other nodes`, {
      remedy: 'Let a VM open it here and pull it (supercloud image pull) until it depends on no other node.',
    });
  }

  /** Makes missing blocks local. */
  async fetch(first: number, end: number, cause: FetchCause): Promise<void> {
    await this.#fetcher.fetch(first, end, cause);
    this.#armBarrier();
  }

  /** Makes what is missing in the range local, once it may be read. */
  async cache(offset: number, length: number): Promise<void> {
    while (!this.gate.mayRead) await this.gate.changed();
    await this.fetch(blockOf(offset), endBlockOf(offset + length), 'demand');
  }

  /** Writes; `data` is not used after the call. `fua`: durable with the answer. */
  write(offset: number, data: Uint8Array, fua: boolean): Answer {
    const done = this.#tryWrite(offset, data);
    if (done === undefined) return this.#writeLater(offset, Uint8Array.from(data), fua);
    return fua || done === 'untold' ? this.#barrier() : undefined;
  }

  /**
   * Makes the range read as zeros, durably: whole blocks are zeros by the table alone, and what no record says would be
   * gone with this process, which its client outlives. They give their room back, unless the client wants to keep it.
   */
  zero(offset: number, length: number, fua: boolean, keepRoom = false): Answer {
    const first = endBlockOf(offset);
    const end = blockOf(offset + length);
    if (first >= end) return this.#zeroEdges([[offset, length]], fua);
    const head = first * BLOCK_BYTES - offset;
    const tail = offset + length - end * BLOCK_BYTES;
    const zeroed = this.#zeroBlocks(first, end, keepRoom);
    if (zeroed === undefined && head === 0 && tail === 0) return this.#barrier();
    const edges = [
      [offset, head],
      [end * BLOCK_BYTES, tail],
    ] as const;
    return Promise.all([zeroed, this.#zeroEdges(edges, false)]).then(() => this.#barrier());
  }

  /** Forgets the whole blocks of the range, durably: they read as zeros. The rest of it stays (a hint, says NBD). */
  trim(offset: number, length: number, _fua: boolean): Answer {
    const first = endBlockOf(offset);
    const end = blockOf(offset + length);
    const zeroed = first < end ? this.#zeroBlocks(first, end, false) : undefined;
    return zeroed === undefined ? this.#barrier() : zeroed.then(() => this.#barrier());
  }

  /** Everything answered before is durable with the answer. */
  flush(): Answer {
    this.#throwIfFailed();
    this.counters.flushes++;
    if (this.gate.mayRead) return this.#barrier();
    return this.gate.changed().then(() => this.#barrier());
  }

  /** What the table is now, as the proof for another store. */
  closing(): Closing {
    return { image: this.store.image, epoch: this.store.state.epoch, ...this.store.table.mark, generation: 1 };
  }

  /** Becomes the writer of a granted epoch; the table has been compared with the last closing. */
  async open(epoch: number, last: Closing, migration: string | null, ends: readonly EpochEnd[] = []): Promise<void> {
    const state = { ...IDLE, role: 'writer', epoch, migration, closing: null } as const;
    await this.store.commit({ reserve: true, state: { ...state, ends: mergeEnds(this.store.state.ends, ends, last) } });
    this.gate.set('open');
  }

  /** Follows a writer: requests wait until `open`. */
  async standBy(epoch: number, migration: string, from: Endpoint): Promise<void> {
    await this.store.commit({ state: { role: 'standby', epoch, migration, from, verified: false } });
    this.gate.set('shut');
  }

  /** The table equals what the writer released, and is durable with that word. */
  async verified(closing: Closing): Promise<void> {
    await this.store.commit({ state: { closing, verified: true } });
  }

  /** Stops changing and says what the table is. Answers again alike for the same migration. */
  async freeze(migration: string): Promise<Closing> {
    const { role, closing } = this.store.state;
    if (role === 'frozen' && closing !== null) return closing;
    return this.#stop(() => ({ role: 'frozen', migration, verified: false }));
  }

  async thaw(): Promise<void> {
    await this.store.commit({ state: { ...IDLE, role: 'writer', closing: null } });
    this.gate.set('open');
  }

  /** Ends as a replica that others may fetch from; what waits fails. */
  async end(): Promise<Closing> {
    const { role, closing, ends } = this.store.state;
    const ended = (last: Closing) => ({ ...IDLE, role: 'replica', ends: mergeEnds(ends, [], last) }) as const;
    if (role === 'frozen' && closing !== null) await this.store.commit({ state: ended(closing) });
    const last = role === 'frozen' && closing !== null ? closing : await this.#stop(ended);
    this.gate.set('ended');
    return last;
  }

  /**
   * A stand-by gives up; a writer that was fenced loses what nobody else saw (SOUNDNESS A7). The table is nobody's
   * then; single blocks stay usable by version.
   */
  async abandon(): Promise<void> {
    this.gate.set('ended');
    const { role, closing } = this.store.state;
    const kept = role === 'standby' ? closing : null;
    await this.store.commit({ clean: true, state: { ...IDLE, role: 'replica', closing: kept } });
  }

  /** No change can begin any more, so that the table is final when its barrier has passed; without it all goes on. */
  async #stop(stateAfter: (closing: Closing) => Partial<StoreState>): Promise<Closing> {
    const before = this.gate.mode;
    this.gate.set('frozen');
    const closing = this.closing();
    try {
      await this.store.commit({ clean: true, state: { ...stateAfter(closing), closing } });
    } catch (error) {
      this.gate.set(before);
      throw error;
    }
    return closing;
  }

  #readMixed(offset: number, into: Uint8Array, endBlock: number, mayWait: boolean): boolean {
    const { table } = this.store;
    const endOffset = offset + into.length;
    for (let block = blockOf(offset); block < endBlock; ) {
      const next = table.endOfContent(block, endBlock);
      const from = Math.max(offset, block * BLOCK_BYTES);
      const part = into.subarray(from - offset, Math.min(endOffset, next * BLOCK_BYTES) - offset);
      const content = table.contentOf(block);
      if (content === DATA || (content === IN_FILE && !this.store.file.read(part, from, mayWait))) return false;
      if (content !== IN_FILE) part.fill(0);
      block = next;
    }
    return true;
  }

  /**
   * One write in one step, or undefined and nothing was done. `untold`: only a record can say that it was written, for it
   * put zeros where a kill of the daemon leaves zeros too.
   */
  #tryWrite(offset: number, data: Uint8Array): 'done' | 'untold' | undefined {
    this.#throwIfFailed();
    const first = blockOf(offset);
    const end = endBlockOf(offset + data.length);
    if (
      !this.gate.mayChange ||
      this.store.zeros.isBusy(first, end) ||
      this.#missingEdges(offset, data.length).length > 0
    )
      return undefined;
    if (!this.store.active.touch(first, end)) return undefined;
    const sequence = this.store.takeSequence();
    if (sequence === undefined) return undefined;
    const version = { epoch: this.store.state.epoch, sequence };
    let isUntold = false;
    try {
      for (const block of partialBlocks(offset, data.length)) this.#clearIfZero(block);
      const sums = this.store.file.write(data, offset);
      isUntold = sums.some((sum, index) => sum === ZERO_SUM && this.#mayNameData(first + index));
      this.store.table.write(first, sums, version);
    } catch (error) {
      // The write may have changed a part: that is a new content now, whatever the client is told.
      this.store.table.renew(first, end, version, (block) => this.store.file.sumOf(block));
      throw error;
    }
    this.counters.writes++;
    this.#armBarrier();
    return isUntold ? 'untold' : 'done';
  }

  /** Whether the table on the disk may name data of the block that is not in the file. */
  #mayNameData(block: number): boolean {
    return this.store.table.contentOf(block) === DATA || this.store.table.isChanged(block);
  }

  async #writeLater(offset: number, data: Uint8Array, fua: boolean): Promise<void> {
    let done = this.#tryWrite(offset, data);
    for (; done === undefined; done = this.#tryWrite(offset, data)) await this.#obstacle(offset, data.length);
    if (fua || done === 'untold') await this.#barrier();
  }

  /** Waits for the first thing that a write of this range has to wait for. */
  async #obstacle(offset: number, length: number): Promise<void> {
    const first = blockOf(offset);
    const end = endBlockOf(offset + length);
    const [missing] = this.#missingEdges(offset, length);
    if (!this.gate.mayChange) await this.gate.changed();
    else if (missing !== undefined) await this.fetch(missing, missing + 1, 'demand');
    else if (this.store.zeros.isBusy(first, end)) await this.store.zeros.punched;
    else if (!this.store.active.touch(first, end)) await this.store.activate(first, end);
    else await this.store.reserve();
  }

  /** Zero blocks are zeros by the table, the file may hold anything: a partial write makes them whole first. */
  #clearIfZero(block: number): void {
    if ((this.store.table.contentOf(block) & DATA) === 0)
      this.store.file.write(ZEROS.subarray(0, BLOCK_BYTES), block * BLOCK_BYTES);
  }

  /** Blocks that the range covers in part and whose rest is not here, or is not sound: a new checksum would hide that. */
  #missingEdges(offset: number, length: number): number[] {
    return partialBlocks(offset, length).filter((block) => {
      const content = this.store.table.contentOf(block);
      return content === DATA || (content === IN_FILE && !this.store.file.isSound(block));
    });
  }

  #zeroBlocks(first: number, end: number, keepRoom: boolean): Answer {
    if (!keepRoom && this.#tryZeroBlocks(first, end)) return undefined;
    return this.#zeroBlocksLater(first, end, keepRoom);
  }

  async #zeroBlocksLater(first: number, end: number, keepRoom: boolean): Promise<void> {
    while (!this.#tryZeroBlocks(first, end)) await this.#zeroObstacle(first, end);
    if (!keepRoom) return;
    // The room that zeroing gave back is taken again: a failure says so, and the blocks are zeros all the same.
    await this.#barrier();
    await this.store.file.allocate(first, end);
  }

  /** Waits for the first thing that zeroing has to wait for. */
  async #zeroObstacle(first: number, end: number): Promise<void> {
    if (!this.gate.mayChange) await this.gate.changed();
    else if (this.store.zeros.isBusy(first, end)) await this.store.zeros.punched;
    else if (!this.#touchData(first, end)) await this.store.activate(first, end);
    else await this.store.reserve();
  }

  /** Touches the extents with data in the range, whose place is about to be cleared; false if some is not active. */
  #touchData(first: number, end: number): boolean {
    const { table, active } = this.store;
    let areActive = true;
    for (let block = first; block < end; ) {
      const next = table.endOfContent(block, end);
      if (table.contentOf(block) === IN_FILE) areActive = active.touch(block, next) && areActive;
      block = next;
    }
    return areActive;
  }

  /** A zero is a version without data (SOUNDNESS A14); blocks that are zeros already keep theirs. */
  #tryZeroBlocks(first: number, end: number): boolean {
    this.#throwIfFailed();
    if (!this.gate.mayChange || this.store.zeros.isBusy(first, end) || !this.#touchData(first, end)) return false;
    const sequence = this.store.takeSequence();
    if (sequence === undefined) return false;
    const version = { epoch: this.store.state.epoch, sequence };
    for (let block = first; block < end; ) {
      const next = this.store.table.endOfContent(block, end);
      if ((this.store.table.contentOf(block) & DATA) !== 0) {
        this.store.table.zero(block, next, version);
        this.store.zeros.note(block, next);
      }
      block = next;
    }
    this.counters.writes++;
    this.#armBarrier();
    return true;
  }

  async #zeroEdges(edges: readonly (readonly [offset: number, length: number])[], fua: boolean): Promise<void> {
    const writes = edges.filter(([, length]) => length > 0);
    await Promise.all(writes.map(([offset, length]) => this.write(offset, ZEROS.subarray(0, length), false)));
    if (fua) await this.#barrier();
  }

  #barrier(): Answer {
    return this.store.flush();
  }

  /** What is not durable yet becomes so within the time while somebody follows. */
  #armBarrier(): void {
    if (this.#barrierTimer !== undefined || this.store.followers === 0 || this.store.failure !== undefined) return;
    this.#barrierTimer = this.#clock.setTimer(FOLLOWED_BARRIER_MS, () => {
      this.#barrierTimer = undefined;
      // A failure stays with the store, which fails every later request; a full disk may have room the next time.
      this.store.flush()?.catch(() => this.#armBarrier());
    });
  }

  #throwIfFailed(): void {
    if (this.store.failure !== undefined) throw this.store.failure;
  }
}

const IDLE = { migration: null, from: null, verified: false } as const;

/** How all earlier epochs ended, as far as anyone said. */
function mergeEnds(own: readonly EpochEnd[], told: readonly EpochEnd[], last: EpochEnd): EpochEnd[] {
  const ends = new Map([...own, ...told, last].map((end) => [end.epoch, end.lastSequence]));
  return Array.from(ends, ([epoch, lastSequence]) => ({ epoch, lastSequence }));
}

function blockOf(offset: number): number {
  return Math.floor(offset / BLOCK_BYTES);
}

function endBlockOf(end: number): number {
  return Math.ceil(end / BLOCK_BYTES);
}

/** The blocks that the range covers in part: none, one or two. */
function partialBlocks(offset: number, length: number): number[] {
  const first = blockOf(offset);
  const last = blockOf(offset + length - 1);
  const blocks = offset % BLOCK_BYTES === 0 ? [] : [first];
  if ((offset + length) % BLOCK_BYTES !== 0 && blocks[0] !== last) blocks.push(last);
  return blocks;
}
