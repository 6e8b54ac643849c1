// An image as its client sees it: reads, and changes at once where that can be, the rest when it can be done. All changes
// happen in one synchronous step each, the lock of their blocks. No sockets, files or time of its own, and no change of role.
import { ZERO_SUM } from '../table/block-checksum.ts';
import { BLOCK_BYTES } from '../table/block-version.ts';
import { DATA } from '../table/version-run.ts';
import { blockOf, endBlockOf, partialBlocks } from './block-range.ts';
import { IN_FILE } from './block-stack.ts';
import { type Answer, type FlushSafety, LOCAL_SAFETY, safely } from './flush-safety.ts';
import { ImageReads } from './image-reads.ts';
import { exportEnded } from './request-gate.ts';

/** Whether whoever asked is gone: what of it has not been done yet is not done any more. */
type IsGone = () => boolean;
const STAYS: IsGone = () => false;
/** Two partial blocks side by side are less than this. */
const ZEROS = new Uint8Array(2 * BLOCK_BYTES);

/** Requests of one image at this node. Offsets and lengths in bytes, within the image. */
export class ImageRequests extends ImageReads {
  /** What flushes wait for besides this node's disk. */
  safety: FlushSafety = LOCAL_SAFETY;
  readonly #copied = Buffer.alloc(BLOCK_BYTES);

  /** Writes; `data` is not used after the call. `fua`: durable with the answer. */
  write(offset: number, data: Uint8Array, fua: boolean, isGone = STAYS): Answer {
    const done = this.#tryWrite(offset, data);
    if (done === undefined) return this.#writeLater(offset, Uint8Array.from(data), fua, this.#lapsing(isGone));
    return this.#isFlushed(fua) ? this.#flushed() : done === 'untold' ? this.#barrier() : undefined;
  }

  /**
   * Makes the range read as zeros, durably: whole blocks are zeros by the table alone, and what no record says would be
   * gone with this process, which its client outlives. They give their room back, unless the client wants to keep it.
   */
  zero(offset: number, length: number, fua: boolean, keepRoom = false, isGone = STAYS): Answer {
    const first = endBlockOf(offset);
    const end = blockOf(offset + length);
    if (first >= end) return this.#zeroEdges([[offset, length]], fua, isGone);
    const head = first * BLOCK_BYTES - offset;
    const tail = offset + length - end * BLOCK_BYTES;
    const zeroed = this.#zeroBlocks(first, end, keepRoom, isGone);
    const finish = (): Answer => (this.#isFlushed(fua) ? this.#flushed() : this.#barrier());
    if (zeroed === undefined && head === 0 && tail === 0) return finish();
    const edges = [
      [offset, head],
      [end * BLOCK_BYTES, tail],
    ] as const;
    return Promise.all([zeroed, this.#zeroEdges(edges, false, isGone)]).then(finish);
  }

  /** Forgets the whole blocks of the range, durably: they read as zeros. The rest of it stays (a hint, says NBD). */
  trim(offset: number, length: number, fua: boolean, isGone = STAYS): Answer {
    const first = endBlockOf(offset);
    const end = blockOf(offset + length);
    const zeroed = first < end ? this.#zeroBlocks(first, end, false, isGone) : undefined;
    const finish = (): Answer => (this.#isFlushed(fua) ? this.#flushed() : this.#barrier());
    return zeroed === undefined ? finish() : zeroed.then(finish);
  }

  /** Everything answered before is durable with the answer, wherever it has to be. */
  flush(): Answer {
    this.throwIfFailed();
    this.counters.flushes++;
    if (this.gate.mayFlush) return this.#flushed();
    return this.gate.changed().then(() => this.#flushed());
  }

  /**
   * One write in one step, or undefined and nothing was done. `untold`: only a record can say that it was written, for it
   * put zeros where a kill of the daemon leaves zeros too.
   */
  #tryWrite(offset: number, data: Uint8Array): 'done' | 'untold' | undefined {
    this.throwIfFailed();
    const first = blockOf(offset);
    const end = endBlockOf(offset + data.length);
    if (
      !this.gate.mayChange ||
      this.store.zeros.isBusy(first, end) ||
      this.#missingEdges(offset, data.length).length > 0 ||
      this.#hidesUntold(offset, data)
    )
      return undefined;
    if (!this.store.active.touch(first, end)) return undefined;
    const sequence = this.store.takeSequence();
    if (sequence === undefined) return undefined;
    const version = { epoch: this.store.state.epoch, sequence };
    let isUntold = false;
    try {
      for (const block of partialBlocks(offset, data.length)) this.#bringUp(block);
      const sums = this.store.file.write(data, offset);
      isUntold = this.#isUntold(first, sums);
      this.store.table.write(first, sums, version);
    } catch (error) {
      // The write may have changed a part: that is a new content now, whatever the client is told.
      this.store.table.renew(first, end, version, (block) => this.store.file.sumOf(block));
      throw error;
    } finally {
      this.notes?.noteWrite(first, end - first);
    }
    this.counters.writes++;
    this.armBarrier();
    return isUntold ? 'untold' : 'done';
  }

  #isUntold(first: number, sums: Uint32Array): boolean {
    for (let index = 0; index < sums.length; index++) {
      if (sums[index] === ZERO_SUM && this.#mayNameData(first + index)) return true;
    }
    return false;
  }

  /** Whether the tables on the disk may name data of the block that is not in the top's file. */
  #mayNameData(block: number): boolean {
    const { table } = this.store;
    const content = table.contentOf(block);
    return content === DATA || table.isChanged(block) || (content === 0 && this.stack.contentOf(block) !== 0);
  }

  async #writeLater(offset: number, data: Uint8Array, fua: boolean, refuseLapsed: () => void): Promise<void> {
    let done = this.#tryWrite(offset, data);
    for (; done === undefined; done = this.#tryWrite(offset, data)) {
      await this.#obstacle(offset, data);
      refuseLapsed();
    }
    if (this.#isFlushed(fua)) await this.#flushed();
    else if (done === 'untold') await this.#barrier();
  }

  /** Throws once the asker is gone, or the image has left: somebody may have made the change anew, and others over it. */
  #lapsing(isGone: IsGone): () => void {
    const { era } = this.gate;
    return () => {
      if (isGone() || this.gate.era !== era) throw exportEnded(this.store.image);
    };
  }

  /** Waits for the first thing that a write of this range has to wait for. */
  async #obstacle(offset: number, data: Uint8Array): Promise<void> {
    const first = blockOf(offset);
    const end = endBlockOf(offset + data.length);
    const [missing] = this.#missingEdges(offset, data.length);
    if (!this.gate.mayChange) await this.gate.changed();
    else if (missing !== undefined) await this.fetch(missing, missing + 1, 'demand');
    else if (this.store.zeros.isBusy(first, end)) await this.store.zeros.punched;
    else if (this.#hidesUntold(offset, data)) await this.#tell();
    else if (!this.store.active.touch(first, end)) await this.store.activate(first, end);
    else await this.store.reserve();
  }

  /** A record of everything so far; where there is no room for it, followers are told once there is. */
  async #tell(): Promise<void> {
    this.armBarrier();
    await this.#barrier();
  }

  /** Whether the write puts zeros over what is only in the file yet: see `#isUntoldIn`. */
  #hidesUntold(offset: number, data: Uint8Array): boolean {
    for (let at = 0; at < data.length; ) {
      const block = blockOf(offset + at);
      const next = Math.min((block + 1) * BLOCK_BYTES - offset, data.length);
      const mayHide = mayBeZeros(data, at, next) && this.#isUntoldIn(block, block + 1);
      if (mayHide && isZeros(data.subarray(at, next))) return true;
      at = next;
    }
    return false;
  }

  /**
   * Whether no record says of some block yet that its data is in the top's file. Zeros there, before the record that says
   * so, and a kill of the daemon would leave the table's older word on it, though something newer was answered: a record
   * comes first.
   */
  #isUntoldIn(first: number, end: number): boolean {
    const { table } = this.store;
    for (let block = first; block < end; ) {
      const next = table.endOfContent(block, end);
      if (table.contentOf(block) === IN_FILE) for (; block < next; block++) if (table.isChanged(block)) return true;
      block = next;
    }
    return false;
  }

  /**
   * A partial write gives its block a whole new content: what the top's file has not got of it is written there first,
   * from the layer below that has it, or as zeros. Nobody reads it before the entry that follows.
   */
  #bringUp(block: number): void {
    if ((this.store.table.contentOf(block) & DATA) !== 0) return;
    const at = block * BLOCK_BYTES;
    if (!this.stack.read(this.#copied, at, true)) throw new Error(`block ${block} is gone within one step`);
    this.store.file.write(this.#copied, at);
  }

  /** Blocks that the range covers in part and whose rest is not here, or is not sound: a new checksum would hide that. */
  #missingEdges(offset: number, length: number): number[] {
    return partialBlocks(offset, length).filter((block) => !this.stack.isSound(block));
  }

  #zeroBlocks(first: number, end: number, keepRoom: boolean, isGone: IsGone): Answer {
    if (!keepRoom && this.#tryZeroBlocks(first, end)) return undefined;
    return this.#zeroBlocksLater(first, end, keepRoom, this.#lapsing(isGone));
  }

  async #zeroBlocksLater(first: number, end: number, keepRoom: boolean, refuseLapsed: () => void): Promise<void> {
    while (!this.#tryZeroBlocks(first, end)) {
      await this.#zeroObstacle(first, end);
      refuseLapsed();
    }
    if (!keepRoom) return;
    // The room that zeroing gave back is taken again: a failure says so, and the blocks are zeros all the same.
    await this.#barrier();
    await this.store.file.allocate(first, end);
  }

  /** Waits for the first thing that zeroing has to wait for. */
  async #zeroObstacle(first: number, end: number): Promise<void> {
    if (!this.gate.mayChange) await this.gate.changed();
    else if (this.store.zeros.isBusy(first, end)) await this.store.zeros.punched;
    else if (this.#isUntoldIn(first, end)) await this.#tell();
    else if (!this.#touchData(first, end)) await this.store.activate(first, end);
    else await this.store.reserve();
  }

  /** Touches the extents with data of the top in the range, whose place is about to be cleared; false if some is not active. */
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
    this.throwIfFailed();
    if (!this.gate.mayChange || this.store.zeros.isBusy(first, end)) return false;
    if (this.#isUntoldIn(first, end) || !this.#touchData(first, end)) return false;
    const sequence = this.store.takeSequence();
    if (sequence === undefined) return false;
    const version = { epoch: this.store.state.epoch, sequence };
    for (let block = first; block < end; ) {
      const { layer, content, end: next } = this.stack.runAt(block, end);
      if ((content & DATA) !== 0) {
        this.store.table.zero(block, next, version);
        this.notes?.noteZero(block, next - block);
        if (layer === this.stack.top) this.store.zeros.note(block, next);
      }
      block = next;
    }
    this.counters.writes++;
    this.armBarrier();
    return true;
  }

  async #zeroEdges(
    edges: readonly (readonly [offset: number, length: number])[],
    fua: boolean,
    isGone: IsGone,
  ): Promise<void> {
    const writes = edges.filter(([, length]) => length > 0);
    // One that fails at once must not leave the other one's failure to nobody.
    await Promise.all(
      writes.map(async ([offset, length]) => this.write(offset, ZEROS.subarray(0, length), false, isGone)),
    );
    if (this.#isFlushed(fua)) await this.#flushed();
  }

  #isFlushed(fua: boolean): boolean {
    return fua || this.safety.waitsAt === 'write';
  }

  #flushed(): Answer {
    return safely(this.safety, this.#barrier());
  }

  #barrier(): Answer {
    return this.store.flush();
  }
}

/** No more than a look: small numbers at the front of a block, as in headers and in what fio writes, are common. */
function mayBeZeros(data: Uint8Array, from: number, end: number): boolean {
  return data[from] === 0 && data[end - 1] === 0 && data[(from + end) >> 1] === 0;
}

function isZeros(bytes: Uint8Array): boolean {
  return Buffer.compare(bytes, ZEROS.subarray(0, bytes.length)) === 0;
}
