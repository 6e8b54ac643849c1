// What a writer says beside its table to a store where its image may be written next: blocks that it offers, where the image
// is read, what was learnt. One per stream; what becomes of it is decided elsewhere.
import type { PropagationMemory } from '../../wire/contracts/propagation.ts';
import type { WantedRun } from '../layers/block-fetcher.ts';
import type { VersionRun } from '../table/version-run.ts';
import type { PeerFrame } from './peer-frame.ts';

/** Takes what is offered. */
export interface OfferTaker {
  readonly isComing: boolean;
  take(layer: string, runs: readonly WantedRun[]): Promise<boolean>;
  /** What the source says of blocks, before it is learnt. */
  told(run: VersionRun): void;
  /** Where the image is read, as in `heat-summary.ts`; false when that is rubbish. */
  heardHeat(summary: Uint8Array): boolean;
  heardMemory(memory: PropagationMemory): void;
}

/** The words of one stream. */
export class HeardOffers {
  readonly #send: (frame: PeerFrame) => void;
  /** Nobody takes anything without it. */
  taker: OfferTaker | undefined;

  /** `send`: on this stream, as long as it is open. */
  constructor(send: (frame: PeerFrame) => void, taker?: OfferTaker) {
    this.#send = send;
    this.taker = taker;
  }

  /** Tells the writer whether the image is about to be written here. */
  tellComing(): void {
    if (this.taker !== undefined) this.#send({ type: 'takes', isComing: this.taker.isComing });
  }

  /** Answers what is wrong with a frame, or nothing. */
  take(frame: PeerFrame): string {
    switch (frame.type) {
      case 'offer':
        void this.#offered(frame);
        return '';
      case 'heat':
        return (this.taker?.heardHeat(frame.summary) ?? true) ? '' : 'it sent no summary of reads of this image';
      case 'memory':
        this.taker?.heardMemory(frame.memory);
        return '';
      default:
        return `it sent a frame of type ${frame.type}`;
    }
  }

  async #offered({ id, layer, runs }: PeerFrame & { type: 'offer' }): Promise<void> {
    const isHeld = (await this.taker?.take(layer, runs)) ?? false;
    this.#send({ type: 'settled', id, isHeld });
  }
}
