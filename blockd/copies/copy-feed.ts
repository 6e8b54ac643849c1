// The writer's end of the stream to a store that keeps a copy: offers the image, tells the table with the contents of what
// each barrier made durable, and takes the copy's word on what is durable there. A state machine over frames.
import type { Clock } from '../../common/clock.ts';
import type { CopyOffer } from '../../wire/contracts/layers.ts';
import { isWriter } from '../image/image-roles.ts';
import type { Follower, Followers } from '../peer/followers.ts';
import { FrameIntake } from '../peer/frame-intake.ts';
import { encodePeerFrame, type PeerFrame } from '../peer/peer-frame.ts';
import type { PeerStream } from '../peer/peer-stream.ts';
import { TableTeller } from '../peer/table-teller.ts';
import type { Traffic } from '../peer/traffic.ts';
import type { ImageStore } from '../store/image-store.ts';
import type { TableMark } from '../table/version-table.ts';
import type { BarrierData } from './barrier-data.ts';

/** What is on its way to a copy and not taken there; beyond it no contents are sent, and the copy asks for what it lacks. */
const UNTAKEN_BYTES_MAX = 64 * 2 ** 20;
/** An entry that shares its run with no other. A copy that lets twice a whole table lie begins anew. */
const ENTRY_BYTES_MAX = 24;
/** Marks that a copy may still call durable; it speaks of those of the last round trips. */
const MARKS_MAX = 65_536;

export interface CopyFeedParts {
  readonly store: ImageStore;
  /** Where the copy is. */
  readonly node: string;
  readonly offer: CopyOffer;
  readonly data: BarrierData;
  /** Where a stand-by beside the copy is noted. */
  readonly followers: Followers;
  readonly traffic: Traffic;
  readonly clock: Clock;
  readonly stream: PeerStream;
  /** The copy has accepted the offer. */
  accepted(): void;
  /** Everything up to this sequence is durable there. */
  durable(sequence: number): void;
  /** What is there is newer than what was offered or told; the stream ends with that. */
  outdated(): void;
  /** The stream is of no use any more; it is to be closed. */
  failed(reason: string): void;
}

interface Told {
  readonly mark: TableMark;
  readonly bytes: number;
}

/** One stream to one copy. */
export class CopyFeed {
  readonly #parts: CopyFeedParts;
  readonly #intake: FrameIntake;
  #teller: TableTeller | undefined;
  #follower: Follower | undefined;
  #isFull = false;
  /** Marks that the copy may still call durable, the oldest first. */
  #told: Told[] = [];
  #untaken: Told[] = [];
  #untakenBytes = 0;
  #barrierBytes = 0;
  #toldUpTo = -1;
  #durableUpTo = -1;

  constructor(parts: CopyFeedParts) {
    this.#parts = parts;
    const { clock, failed } = parts;
    this.#intake = new FrameIntake({ clock, take: (frame) => this.#take(frame), failed });
  }

  /** Begins; nothing is told before the copy asks. */
  offer(): void {
    this.#intake.watch();
    this.#send({ type: 'copy', offer: this.#parts.offer });
  }

  /** Whether everything that was told is durable there. */
  get isSettled(): boolean {
    return this.#toldUpTo >= 0 && this.#durableUpTo === this.#toldUpTo;
  }

  received(chunk: Uint8Array): void {
    this.#intake.received(chunk);
  }

  drained(): void {
    this.#isFull = false;
    this.#teller?.drained();
  }

  closed(): void {
    this.#intake.end();
    this.#teller?.close();
    if (this.#follower !== undefined) this.#parts.followers.leave(this.#follower);
  }

  /** Answers what is wrong with a frame, or nothing. */
  #take(frame: PeerFrame): string {
    switch (frame.type) {
      case 'follow':
        return this.#follow(frame.afterSequence);
      case 'taken':
        return this.#taken(frame.sequence);
      case 'durable':
        return this.#durable(frame.epoch, frame.mark);
      case 'takes':
        return this.#takes(frame.isComing);
      case 'settled':
        return this.#follower?.settled(frame.id, frame.isHeld) === true ? '' : 'it speaks of what it was never offered';
      case 'outdated':
        this.#parts.outdated();
        return frame.reason;
      case 'refused':
        return frame.reason === '' ? 'it refused' : frame.reason;
      default:
        return `it sent a frame of type ${frame.type}`;
    }
  }

  #follow(afterSequence: number | undefined): string {
    if (this.#teller !== undefined) return 'it asked for the table twice';
    const { store, clock, data } = this.#parts;
    this.#parts.accepted();
    this.#teller = new TableTeller({
      ...{ store, clock, afterSequence },
      send: (frame) => this.#send(frame),
      isFull: () => this.#isFull,
      extras: {
        prepare: (runs) => data.take(runs),
        before: (runs) => this.#sendContents(runs),
        marked: (mark, isNew) => this.#marked(mark, isNew),
      },
    });
    return '';
  }

  /** A stand-by beside the copy takes what a follower does. */
  #takes(isComing: boolean): string {
    const { followers, store, node } = this.#parts;
    this.#follower ??= followers.join(store.layer, node, (frame) => this.#send(frame));
    this.#follower.takes(isComing);
    if (this.#toldUpTo >= 0) this.#follower.begun();
    return '';
  }

  #sendContents(runs: Buffer): void {
    for (const { run, data } of this.#parts.data.of(runs)) {
      if (this.#untakenBytes + this.#barrierBytes > UNTAKEN_BYTES_MAX) return;
      this.#send({ type: 'blocks', id: 0, runs: [run], data });
    }
  }

  #marked(mark: TableMark, isNew: boolean): void {
    if (!isNew) return;
    const told = { mark, bytes: this.#barrierBytes };
    this.#barrierBytes = 0;
    this.#untakenBytes += told.bytes;
    this.#untaken.push(told);
    this.#told.push(told);
    this.#toldUpTo = mark.lastSequence;
    this.#follower?.begun();
    if (this.#told.length > MARKS_MAX) this.#told.splice(0, MARKS_MAX / 2);
    const tableBytes = this.#parts.store.table.placedBlocks * ENTRY_BYTES_MAX;
    if (this.#untakenBytes > 2 * (UNTAKEN_BYTES_MAX + tableBytes)) this.#parts.failed('it does not keep up');
  }

  #taken(sequence: number): string {
    // It says 0 as long as it has heard no mark, to be known for alive.
    if (sequence > Math.max(0, this.#toldUpTo)) return 'it has taken what nobody told it';
    const left = this.#untaken.findIndex(({ mark }) => mark.lastSequence > sequence);
    for (const { bytes } of this.#untaken.splice(0, left < 0 ? this.#untaken.length : left))
      this.#untakenBytes -= bytes;
    return '';
  }

  /** Counts only under the writer's own epoch, and for a table that this one was (SOUNDNESS A4, A13). */
  #durable(epoch: number, mark: TableMark): string {
    const { role, epoch: own } = this.#parts.store.state;
    if (epoch !== own || epoch !== this.#parts.offer.epoch) return `it speaks of epoch ${epoch}, and this is ${own}`;
    // A top that was just cut is no writer's any more, and what was written to it is the image's all the same.
    if (!isWriter(role) && role !== 'sealed') return `image ${this.#parts.offer.image} is a ${role} here`;
    const at = this.#told.findLastIndex(
      (told) => told.mark.lastSequence === mark.lastSequence && told.mark.digest === mark.digest,
    );
    if (at < 0) return 'what it calls durable is not what the table was';
    this.#told.splice(0, at);
    this.#durableUpTo = mark.lastSequence;
    this.#parts.durable(mark.lastSequence);
    return '';
  }

  #send(frame: PeerFrame): void {
    const bytes = encodePeerFrame(frame);
    this.#barrierBytes += bytes.length;
    const { traffic, node } = this.#parts;
    traffic.meter(node, frame.type === 'blocks' ? 'served' : 'table').bytesOut += bytes.length;
    if (!this.#parts.stream.write(bytes)) this.#isFull = true;
  }
}
