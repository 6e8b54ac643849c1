// The answers to one stream's fetches, by version equality: what is here durably in the very version that was asked for,
// who might have the rest. What is here and not yet durable is made so first: denied, with everybody else's copy gone in
// favour of this one, it would be called lost. What has to come from the disk, or to it, is waited for beside everything
// else, some answers at a time.
import type { WantedRun } from '../layers/block-fetcher.ts';
import type { ImageStore } from '../store/image-store.ts';
import { BLOCK_BYTES } from '../table/block-version.ts';
import { DATA, HERE } from '../table/version-run.ts';
import { AnswerRoom } from './answer-room.ts';
import { FETCH_BLOCKS_MAX } from './frame-fields.ts';
import { ANSWER_BLOCKS_MAX, encodePeerFrame } from './peer-frame.ts';

/** Requests of one peer that wait for its socket; a peer that asks for more without reading is cut off. */
const WAITING_BLOCKS_MAX = 16 * FETCH_BLOCKS_MAX;
/** Answers of one stream that wait for the disk at once: what a disk needs in its queue to be busy, and 2 MiB in all. */
const WARMING_MAX = 8;

export interface BlockAnswersParts {
  /** Undefined when this node has no such layer: everything is absent. */
  readonly store: ImageStore | undefined;
  /** `done`: the bytes may be changed again. */
  readonly send: (bytes: Uint8Array, done?: () => void) => void;
  /** Whether the other side does not keep up; `go` is called when it does again. */
  readonly isFull: () => boolean;
  /**
   * Looks for blocks that are named here and have rotted: where this store is the one that is asked whenever they are wanted,
   * nobody else would.
   */
  readonly heal?: ((first: number, end: number) => void) | undefined;
  /** Takes what of the blocks lies here under the name of a layer that this one was merged into; undefined if there is none. */
  readonly near?: ((first: number, end: number) => Promise<unknown> | undefined) | undefined;
}

interface Question {
  readonly id: number;
  readonly run: WantedRun;
  /** It was brought into the page cache for this. */
  readonly isWarm?: true;
  /** It was made durable for this. */
  readonly isFlushed?: true;
  /** It was looked for here under another layer's name. */
  readonly isSought?: true;
}

/** The questions of one stream. In order, but that what the disk is waited for may be overtaken. */
export class BlockAnswers {
  readonly #parts: BlockAnswersParts;
  /** Of answers that have gone. */
  readonly #rooms: AnswerRoom[] = [];
  #questions: Question[] = [];
  #waitingBlocks = 0;
  #warming = 0;
  #isClosed = false;

  constructor(parts: BlockAnswersParts) {
    this.#parts = parts;
  }

  /** False when too much waits: nothing of it will be answered. */
  ask(id: number, runs: readonly WantedRun[]): boolean {
    for (const run of runs) this.#wait({ id, run });
    if (this.#waitingBlocks > WAITING_BLOCKS_MAX) return false;
    this.go();
    return true;
  }

  close(): void {
    this.#isClosed = true;
    this.#questions = [];
  }

  /** Answers an answer's worth at a time, as long as the other side keeps up. */
  go(): void {
    while (!this.#parts.isFull() && this.#warming < WARMING_MAX) {
      const question = this.#questions.shift();
      if (question === undefined) return;
      const { run } = question;
      this.#waitingBlocks -= run.count;
      const count = this.#sameAnswer(run);
      if (count < run.count)
        this.#wait({ ...question, run: { ...run, first: run.first + count, count: run.count - count } }, true);
      this.#answer({ ...question, run: { ...run, count } });
    }
  }

  #wait(question: Question, isNext = false): void {
    this.#waitingBlocks += question.run.count;
    if (isNext) this.#questions.unshift(question);
    else this.#questions.push(question);
  }

  /** A run of blocks with one answer. */
  #answer(question: Question): void {
    const { id, run, isWarm, isFlushed, isSought } = question;
    if (!this.#has(run, run.first)) {
      if (isSought !== true && this.#isNamed(run)) this.#seek(question);
      else if (isFlushed === true || !this.#willHave(run, run.first)) this.#deny(id, run);
      // A disk that cannot is no good copy; what was overwritten meanwhile is another version.
      else this.#after(this.#parts.store?.flush(), { ...question, isFlushed: true });
    } else if (this.#give(question)) return;
    // Some block of it was spoilt and is not here any more: its answer is another now.
    else if (isWarm === true) this.#wait({ id, run }, true);
    // What cannot be read says so again when it is.
    else this.#after(this.#parts.store?.file.warm(run.first, run.first + run.count), { ...question, isWarm: true });
  }

  #seek(question: Question): void {
    const { first, count } = question.run;
    const sought = this.#parts.near?.(first, first + count);
    if (sought === undefined) this.#deny(question.id, question.run);
    else this.#after(sought, { ...question, isSought: true });
  }

  /** Looks at the question again when the disk has done its part. */
  #after(disk: Promise<unknown> | undefined, question: Question): void {
    const { run } = question;
    this.#warming++;
    this.#waitingBlocks += run.count;
    const again = (): void => {
      this.#warming--;
      this.#waitingBlocks -= run.count;
      if (this.#isClosed) return;
      this.#wait(question, true);
      this.go();
    };
    (disk ?? Promise.resolve()).then(again, again);
  }

  /** How many blocks of the run, from its first, are all here or all not, and go into one answer. */
  #sameAnswer(run: WantedRun): number {
    const has = this.#has(run, run.first);
    const willHave = this.#willHave(run, run.first);
    const hint = this.#hint(run, run.first);
    const isSame = (block: number): boolean =>
      this.#has(run, block) === has &&
      (has || (this.#willHave(run, block) === willHave && this.#hint(run, block) === hint));
    const end = Math.min(run.count, ANSWER_BLOCKS_MAX);
    let count = 1;
    while (count < end && isSame(run.first + count)) count++;
    return count;
  }

  /** Whether the block is here in exactly this version, and durably so. */
  #has(run: WantedRun, block: number): boolean {
    const table = this.#parts.store?.table;
    if (table === undefined || table.isChanged(block)) return false;
    return this.#isHere(run, block);
  }

  /** Whether it is, but for a barrier. */
  #willHave(run: WantedRun, block: number): boolean {
    return this.#parts.store?.table.isChanged(block) === true && this.#isHere(run, block);
  }

  #isHere(run: WantedRun, block: number): boolean {
    const table = this.#parts.store?.table;
    return table?.equals(block, run.high, run.low) === true && table.contentOf(block) === (DATA | HERE);
  }

  /** Whether its first block is missing here, and nobody is known to have it. */
  #isNamed({ first, high, low }: WantedRun): boolean {
    const table = this.#parts.store?.table;
    return table?.equals(first, high, low) === true && table.contentOf(first) === DATA;
  }

  #hint(run: WantedRun, block: number): string {
    const { store } = this.#parts;
    if (store === undefined || !store.table.equals(block, run.high, run.low)) return '';
    return store.holderName(store.table.holderOf(block));
  }

  /** False when the disk would have to be waited for, or some block turned out not to be what its version names. */
  #give({ id, run, isWarm }: Question): boolean {
    const room = this.#rooms.pop() ?? new AnswerRoom();
    const back = (): unknown => this.#rooms.push(room);
    try {
      if (this.#parts.store?.file.read(room.dataOf(run.count), run.first * BLOCK_BYTES, isWarm === true) === true) {
        this.#parts.send(room.frameOf(id, run), back);
        return true;
      }
    } catch {
      // A copy that cannot be read is no good copy; another holder may have one.
      back();
      this.#deny(id, run, '');
      return true;
    }
    back();
    return false;
  }

  #deny(id: number, run: WantedRun, hint = this.#hint(run, run.first)): void {
    if (hint === '' && this.#isNamed(run)) this.#parts.heal?.(run.first, run.first + run.count);
    this.#parts.send(encodePeerFrame({ type: 'absent', id, run, hint }));
  }
}
