// An image read at once because a person asked: all that this store has of its layers, with what was found and healed. It
// gives way to clients after each MiB.
import { type Clock, pause } from '../../common/clock.ts';
import { OperationError } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { ScrubReport } from '../../wire/contracts/blockd.ts';
import { settledBefore } from '../image/settled-before.ts';
import { BLOCK_BYTES } from '../table/block-version.ts';
import type { Healings } from './healings.ts';
import { type Healing, heldBlocks, type ScrubbedLayer, scrubNext } from './layer-scrub.ts';

/** How long it waits in the end for holders of rotten blocks that cannot be reached; they are fetched later all the same. */
const HEALING_MS = 30_000;

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
  let checkedBlocks = 0;
  let unreadBlocks = 0;
  progress(0, totalBytes);
  for (const layer of layers) {
    const unreadBefore = unreadBlocks;
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
  const ended = await endsOf(healings, clock, signal);
  const count = (how: Healing): number => ended.filter((one) => one === how).length;
  const [healedBlocks, lostBlocks] = [count('healed'), count('lost')];
  const waitingBlocks = healings.length - healedBlocks - lostBlocks;
  return { checkedBlocks, unreadBlocks, rottenBlocks: healings.length, healedBlocks, lostBlocks, waitingBlocks };
}

/** Those that have ended within the time. */
async function endsOf(healings: readonly Promise<Healing>[], clock: Clock, signal: AbortSignal): Promise<Healing[]> {
  const ended: Healing[] = [];
  const all = Promise.all(healings.map(async (healing) => void ended.push(await healing)));
  const end = new AbortController();
  const timer = clock.setTimer(HEALING_MS, () => end.abort());
  await settledBefore(AbortSignal.any([signal, end.signal]), all);
  timer.cancel();
  return ended;
}
