// The serving end of one stream from another store: answers fetches by version equality and tells a follower the table.
// A state machine over frames; only what is durable leaves it (SOUNDNESS A2).
import type { Clock } from '../../common/clock.ts';
import type { PropagationMemory } from '../../wire/contracts/propagation.ts';
import { isCutOff, keepsFlushed } from '../copies/whole-copy.ts';
import type { WantedRun } from '../layers/block-fetcher.ts';
import type { ImageStore } from '../store/image-store.ts';
import type { TableMark } from '../table/version-table.ts';
import { BlockAnswers } from './block-answers.ts';
import type { Follower, Followers } from './followers.ts';
import { answerKeep } from './keep-answer.ts';
import { encodePeerFrame, type PeerFrame, PeerFrameReader } from './peer-frame.ts';
import type { PeerStream } from './peer-stream.ts';
import { sameTable } from './table-follower.ts';
import { TableTeller } from './table-teller.ts';
import type { Meter, Traffic } from './traffic.ts';

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
  /** Of the layer's image, as far as is known here. */
  readonly newestEpoch?: () => number;
  /** Looks for blocks that have rotted here. Never rejects. */
  readonly heal?: (first: number, end: number) => void;
  /** Takes what of the blocks lies here under the name of a layer that this one was merged into; undefined if there is none. */
  readonly near?: (first: number, end: number) => Promise<unknown> | undefined;
  /** What was learnt of the layer's image while it was written here. */
  readonly memory?: () => PropagationMemory | undefined;
  readonly clock: Clock;
  readonly stream: PeerStream;
}

/** Changes that a follower has not taken yet; one that stays behind begins anew. */
const UNTAKEN_BYTES_MAX = 64 * 2 ** 20;

/** One stream that another store opened. */
export class PeerSession {
  readonly #parts: PeerSessionParts;
  readonly #reader = new PeerFrameReader();
  readonly #answers: BlockAnswers;
  #isFull = false;
  #isKeeping = false;
  #isClosed = false;
  #untakenBytes = 0;
  #teller: TableTeller | undefined;
  #follower: Follower | undefined;

  constructor(parts: PeerSessionParts) {
    this.#parts = parts;
    const send = (bytes: Uint8Array, done?: () => void): void => {
      this.#served.bytesOut += this.#write(bytes, done);
    };
    const isFull = (): boolean => this.#isFull || this.#endIfStale();
    this.#answers = new BlockAnswers({ store: parts.store, send, isFull, heal: parts.heal, near: parts.near });
  }

  received(chunk: Uint8Array): void {
    if (!this.#reader.receive(chunk, (frame) => this.#take(frame))) this.#parts.stream.close();
  }

  drained(): void {
    this.#isFull = false;
    this.#untakenBytes = 0;
    this.#teller?.drained();
    this.#answers.go();
  }

  closed(): void {
    this.#isClosed = true;
    this.#answers.close();
    this.#teller?.close();
    if (this.#follower !== undefined) this.#parts.followers.leave(this.#follower);
  }

  #take(frame: PeerFrame): void {
    if (frame.type === 'fetch') this.#fetch(frame.id, frame.runs);
    else if (frame.type === 'keep') this.#keep(frame);
    else if (frame.type === 'follow') this.#follow(frame);
    else if (!this.#heardOfOffers(frame)) this.#parts.stream.close();
  }

  /** Whether it was a word of a follower, on what it takes or on what it was offered. Where nothing is followed none counts. */
  #heardOfOffers(frame: PeerFrame): boolean {
    if (frame.type === 'takes') this.#takes(frame.isComing);
    if (frame.type === 'settled') return this.#follower?.settled(frame.id, frame.isHeld) ?? false;
    return frame.type === 'takes';
  }

  /** A store that takes over what is closed here hears now what a stand-by hears from a writer. */
  #takes(isComing: boolean): void {
    if (this.#follower === undefined) return;
    this.#follower.takes(isComing);
    const { store, memory } = this.#parts;
    const learnt = store?.state.role === 'replica' ? memory?.() : undefined;
    if (learnt !== undefined) this.#sendEntries({ type: 'memory', memory: learnt });
  }

  #fetch(id: number, runs: readonly WantedRun[]): void {
    if (!this.#answers.ask(id, runs)) this.#parts.stream.close();
  }

  /** One question of these at a time: each reads up to 4 MiB. */
  #keep({ id, flushed, epoch, runs }: Extract<PeerFrame, { type: 'keep' }>): void {
    const { store, stream, peer, newestEpoch } = this.#parts;
    if (this.#isKeeping) {
      stream.close();
      return;
    }
    this.#isKeeping = true;
    const answer = (kept: readonly WantedRun[]): void => {
      this.#isKeeping = false;
      this.#served.bytesOut += this.#write(encodePeerFrame({ type: 'kept', id, runs: kept }));
    };
    const newest = Math.max(epoch, newestEpoch?.() ?? 0);
    if (store === undefined || isCutOff(store, newest) || (flushed && !keepsFlushed(store))) answer([]);
    else void answerKeep(store, runs, peer, answer);
  }

  /** The layer is another store by now: the other side begins anew, and asks that one. */
  #endIfStale(): boolean {
    if (this.#parts.isStale?.() !== true) return false;
    this.#parts.stream.close();
    return true;
  }

  #follow({ afterSequence, proof }: Extract<PeerFrame, { type: 'follow' }>): void {
    const { store, clock, isMerged = false } = this.#parts;
    const reason = this.#teller === undefined ? refusal(store, isMerged, proof) : 'this stream follows already';
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
    this.#teller = new TableTeller({
      store,
      afterSequence,
      clock,
      send,
      isFull: () => this.#isFull || this.#endIfStale(),
    });
    // The stream may have ended with the first word: nobody would take this one off the store's listeners any more.
    if (this.#isClosed) this.closed();
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
function refusal(store: ImageStore | undefined, isMerged: boolean, proof?: TableMark): string | undefined {
  if (store === undefined) return 'there is no such layer here';
  if (isMerged) return `it was merged into layer ${store.layer} here`;
  if (proof !== undefined && !sameTable(store.table.mark, proof))
    return `layer ${store.layer} is in another state here`;
  const { role, closing } = store.state;
  if (role === 'writer' || role === 'frozen' || role === 'cutting' || role === 'sealed') return undefined;
  if (closing !== null && closing.digest === store.table.mark.digest && role !== 'standby') return undefined;
  return `image ${store.image} is a ${role} here, whose table is not the image's`;
}
