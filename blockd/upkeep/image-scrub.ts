// An image read at once because a person asked: all that this store has of its layers, with what was found and healed. It
// gives way to clients after each MiB.
import { type Clock, pause, within } from '../../common/clock.ts';
import { OperationError } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { ScrubReport } from '../../wire/contracts/blockd.ts';
import { settledBefore } from '../image/settled-before.ts';
import { BLOCK_BYTES } from '../table/block-version.ts';
import type { Healings } from './healings.ts';
import { type Healing, heldBlocks, isMissing, missingBlocks, type ScrubbedLayer, scrubNext } from './layer-scrub.ts';

/** How long it waits in the end for holders of rotten blocks that cannot be reached; they are fetched later all the same. */
const HEALING_MS = 30_000;
/** Of one layer; a disk on which more has rotted is said to have lost as many. */
const MISSING_MAX = 4_096;
/** Entries that are looked at in one step: a millisecond. */
const STEP_BLOCKS = 16_384;

export interface ImageScrubJob {
  readonly image: string;
  readonly layers: readonly ScrubbedLayer[];
  readonly healings: Pick<Healings, 'add'>;
  readonly progress: (doneBytes: number, totalBytes: number) => void;
  /** Ends it; what was found is healed all the same. */
  readonly signal: AbortSignal;
  /** A layer has been read from end to end. */
  readonly done: (layer: string) => Promise<void>;
}

/** @throws OperationError CANCELLED, STORE_FAILED */
export async function scrubImage(job: ImageScrubJob, clock: Clock, log: Log): Promise<ScrubReport> {
  const { layers, progress, signal } = job;
  const totalBytes = layers.reduce((sum, layer) => sum + heldBlocks(layer), 0) * BLOCK_BYTES;
  const healings: Promise<Healing>[] = [];
  const sought: Promise<Healing>[] = [];
  const over: ScrubbedLayer[] = [];
  let checkedBlocks = 0;
  let unreadBlocks = 0;
  progress(0, totalBytes);
  for (const layer of layers) {
    const unreadBefore = unreadBlocks;
    for (const block of await missingOf(layer, over, clock)) sought.push(soughtAt(layer, block, job.healings));
    over.push(layer);
    for (let from = 0; ; ) {
      if (signal.aborted) throw new OperationError('CANCELLED', `the scrub of image ${job.image} was given up`);
      const step = await scrubNext(layer, from, log);
      if (layer.store.failure !== undefined) throw layer.store.failure;
      if (step === undefined) break;
      from = step.end;
      checkedBlocks += step.checkedBlocks;
      unreadBlocks += step.unreadBlocks;
      healings.push(...step.rotten.map((block) => job.healings.add(layer, block)));
      progress(Math.min(totalBytes, checkedBlocks * BLOCK_BYTES), totalBytes);
      await pause(clock);
    }
    if (unreadBlocks === unreadBefore) await job.done(layer.store.layer);
  }
  const ends = [endsOf(healings, clock, signal), endsOf(sought, clock, signal)] as const;
  const [ended, found] = await Promise.all(ends);
  const rottenBlocks = healings.length + sought.length - count(found, 'healed');
  const healedBlocks = count(ended, 'healed');
  const lostBlocks = count(ended, 'lost') + count(found, 'lost');
  const waitingBlocks = rottenBlocks - healedBlocks - lostBlocks;
  return { checkedBlocks, unreadBlocks, rottenBlocks, healedBlocks, lostBlocks, waitingBlocks };
}

/** Of a layer, gathered in steps as everything else here. */
async function missingOf(layer: ScrubbedLayer, over: readonly ScrubbedLayer[], clock: Clock): Promise<number[]> {
  const { table, blocks } = layer.store;
  const missing: number[] = [];
  for (let from = 0; table.hasMissing && from < blocks && missing.length < MISSING_MAX; from += STEP_BLOCKS) {
    missing.push(...missingBlocks(layer, over, from, Math.min(from + STEP_BLOCKS, blocks)));
    await pause(clock);
  }
  return missing.slice(0, MISSING_MAX);
}

/** What a merge has moved meanwhile was not lost. */
async function soughtAt(layer: ScrubbedLayer, block: number, healings: ImageScrubJob['healings']): Promise<Healing> {
  const how = await healings.add(layer, block);
  return how === 'lost' && !isMissing(layer, block) ? 'healed' : how;
}

function count(ended: readonly Healing[], how: Healing): number {
  return ended.filter((one) => one === how).length;
}

/** Those that have ended within the time. */
async function endsOf(healings: readonly Promise<Healing>[], clock: Clock, signal: AbortSignal): Promise<Healing[]> {
  const ended: Healing[] = [];
  const all = Promise.all(healings.map(async (healing) => void ended.push(await healing)));
  await within(clock, HEALING_MS, (end) => settledBefore(AbortSignal.any([signal, end]), all));
  return ended;
}
