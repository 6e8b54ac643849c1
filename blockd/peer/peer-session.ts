// The serving end of one stream from another store: answers fetches by version equality and tells a follower the table.
// A state machine over frames; only what is durable leaves it (SOUNDNESS A2).
import type { Clock } from '../../common/clock.ts';
import type { WantedRun } from '../image/block-fetcher.ts';
import type { ImageStore } from '../store/image-store.ts';
import { BLOCK_BYTES } from '../table/block-version.ts';
import { DATA, HERE } from '../table/version-run.ts';
import { AnswerRoom } from './answer-room.ts';
import type { Follower, Followers } from './followers.ts';
import { FETCH_BLOCKS_MAX } from './frame-fields.ts';
import { answerKeep } from './keep-answer.ts';
import { ANSWER_BLOCKS_MAX, encodePeerFrame, type PeerFrame, PeerFrameReader } from './peer-frame.ts';
import type { PeerStream } from './peer-stream.ts';
import { TableTeller } from './table-teller.ts';
import type { Meter, Traffic } from './traffic.ts';

/** Requests of one peer that wait for its socket; a peer that asks for more without reading is cut off. */
const WAITING_BLOCKS_MAX = 16 * FETCH_BLOCKS_MAX;

export interface PeerSessionParts {
  /** Undefined when this node has no such layer: everything is absent. */
  readonly store: ImageStore | undefined;
  /** Whether that is another store by now, so that the stream has to begin anew. */
  readonly isStale?: () => boolean;
  /** The store is of the layer that the one that is asked for was merged into: its blocks are here, its table is not. */
  readonly isMerged?: boolean;
  /** The other node. */
  readonly peer: string;
  readonly traffic: Traffic;
  /** Where stores are noted that follow and take what is offered to them. */
  readonly followers: Followers;
  readonly clock: Clock;
  readonly stream: PeerStream;
}

/** Changes that a follower has not taken yet; one that stays behind begins anew. */
const UNTAKEN_BYTES_MAX = 64 * 2 ** 20;

interface Question {
  readonly id: number;
  readonly run: WantedRun;
}

/** One stream that another store opened. */
export class PeerSession {
  readonly #parts: PeerSessionParts;
  readonly #reader = new PeerFrameReader();
  /** Of answers that have gone. */
  readonly #rooms: AnswerRoom[] = [];
  #questions: Question[] = [];
  #waitingBlocks = 0;
  #isFull = false;
  #isKeeping = false;
  #untakenBytes = 0;
  #teller: TableTeller | undefined;
  #follower: Follower | undefined;

  constructor(parts: PeerSessionParts) {
    this.#parts = parts;
  }

  received(chunk: Uint8Array): void {
    if (!this.#reader.receive(chunk, (frame) => this.#take(frame))) this.#parts.stream.close();
  }

  drained(): void {
    this.#isFull = false;
    this.#untakenBytes = 0;
    this.#teller?.drained();
    this.#answer();
  }

  closed(): void {
    this.#questions = [];
    this.#teller?.close();
    if (this.#follower !== undefined) this.#parts.followers.leave(this.#follower);
  }

  #take(frame: PeerFrame): void {
    if (frame.type === 'fetch') this.#fetch(frame.id, frame.runs);
    else if (frame.type === 'keep') this.#keep(frame.id, frame.runs);
    else if (frame.type === 'follow') this.#follow(frame.afterSequence);
    else if (!this.#heardOfOffers(frame)) this.#parts.stream.close();
  }

  /** Whether it was a word of a follower, on what it takes or on what it was offered. Where nothing is followed none counts. */
  #heardOfOffers(frame: PeerFrame): boolean {
    if (frame.type === 'takes') this.#follower?.takes(frame.isComing);
    if (frame.type === 'settled') return this.#follower?.settled(frame.id, frame.isHeld) ?? false;
    return frame.type === 'takes';
  }

  #fetch(id: number, runs: readonly WantedRun[]): void {
    for (const run of runs) {
      this.#questions.push({ id, run });
      this.#waitingBlocks += run.count;
    }
    if (this.#waitingBlocks > WAITING_BLOCKS_MAX) this.#parts.stream.close();
    else this.#answer();
  }

  /** One question of these at a time: each reads up to 4 MiB. */
  #keep(id: number, runs: readonly WantedRun[]): void {
    const { store, stream, peer } = this.#parts;
    if (this.#isKeeping) {
      stream.close();
      return;
    }
    this.#isKeeping = true;
    const answer = (kept: readonly WantedRun[]): void => {
      this.#isKeeping = false;
      this.#served.bytesOut += this.#write(encodePeerFrame({ type: 'kept', id, runs: kept }));
    };
    if (store === undefined) answer([]);
    else void answerKeep(store, runs, peer, answer);
  }

  /** Answers in order, an answer's worth at a time, as long as the other side keeps up. */
  #answer(): void {
    if (this.#parts.isStale?.() === true) {
      this.#parts.stream.close();
      return;
    }
    while (!this.#isFull) {
      const question = this.#questions.shift();
      if (question === undefined) return;
      const { id, run } = question;
      const count = Math.min(run.count, ANSWER_BLOCKS_MAX, this.#sameAnswer(run));
      const part = { ...run, count };
      this.#waitingBlocks -= count;
      if (count < run.count)
        this.#questions.unshift({ id, run: { ...run, first: run.first + count, count: run.count - count } });
      if (!this.#has(run, run.first)) this.#deny(id, part);
      else if (!this.#give(id, part)) this.#askAgain({ id, run: part });
    }
  }

  /** Some block of it was spoilt and is not here any more: its answer is another now. */
  #askAgain(question: Question): void {
    this.#questions.unshift(question);
    this.#waitingBlocks += question.run.count;
  }

  /** How many blocks of the run, from its first, are all here or all not. */
  #sameAnswer(run: WantedRun): number {
    const has = this.#has(run, run.first);
    const hint = this.#hint(run, run.first);
    let count = 1;
    while (
      count < run.count &&
      this.#has(run, run.first + count) === has &&
      (has || this.#hint(run, run.first + count) === hint)
    )
      count++;
    return count;
  }

  /** Whether the block is here in exactly this version, and durably so. */
  #has(run: WantedRun, block: number): boolean {
    const table = this.#parts.store?.table;
    if (table === undefined || table.isChanged(block)) return false;
    return table.equals(block, run.high, run.low) && table.contentOf(block) === (DATA | HERE);
  }

  #hint(run: WantedRun, block: number): string {
    const { store } = this.#parts;
    if (store === undefined || !store.table.equals(block, run.high, run.low)) return '';
    return store.holderName(store.table.holderOf(block));
  }

  /** False when some block turned out not to be what its version names. */
  #give(id: number, run: WantedRun): boolean {
    const room = this.#rooms.pop() ?? new AnswerRoom();
    const back = (): unknown => this.#rooms.push(room);
    try {
      if (this.#parts.store?.file.read(room.dataOf(run.count), run.first * BLOCK_BYTES) === true) {
        this.#served.bytesOut += this.#write(room.frameOf(id, run), back);
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
    this.#served.bytesOut += this.#write(encodePeerFrame({ type: 'absent', id, run, hint }));
  }

  #follow(afterSequence: number | undefined): void {
    const { store, clock, isMerged = false } = this.#parts;
    const reason = this.#teller === undefined ? refusal(store, isMerged) : 'this stream follows already';
    if (store === undefined || reason !== undefined) {
      this.#sendEntries({ type: 'refused', reason: reason ?? '' });
      return;
    }
    const { followers, peer } = this.#parts;
    const follower = followers.join(store.layer, peer, (frame) => this.#sendEntries(frame));
    const send = (frame: PeerFrame): void => {
      this.#sendEntries(frame);
      if (frame.type === 'mark') follower.begun();
    };
    this.#follower = follower;
    this.#teller = new TableTeller({ store, afterSequence, clock, send, isFull: () => this.#isFull });
  }

  get #served(): Meter {
    return this.#parts.traffic.meter(this.#parts.peer, 'served');
  }

  #sendEntries(frame: PeerFrame): void {
    this.#parts.traffic.meter(this.#parts.peer, 'table').bytesOut += this.#write(encodePeerFrame(frame));
  }

  /** Answers how many bytes those are. */
  #write(bytes: Uint8Array, done?: () => void): number {
    if (!this.#parts.stream.write(bytes, done)) this.#isFull = true;
    if (this.#isFull) this.#untakenBytes += bytes.length;
    if (this.#untakenBytes > UNTAKEN_BYTES_MAX) this.#parts.stream.close();
    return bytes.length;
  }
}

/** Why a store's table is not to be followed: only a writer's, or one that equals a closing or a proof, is an image's. */
function refusal(store: ImageStore | undefined, isMerged: boolean): string | undefined {
  if (store === undefined) return 'there is no such layer here';
  if (isMerged) return `it was merged into layer ${store.layer} here`;
  const { role, closing } = store.state;
  if (role === 'writer' || role === 'frozen' || role === 'cutting' || role === 'sealed') return undefined;
  if (closing !== null && closing.digest === store.table.mark.digest && role !== 'standby') return undefined;
  return `image ${store.image} is a ${role} here, whose table is not the image's`;
}
