// One image at this node: its requests, and how it becomes a writer, a stand-by, a replica. What a role means for other
// nodes is decided elsewhere; each change of role is durable before it counts.
import { isDeepStrictEqual } from 'node:util';
import type { Closing } from '../../wire/contracts/blockd.ts';
import type { SealedLayer } from '../../wire/contracts/layers.ts';
import type { CopiesMeant } from '../../wire/contracts/propagation.ts';
import type { Endpoint } from '../../wire/names.ts';
import type { LayerBlocks } from '../layers/layer-blocks.ts';
import type { Cut, StoreState } from '../store/store-record.ts';
import type { EpochEnd } from '../table/block-version.ts';
import type { ImageParts } from './image-reads.ts';
import { ImageRequests } from './image-requests.ts';
import { isOpen } from './image-roles.ts';

/** Changes of role of one image at this node. */
export class Image extends ImageRequests {
  /** What was last asked to be meant since it was opened. */
  #meaning: { readonly copies: CopiesMeant | null } | undefined;
  #isNoting = false;

  constructor(parts: ImageParts) {
    super(parts);
    this.#letThrough();
  }

  /** Whether all layers are here, so that anything may be read. */
  get isWhole(): boolean {
    return this.stack.layers.length === this.store.state.below.length + 1;
  }

  /** The layers below have come; requests go through now if the role lets them. */
  complete(below: readonly LayerBlocks[]): void {
    this.layOver(this.stack.top, below);
    this.#letThrough();
  }

  /** The same by fewer layers, or by others that are yet to come. Nothing that is read is another for it. */
  async restack(below: readonly SealedLayer[]): Promise<void> {
    const before = this.store.state.below;
    await this.store.commit({ state: { below: [...below] } });
    // What was on its way may have come meanwhile.
    const isWhole = this.stack.layers.length === before.length + 1;
    const kept = this.stack.layers.filter(({ store }) => below.some(({ layer }) => layer === store.layer));
    this.layOver(this.stack.top, isWhole ? kept : []);
  }

  /** A new top lies over the others; who waited to write goes on there. */
  coverWith(top: LayerBlocks): void {
    this.layOver(top, this.stack.layers);
    this.#letThrough();
  }

  #letThrough(): void {
    const { role } = this.store.state;
    if (!this.isWhole) return;
    if (role === 'writer') this.gate.set('open');
    // A cut that was under way is completed or taken back before anyone is served.
    if (role === 'frozen' || role === 'cutting') this.gate.set('frozen');
  }

  /** What the top's table is now, as the proof for another store. */
  closing(): Closing {
    const { image, epoch, generation } = this.store.state;
    const copies = this.meant;
    return { image, epoch, ...this.store.table.mark, generation, ...(copies === null ? {} : { copies }) };
  }

  /** What an answer to a flush means by what is durable here. */
  get noted(): CopiesMeant | null {
    return this.store.state.copies ?? null;
  }

  /** What it is to mean: a closing says so. */
  get meant(): CopiesMeant | null {
    return this.#meaning === undefined ? this.noted : this.#meaning.copies;
  }

  /** Durable with the answer, unless something else is to be noted by then. @throws OperationError ENOSPC, STORE_FAILED; it is meant all the same */
  async mean(copies: CopiesMeant | null): Promise<void> {
    this.#meaning = { copies };
    if (this.#isNoting) return;
    this.#isNoting = true;
    try {
      while (!isDeepStrictEqual(this.noted, this.meant)) await this.store.commit({ state: { copies: this.meant } });
    } finally {
      this.#isNoting = false;
    }
  }

  /**
   * Becomes the writer of a granted epoch; all layers are here, their tables compared with the last closing and proofs.
   * Extents that were marked for a copy go idle with it: what a newer name left in them is nobody's write (SOUNDNESS A3).
   */
  async open(epoch: number, last: Closing, migration: string | null, ends: readonly EpochEnd[] = []): Promise<void> {
    const { cutOff = null } = this.store.state;
    const aside = cutOff === null ? {} : { cutOff: null };
    const { copies = null } = last;
    this.#meaning = undefined;
    const state = { ...IDLE, ...aside, role: 'writer', epoch, migration, closing: null, copies } as const;
    const allEnds = mergeEnds(this.store.state.ends, ends, last);
    await this.store.commit({ clean: true, reserve: true, state: { ...state, ends: allEnds } });
    this.gate.set('open');
  }

  /** Stays as it is and may be read: its table is the one that was closed last, durably. */
  async rest(last: Closing, ends: readonly EpochEnd[]): Promise<void> {
    await this.store.commit({ clean: true, state: { ends: mergeEnds(this.store.state.ends, ends, last) } });
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
   * A stand-by gives up; what a writer that was fenced wrote and nobody else saw is no part of the image (SOUNDNESS A7), and
   * is noted to be set aside. The table is nobody's then; single blocks stay usable by version.
   */
  async abandon(): Promise<void> {
    this.gate.set('ended');
    const { role, closing, epoch } = this.store.state;
    const kept = role === 'standby' ? closing : null;
    const tail = isOpen(role) && role !== 'standby' ? { cutOff: epoch } : {};
    await this.store.commit({ clean: true, state: { ...IDLE, ...tail, role: 'replica', closing: kept } });
  }

  /** Stands still for a cut of images, durably; `goOn` ends that. @throws OperationError ENOSPC, STORE_FAILED */
  async standStill(cut: Cut): Promise<void> {
    await this.#stop(() => ({ role: 'cutting', cut }));
  }

  /** The writer goes on, without the cut. The gate is opened whatever happens: nothing was switched. */
  async goOn(): Promise<void> {
    try {
      const { role } = this.store.state;
      if (role === 'cutting') await this.store.commit({ state: { role: 'writer', cut: null, closing: null } });
    } finally {
      this.gate.set('open');
    }
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
}

const IDLE = { migration: null, from: null, verified: false } as const;

/** How all earlier epochs ended, as far as anyone said. */
function mergeEnds(own: readonly EpochEnd[], told: readonly EpochEnd[], last: EpochEnd): EpochEnd[] {
  const ends = new Map([...own, ...told, last].map((end) => [end.epoch, end.lastSequence]));
  return Array.from(ends, ([epoch, lastSequence]) => ({ epoch, lastSequence }));
}
