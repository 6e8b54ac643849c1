// One run, whatever its disk: the move is ordered at once when the load starts, and what crossed the WAN at the destination
// is counted from there until all is done.
import { setTimeout as sleep } from 'node:timers/promises';
import type { ProgressLine } from '../../../common/terminal/progress.ts';
import type { Lab } from '../../../lab/lab.ts';
import { runIn } from '../../../lab/namespace.ts';
import type { WanStatistics } from '../../../lab/wan/wan.ts';
import { TO } from '../move-limits.ts';
import { START_PORT } from './guest.ts';
import type { LoadFigures, LoadWatch } from './load-watch.ts';

const READY_LIMIT_MS = 180_000;
const START_LIMIT_MS = 60_000;
/** The guest listens some ms after it has said that it is ready. */
const CONNECT_ATTEMPTS = 50;
const CONNECT_RETRY_MS = 200;
const SHOW_INTERVAL_MS = 500;

/** What one run came to. Times in ms from the load's start. */
export interface DbenchRun extends LoadFigures {
  /** When the guest ran at the destination. */
  readonly movedMs?: number;
  /** At the destination's end of the WAN, frames and all. */
  readonly wanInBytes: number;
  readonly wanOutBytes: number;
  /** How late the emulator was at the worst. */
  readonly worstLatenessMs: number;
}

/** Moves the guest; answers `performance.now()` of the moment when it ran at the destination. */
export type Move = () => Promise<number>;

/** How much is to be done, and when a run that has not done it is given up. */
export interface Load {
  readonly goalBytes: number;
  readonly limitMs: number;
}

/** What a run needs to know of its guest. */
export interface RunOptions {
  readonly address: string;
  readonly load: Load;
  readonly line: ProgressLine;
  /** What has to be so before the load starts. */
  readonly prepare?: () => Promise<void>;
  readonly move?: Move;
}

/** Starts the load in a guest that is booting, orders the move, and answers the figures when the load is done. */
export async function measuredRun(lab: Lab, watch: LoadWatch, options: RunOptions): Promise<DbenchRun> {
  const { goalBytes, limitMs } = options.load;
  await watch.ready(READY_LIMIT_MS);
  await options.prepare?.();
  await letGo(lab, options.address);
  const startedMs = await watch.started(START_LIMIT_MS);
  const { wan } = lab;
  await wan.resetLateness();
  const before = (await wan.stats()).perLink;
  const show = setInterval(
    () => options.line.update({ doneBytes: Math.min(watch.doneBytes, goalBytes), totalBytes: goalBytes }),
    SHOW_INTERVAL_MS,
  );
  try {
    const [movedMs] = await Promise.all([options.move?.(), watch.finished(limitMs)]);
    const { perLink: after, worstLatenessMs } = await wan.stats();
    const moved = movedMs === undefined ? {} : { movedMs: movedMs - startedMs };
    return { ...watch.figures(), ...moved, ...atDestination(before, after), worstLatenessMs };
  } finally {
    clearInterval(show);
  }
}

/** Connects to the guest, as its user in the lab could. */
async function letGo(lab: Lab, address: string): Promise<void> {
  const words = ['-c', `exec 3<> /dev/tcp/${address}/${START_PORT}`];
  for (let attempt = 1; ; attempt += 1) {
    try {
      await runIn(lab.visitorNamespace, 'bash', words);
      return;
    } catch (error) {
      if (attempt === CONNECT_ATTEMPTS) throw error;
    }
    await sleep(CONNECT_RETRY_MS);
  }
}

type Links = WanStatistics['perLink'];

function atDestination(before: Links, after: Links): Pick<DbenchRun, 'wanInBytes' | 'wanOutBytes'> {
  const sum = (links: Links, end: 'from' | 'to'): number =>
    links.filter((link) => link[end] === TO).reduce((bytes, link) => bytes + link.bytes, 0);
  return { wanInBytes: sum(after, 'to') - sum(before, 'to'), wanOutBytes: sum(after, 'from') - sum(before, 'from') };
}
