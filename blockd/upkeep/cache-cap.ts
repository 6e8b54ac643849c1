// Keeps the space of blocks that are only cached under a cap, and some of the disk free: lets go of what was of no use for
// longest, each block only after another store has said, just now, that it holds and keeps that version (SOUNDNESS A11);
// where a policy wants copies, so many others. A block that too few others keep stays, whatever the cap says.
import { type Clock, pause, type Timer } from '../../common/clock.ts';
import type { DiskRoom } from '../../common/disk/disk-room.ts';
import { messageOf } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { WantedRun } from '../layers/block-fetcher.ts';
import type { LayerBlocks } from '../layers/layer-blocks.ts';
import type { AskKeep } from '../peer/keep-question.ts';
import type { ImageStore } from '../store/image-store.ts';
import { bytesAtMost, type CachedRegion, cachedRegions } from './cached-regions.ts';

/** How soon it looks again; uses between two looks count as at once. */
const LOOK_MS = 10_000;
/** Between two regions: at most 80 MB/s are read for it at other stores. */
const STEP_MS = 50;
/** A region of which something was refused is offered again at the next look, then after two, four and so on: ten minutes. */
const REFUSED_LOOKS_MAX = 60;
/** Of the file system: less free room than that, and cached blocks go. */
const FREE_SHARE = 0.1;
/** A cap is gone under by so much of it, that not each new block means letting one go. */
const SLACK_SHARE = 1 / 16;

/** The limits of one store. */
export interface CacheLimits {
  /** The most that blocks take that are only cached; without it only the free room of the disk counts. */
  readonly capBytes: number | undefined;
  /** The room of the disk that the store lies on. */
  room(): Promise<DiskRoom>;
  /** How soon it looks again; for tests. */
  readonly lookMs?: number;
}

/** A region that is not offered before that look, and how long it is not if it is refused again. */
interface Refusal {
  readonly until: number;
  readonly looks: number;
}

export interface CacheCapParts {
  readonly limits: CacheLimits;
  /** The layers whose blocks may go: nobody writes, reads or opens them here. */
  readonly layers: () => readonly LayerBlocks[];
  /** This node's name. */
  readonly node: string;
  /** The other members' names. */
  readonly members: () => readonly string[];
  /** How many other stores must keep what goes of a layer; 1 at least. */
  readonly keepers: (store: ImageStore) => number;
  /** The newest epoch of a layer's image that is known here; none that was only granted, to a migration that was cancelled say. */
  readonly epochOf: (store: ImageStore) => number;
  readonly ask: AskKeep;
  readonly clock: Clock;
  readonly log: Log;
}

/** The cap of one store. */
export class CacheCap {
  readonly #parts: CacheCapParts;
  readonly #refused = new Map<string, Refusal>();
  #turn = 0;
  #timer: Timer | undefined;
  #isLooking = false;
  #isStopped = false;

  constructor(parts: CacheCapParts) {
    this.#parts = parts;
  }

  start(): void {
    const { clock, limits } = this.#parts;
    if (!this.#isStopped) this.#timer = clock.setTimer(limits.lookMs ?? LOOK_MS, () => void this.#look());
  }

  /** Does not wait for the next look. */
  lookNow(): void {
    if (this.#isLooking || this.#isStopped || this.#timer === undefined) return;
    this.#timer.cancel();
    void this.#look();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    const { layers, log } = this.#parts;
    this.#turn++;
    this.#isLooking = true;
    for (const { store } of layers()) store.file.use.turn = this.#turn;
    try {
      const excess = await this.#excess(bytesAtMost(layers()));
      if (excess > 0) await this.#shrink();
    } catch (error) {
      log.warn({ reason: messageOf(error) }, 'cached blocks were not let go of');
    }
    this.#isLooking = false;
    this.start();
  }

  /** How many bytes are too many, given what is cached. */
  async #excess(cachedBytes: number): Promise<number> {
    const { capBytes, room } = this.#parts.limits;
    const { freeBytes, totalBytes } = await room();
    const overCap = capBytes === undefined ? 0 : cachedBytes - capBytes;
    const tooFull = Math.min(cachedBytes, totalBytes * FREE_SHARE - freeBytes);
    return Math.max(overCap, tooFull);
  }

  async #shrink(): Promise<void> {
    const { layers, clock, log, limits } = this.#parts;
    const regions = await cachedRegions(layers(), clock);
    const cachedBytes = regions.reduce((sum, { bytes }) => sum + bytes, 0);
    const excess = await this.#excess(cachedBytes);
    if (excess <= 0) return;
    const wanted = excess + (limits.capBytes ?? 0) * SLACK_SHARE;
    this.#forgetBut(regions);
    const silent = new Set<string>();
    let gone = 0;
    let asked = 0;
    for (const region of regions) {
      if (gone >= wanted || this.#isStopped) break;
      if (this.#isRefused(region) || !layers().includes(region.layer)) continue;
      const bytes = await this.#letGo(region, silent);
      if (bytes < region.bytes) this.#refuse(region);
      asked += 1;
      gone += bytes;
      await pause(clock, STEP_MS);
    }
    if (gone > 0) log.info({ cachedBytes, excess, gone }, 'cached blocks were let go of');
    // Of what was refused before it was told then.
    if (gone < excess && asked > 0)
      log.warn({ cachedBytes, excess, gone }, 'no other node keeps the rest of what is cached');
  }

  /** `silent`: who did not answer in this round, and is asked no more in it. */
  #letGo({ layer, first, end }: CachedRegion, silent: Set<string>): Promise<number> {
    const { store } = layer;
    const needed = this.#parts.keepers(store);
    const epoch = this.#parts.epochOf(store);
    return store.copies.leaving({ first, end }, this.#parts.node, async () => {
      const said = new KeeperCounts(needed);
      let gone = 0;
      for (const node of this.#parts.members().filter((one) => !silent.has(one))) {
        const held = heldRuns(layer, first, end);
        if (held.length === 0) break;
        const kept = await this.#parts.ask(node, { layer: store.layer, runs: held, flushed: needed > 1, epoch });
        // Meanwhile it may have been opened here.
        if (this.#isStopped || !this.#parts.layers().includes(layer)) break;
        if (kept === undefined) silent.add(node);
        else if (kept.length > 0) gone += await store.copies.letGo(said.enough(kept), node);
      }
      return gone;
    });
  }

  #isRefused(region: CachedRegion): boolean {
    return (this.#refused.get(keyOf(region))?.until ?? 0) > this.#turn;
  }

  #refuse(region: CachedRegion): void {
    const looks = this.#refused.get(keyOf(region))?.looks ?? 1;
    this.#refused.set(keyOf(region), { until: this.#turn + looks, looks: Math.min(2 * looks, REFUSED_LOOKS_MAX) });
  }

  #forgetBut(regions: readonly CachedRegion[]): void {
    const here = new Set(regions.map(keyOf));
    for (const key of this.#refused.keys()) if (!here.has(key)) this.#refused.delete(key);
  }
}

/** By how many stores each block is kept, in which version. */
class KeeperCounts {
  readonly #needed: number;
  readonly #counts = new Map<string, number>();

  constructor(needed: number) {
    this.#needed = needed;
  }

  /** One more store keeps these: the parts of them that enough do. */
  enough(kept: readonly WantedRun[]): readonly WantedRun[] {
    if (this.#needed <= 1) return kept;
    return kept.flatMap((run) => {
      const blocks = Array.from({ length: run.count }, (_, index) => ({ ...run, first: run.first + index, count: 1 }));
      return blocks.filter((block) => this.#count(block) >= this.#needed);
    });
  }

  #count({ first, high, low }: WantedRun): number {
    const key = `${first} ${high} ${low}`;
    const count = (this.#counts.get(key) ?? 0) + 1;
    this.#counts.set(key, count);
    return count;
  }
}

/** What of a region is here and durably so. */
function heldRuns({ store }: LayerBlocks, first: number, end: number): WantedRun[] {
  const runs: WantedRun[] = [];
  for (let from = first; from < end; ) {
    const run = store.table.nextHeld(from, end, end - from);
    if (run === undefined) break;
    const { high, low, count } = run;
    runs.push({ first: run.first, count, high, low });
    from = run.first + count;
  }
  return runs;
}

function keyOf({ layer, first }: CachedRegion): string {
  return `${layer.store.layer} ${first}`;
}
