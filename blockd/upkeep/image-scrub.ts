// An image read at once because a person asked: all that this store has of its layers, with what was found and healed. It
// gives way to clients after each MiB.
import { type Clock, pause } from '../../common/clock.ts';
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
    for (const block of missingBlocks(layer, over, MISSING_MAX)) sought.push(soughtAt(layer, block, job.healings));
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
  const [ended, found] = await endsOf([healings, sought], clock, signal);
  const [healedBlocks, lost, lostBefore] = [count(ended, 'healed'), count(ended, 'lost'), count(found, 'lost')];
  const soughtBlocks = sought.length - found.length;
  const rottenBlocks = healings.length + lostBefore + soughtBlocks;
  const waitingBlocks = healings.length - healedBlocks - lost + soughtBlocks;
  return { checkedBlocks, unreadBlocks, rottenBlocks, healedBlocks, lostBlocks: lost + lostBefore, waitingBlocks };
}

/** What a merge has moved meanwhile was not lost. */
async function soughtAt(layer: ScrubbedLayer, block: number, healings: ImageScrubJob['healings']): Promise<Healing> {
  const how = await healings.add(layer, block);
  return how === 'lost' && !isMissing(layer, block) ? 'healed' : how;
}

function count(ended: readonly Healing[], how: Healing): number {
  return ended.filter((one) => one === how).length;
}

/** Those of each kind that have ended within the time. */
async function endsOf(
  [healings, sought]: readonly [readonly Promise<Healing>[], readonly Promise<Healing>[]],
  clock: Clock,
  signal: AbortSignal,
): Promise<readonly [Healing[], Healing[]]> {
  const ended: [Healing[], Healing[]] = [[], []];
  const all = Promise.all([
    ...healings.map(async (healing) => void ended[0].push(await healing)),
    ...sought.map(async (healing) => void ended[1].push(await healing)),
  ]);
  const end = new AbortController();
  const timer = clock.setTimer(HEALING_MS, () => end.abort());
  await settledBefore(AbortSignal.any([signal, end.signal]), all);
  timer.cancel();
  return ended;
}
