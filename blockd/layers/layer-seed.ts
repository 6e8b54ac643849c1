// Brings layers that never change to this node ahead of whoever will read them: their tables, then every block, at a
// stated rate and behind what a guest waits for.
import type { Clock } from '../../common/clock.ts';
import { codeOf, OperationError } from '../../common/errors.ts';
import type { SealedLayer } from '../../wire/contracts/layers.ts';
import { missingIn } from '../image/block-range.ts';
import { cancelled, pauseBefore, settledBefore } from '../image/settled-before.ts';
import { BLOCK_BYTES } from '../table/block-version.ts';
import type { VersionTable } from '../table/version-table.ts';
import { PullWindow, requestBlocks } from '../transfer/pull-window.ts';
import { bringAll } from './bring-all.ts';
import type { LayerBlocks } from './layer-blocks.ts';
import type { LayerShelf } from './layer-shelf.ts';

/** How far it is, is told no more often. */
const TOLD_MS = 100;
/** What is missing after one pass is asked for in the next; what no node has fails its pass. */
const PASSES_MAX = 8;

/** How blocks are brought. */
export interface FillJob {
  /** The node that is asked first. */
  readonly source: string;
  readonly rateBytesPerSecond: number;
  readonly progress: (doneBytes: number, totalBytes: number) => void;
  /** Ends it; what has come stays. */
  readonly signal: AbortSignal;
  /** What no node has any more stays missing, and is no failure. */
  readonly leavesLost?: boolean;
}

export interface SeedJob extends FillJob {
  readonly layers: readonly SealedLayer[];
}

/** @throws OperationError CANCELLED, BLOCKS_LOST, SIZE_DIFFERS; Error of the disk */
export async function seedLayers(job: SeedJob, shelf: Pick<LayerShelf, 'bring'>, clock: Clock): Promise<void> {
  const { layers, source, signal } = job;
  const brought = await bringAll(shelf, layers, source, signal);
  await fillLayers(job, brought, clock);
  // What has come is durable with the answer.
  for (const { store } of brought) await store.flush();
}

/** Brings every block that the layers' tables know to be missing here. @throws OperationError CANCELLED, and BLOCKS_LOST unless left */
export function fillLayers(job: FillJob, layers: readonly LayerBlocks[], clock: Clock): Promise<void> {
  return new Seed(job, layers, clock).run();
}

class Seed {
  readonly #job: FillJob;
  readonly #layers: readonly LayerBlocks[];
  readonly #clock: Clock;
  readonly #window: PullWindow;
  readonly #beganMs: number;
  #underWay = 0;
  /** Of whoever waits until one less is under way. A race of all those would cost each of them a promise each time. */
  #ended = Promise.withResolvers<void>();
  #askedBytes = 0;
  #toldMs = 0;
  #failure: unknown;

  constructor(job: FillJob, layers: readonly LayerBlocks[], clock: Clock) {
    this.#job = job;
    this.#layers = layers;
    this.#clock = clock;
    this.#window = new PullWindow(clock);
    this.#beganMs = clock.nowMs();
  }

  async run(): Promise<void> {
    this.#tell();
    // What another one fetched for may have been overtaken by a newer name on its way: it has ended then, and nothing has come.
    for (let pass = 0; pass < PASSES_MAX && this.#missing > 0; pass++) {
      const before = this.#missing;
      for (const layer of this.#layers) await this.#fetchAll(layer);
      while (this.#underWay > 0) await this.#one();
      this.#throwIfOver();
      // What is left is lost.
      if (this.#job.leavesLost === true && this.#missing === before) break;
    }
    if (this.#missing > 0 && this.#job.leavesLost !== true) throw stillMissing(this.#missing);
    this.#tell();
  }

  get #missing(): number {
    return this.#layers.reduce((sum, { store }) => sum + missingOf(store.table), 0);
  }

  async #fetchAll(layer: LayerBlocks): Promise<void> {
    const { table, blocks } = layer.store;
    for (let from = 0; ; ) {
      const first = table.nextMissing(from, blocks, 1)?.first;
      if (first === undefined) return;
      from = Math.min(first + requestBlocks(this.#job.rateBytesPerSecond), blocks);
      while (!this.#window.mayAsk(false)) await this.#one();
      await this.#whenDue();
      this.#throwIfOver();
      this.#begin(layer, first, from);
    }
  }

  #begin(layer: LayerBlocks, first: number, end: number): void {
    const bytes = missingIn(layer.store.table, first, end) * BLOCK_BYTES;
    this.#askedBytes += bytes;
    this.#underWay++;
    this.#window
      .during(bytes, !layer.isAsked(first, end), () => this.#fetch(layer, first, end))
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => {
        this.#underWay--;
        this.#ended.resolve();
        this.#ended = Promise.withResolvers();
        if (this.#clock.nowMs() - this.#toldMs >= TOLD_MS) this.#tell();
      });
  }

  async #fetch(layer: LayerBlocks, first: number, end: number): Promise<void> {
    try {
      await layer.fetch(first, end, 'background');
    } catch (error) {
      if (this.#job.leavesLost !== true || codeOf(error) !== 'BLOCKS_LOST') throw error;
      // The first that is lost ended the wait for the others.
      const blocks = Array.from({ length: end - first }, (_, index) => first + index);
      await Promise.all(blocks.map((block) => layer.fetch(block, block + 1, 'background').catch(unlessLost)));
    }
  }

  /** Waits for one of those under way; a holder that cannot be reached is waited for no longer than the caller does. */
  async #one(): Promise<void> {
    await settledBefore(this.#job.signal, this.#ended.promise);
    this.#throwIfOver();
  }

  /** Waits until the rate allows more. */
  async #whenDue(): Promise<void> {
    const dueMs = this.#beganMs + (this.#askedBytes / this.#job.rateBytesPerSecond) * 1000;
    const waitMs = dueMs - this.#clock.nowMs();
    if (waitMs > 0) await pauseBefore(this.#job.signal, this.#clock, waitMs);
  }

  #throwIfOver(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#job.signal.aborted) throw cancelled('the seeding was given up; what has come stays');
  }

  #tell(): void {
    this.#toldMs = this.#clock.nowMs();
    let done = 0;
    let total = 0;
    for (const { store } of this.#layers) {
      const { local } = store.table.census();
      done += local;
      total += local + missingOf(store.table);
    }
    this.#job.progress(done * BLOCK_BYTES, total * BLOCK_BYTES);
  }
}

/** Blocks with data that is not here. */
function missingOf(table: VersionTable): number {
  return [...table.census().elsewhere.values()].reduce((sum, count) => sum + count, 0);
}

function stillMissing(blocks: number): OperationError {
  return new OperationError(
    'SEED_OVERTAKEN',
    `${blocks} blocks changed their names on their way here, again and again`,
    {
      remedy: 'Seed it once more when its layers are not being merged.',
    },
  );
}

function unlessLost(error: unknown): void {
  if (codeOf(error) !== 'BLOCKS_LOST') throw error;
}
