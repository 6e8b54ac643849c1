// What a store knows of an image that is about to be written there, or has just come: what was pushed to it and what became
// of that, where its blocks were read at the source, and what its propagation has learnt there.
import type { PropagationMemory } from '../../wire/contracts/propagation.ts';
import type { Image } from '../image/image.ts';
import type { AccessNotes } from '../propagation/access-notes.ts';
import { type ArrivalCounts, ArrivalLedger } from '../propagation/arrival-ledger.ts';
import { decodeHeat } from '../propagation/heat-summary.ts';
import type { VersionRun } from '../table/version-run.ts';

/** One image, from the first block that is pushed to it here to ten minutes after it came. */
export class ImageArrival {
  readonly #image: Image;
  #ledger: ArrivalLedger;
  #hottest: Uint32Array | undefined;
  #memory: PropagationMemory | undefined;
  #demandedBlocks = 0;
  #nowMs = 0;
  #isFirstMinuteTold = false;

  constructor(image: Image) {
    this.#image = image;
    this.#ledger = new ArrivalLedger(image.store.blocks);
  }

  /** Where the image was read most, the hottest regions first; undefined when the source did not say. */
  get hottest(): Uint32Array | undefined {
    return this.#hottest;
  }

  get memory(): PropagationMemory | undefined {
    return this.#memory;
  }

  /** Pushed blocks were installed. */
  pushed(first: number, count: number): void {
    this.#ledger.pushed(first, count);
  }

  /** The source tells of a version: what was pushed before of another is wasted. To be called before it is learnt. */
  told({ first, count, high, low }: VersionRun): void {
    if (this.#ledger.pendingBlocks === 0) return;
    const { table } = this.#image.store;
    for (let block = first; block < first + count; block++) {
      if (!table.equals(block, high, low)) this.#ledger.overwritten(block, 1);
    }
  }

  /** The source's summary of its reads; false when it is none of this image. */
  heardHeat(summary: Uint8Array): boolean {
    this.#hottest = decodeHeat(this.#image.store.blocks, summary);
    return this.#hottest !== undefined;
  }

  heardMemory(memory: PropagationMemory): void {
    this.#memory = memory;
  }

  /** The guest runs here from now on; the answered notes are told of its requests, and tell the given ones. */
  arrived(nowMs: number, next: () => AccessNotes | undefined): AccessNotes {
    this.#nowMs = nowMs;
    this.#demandedBlocks = this.#image.fetchedBlocks.demand;
    this.#ledger.arrived(nowMs);
    return {
      noteRead: (first, count) => {
        this.#ledger.read(first, count, 0, this.#nowMs);
        next()?.noteRead(first, count);
      },
      noteWrite: (first, count) => {
        this.#ledger.overwritten(first, count);
        next()?.noteWrite(first, count);
      },
      noteZero: (first, count) => {
        this.#ledger.overwritten(first, count);
        next()?.noteZero(first, count);
      },
    };
  }

  /** Lets time pass; a guest's reads belong to the time that was set last. */
  setTime(nowMs: number): void {
    const { demand } = this.#image.fetchedBlocks;
    this.#ledger.read(0, 0, demand - this.#demandedBlocks, this.#nowMs);
    this.#demandedBlocks = demand;
    this.#nowMs = nowMs;
  }

  get counts(): ArrivalCounts {
    return this.#ledger.counts(this.#nowMs);
  }

  /** Once, when the guest's first minute here is over: how many blocks it had to wait for in it. */
  takeFirstMinute(): number | undefined {
    if (this.#isFirstMinuteTold || !this.#ledger.isFirstMinuteOver(this.#nowMs)) return undefined;
    this.#isFirstMinuteTold = true;
    return this.counts.missed;
  }

  get isOver(): boolean {
    return this.#ledger.isOver(this.#nowMs);
  }

  /** The image left: what is pushed from now on is for the next time that it comes. */
  reset(): void {
    this.#ledger = new ArrivalLedger(this.#image.store.blocks);
    this.#hottest = undefined;
    this.#memory = undefined;
    this.#isFirstMinuteTold = false;
  }
}
