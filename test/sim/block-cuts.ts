// Cuts of a simulated disk under its guest, as the orchestrator orders them: for a larger size, and for a snapshot that is
// forgotten at once, so that its layer may be merged. A cut whose end was not seen is ended by what its node says.
import {
  abortSnapshot,
  beginGrowth,
  beginSnapshot,
  finishGrowth,
  finishSnapshot,
  resizeImage,
} from '../../blockd/catalogue/catalogue-layers.ts';
import { codeOf } from '../../common/errors.ts';
import type { CutImage } from '../../wire/contracts/blockd.ts';
import { BlockCalls, CONTEXT } from './block-calls.ts';
import type { BlockGuest } from './block-guest.ts';
import type { BlockHead } from './block-head.ts';
import type { ClosedVersion, DiskHistory } from './block-history.ts';
import type { BlockMover } from './block-mover.ts';
import type { BlockSnapshots } from './block-snapshots.ts';
import type { World } from './world.ts';

const BLOCK_BYTES = 4096;
/** It grows by up to so many blocks at a time, to so many at the most. */
const GROWTH_BLOCKS_MAX = 5;
const BLOCKS_MAX = 48;

export interface CutsParts {
  readonly world: World;
  readonly guest: BlockGuest;
  readonly head: BlockHead;
  readonly mover: BlockMover;
  /** Those that are kept for a while; undefined when none is. */
  readonly snapshots: BlockSnapshots | undefined;
}

export class BlockCuts {
  /** How often it became larger, open or closed. */
  growths = 0;
  readonly #parts: CutsParts;
  readonly #calls: BlockCalls;

  constructor(parts: CutsParts) {
    this.#parts = parts;
    this.#calls = new BlockCalls(parts.world, 'cuts');
  }

  /** A snapshot of a disk that is written, which is forgotten at once unless it is to be kept. */
  async snapshot(): Promise<void> {
    await this.#cut(undefined);
  }

  /** A disk that is written becomes larger, and its guest sees it. */
  async grow(): Promise<void> {
    const bytes = this.#larger();
    if (bytes !== undefined && (await this.#cut(bytes))) this.#grown(bytes);
  }

  /** The same of one that is closed and that nobody reads: one commit. */
  growClosed(): void {
    const { head } = this.#parts;
    const bytes = this.#larger();
    if (bytes === undefined) return;
    head.commit(resizeImage(head.entry, head.nextLayer(), bytes));
    this.#grown(bytes);
  }

  #larger(): number | undefined {
    const { world, head } = this.#parts;
    const blocks = head.head.bytes / BLOCK_BYTES + 1 + world.prng.integer(GROWTH_BLOCKS_MAX);
    return blocks <= BLOCKS_MAX ? blocks * BLOCK_BYTES : undefined;
  }

  #grown(bytes: number): void {
    const { world, guest } = this.#parts;
    world.point(`${bytes} bytes`);
    guest.history.grow(bytes);
    this.growths++;
  }

  /** Whether it was cut. */
  async #cut(bytes: number | undefined): Promise<boolean> {
    const { guest, mover } = this.#parts;
    if (guest.node !== mover.writer) return false;
    let isCut = false;
    await mover.during(async () => {
      const isKept = bytes === undefined && this.#parts.snapshots?.wants() === true;
      const cutEnds = isKept ? guest.history.beginCut() : undefined;
      isCut = await this.#order(bytes, cutEnds);
    });
    return isCut;
  }

  /** `cutEnds`: of a snapshot that is kept, tells what it is of. */
  async #order(bytes: number | undefined, cutEnds: ReturnType<DiskHistory['beginCut']> | undefined): Promise<boolean> {
    const { world, head, mover, guest } = this.#parts;
    const { image, stack } = head.head;
    const { generation } = stack;
    const cut = head.nextId();
    const layer = head.nextLayer();
    const begun =
      bytes === undefined
        ? beginSnapshot([head.entry], { cut, snapshot: nameOf(cut), cuts: [{ image, generation, layer }] })[0]
        : beginGrowth(head.entry, { cut, generation, layer, bytes });
    head.commit(begun);
    const cuts = [{ image, layer, generation, ...(bytes === undefined ? {} : { bytes }) }];
    const { sealed } = await this.#calls
      .call(mover.writer, (calls) => calls['image.cut']({ cut, cuts }, CONTEXT))
      .catch((error: unknown) => this.#settle(cut, error));
    world.point(sealed.length > 0 ? 'cut' : 'not cut');
    const version = cutEnds?.(guest.hasLostPower);
    if (sealed.length > 0) this.#finish(cut, sealed, version);
    else head.commit(abortSnapshot([head.entry])[0]);
    return sealed.length > 0;
  }

  /** The node may have cut it all the same; it says so, or that it never will. */
  #settle(cut: string, error: unknown): Promise<{ sealed: CutImage[] }> {
    const { head, mover } = this.#parts;
    if (codeOf(error) === undefined) throw error;
    const order = { cut, images: [head.image] };
    return this.#calls.persist(mover.writer, async (calls) => calls['cut.cancel'](order, CONTEXT));
  }

  #finish(cut: string, sealed: readonly CutImage[], version: ClosedVersion | undefined): void {
    const { head, snapshots } = this.#parts;
    const isGrowth = head.head.cut?.bytes !== undefined;
    if (isGrowth) head.commit(finishGrowth(head.entry, cut, sealed));
    else {
      const { entries, snapshot } = finishSnapshot([head.entry], nameOf(cut), sealed, 0);
      head.commit(entries[0]);
      if (version !== undefined) snapshots?.keep(snapshot, version);
    }
  }
}

function nameOf(cut: string): string {
  return `s${cut}`;
}
