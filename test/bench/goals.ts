// The goals of a migration without shared storage, judged by the ratios of medians of one run: absolute times move with
// the machine. What was not measured is not reached.
import { formatBytes, formatMs } from '../../common/terminal/progress.ts';
import type { Figure, Samples, Subject } from './samples.ts';

/** Round trip between the two clouds that are measured. */
export const ROUND_TRIP_MS = 75;
/** What a gap may cost beyond memory-only QEMU's gap and one round trip. */
const GAP_ALLOWANCE_MS = 50;
/** Of what copying the disk costs. */
const SHARE_OF_MIRROR = 0.15;
/** Of the first trip's disk bytes. */
const SHARE_OF_FIRST_TRIP = 0.05;

/** A goal, and whether the medians reach it. */
export interface Goal {
  readonly goal: string;
  readonly reached: boolean;
  readonly seen: string;
}

export function goals(samples: Samples): Goal[] {
  const ours = 'ours, pull off';
  const mirror = 'QEMU mirror + migrate';
  return [
    share(samples, "bytes at most 15 % of the mirror's", 'bytes', [ours, mirror], SHARE_OF_MIRROR, formatBytes),
    share(samples, "time at most 15 % of the mirror's", 'totalMs', [ours, mirror], SHARE_OF_MIRROR, formatMs),
    gap(samples),
    returnTrip(samples),
    ...wholeness(samples),
  ];
}

/**
 * The way home is compared with a first trip that takes the whole disk along. With the pull off a first trip carries the
 * few blocks that the guest reads and the return the few that it wrote: a fraction of next to nothing, which says
 * nothing. So the pull is on both ways, at the rate that every image has; the return is ordered once all blocks are at
 * the destination; and both are counted from the order until a minute after the guest ran. In that minute the pull has
 * not brought the whole of the disk yet, which makes the bar lower than the disk's size would: in our disfavour.
 */
function returnTrip(samples: Samples): Goal {
  const goal = "the return's disk bytes at most 5 % of the first trip's, pull on";
  return share(
    samples,
    goal,
    'diskBytes',
    ['ours, return, pull on', 'ours, pull on'],
    SHARE_OF_FIRST_TRIP,
    formatBytes,
  );
}

function share(
  samples: Samples,
  goal: string,
  figure: Figure,
  [part, whole]: readonly [Subject, Subject],
  limit: number,
  format: (value: number) => string,
): Goal {
  const [a, b] = [samples.median(part, figure), samples.median(whole, figure)];
  if (a === undefined || b === undefined) return notMeasured(goal);
  const seen = `${((100 * a) / b).toFixed(1)} % (${format(a)} of ${format(b)})`;
  return { goal, reached: a <= limit * b, seen };
}

function gap(samples: Samples): Goal {
  const goal = "ping gap at most memory-only QEMU's + 1 round trip + 50 ms";
  const peersMs = samples.median('QEMU memory only', 'pingGapMs');
  const oursMs = samples.median('ours, pull off', 'pingGapMs');
  if (peersMs === undefined || oursMs === undefined) return notMeasured(goal);
  const limitMs = peersMs + ROUND_TRIP_MS + GAP_ALLOWANCE_MS;
  return { goal, reached: oursMs <= limitMs, seen: `${formatMs(oursMs)} of ${formatMs(limitMs)}` };
}

function notMeasured(goal: string): Goal {
  return { goal, reached: false, seen: 'not measured' };
}

/** A figure of a move that broke something, or of a measurement that came to nothing, is no figure. */
function wholeness(samples: Samples): Goal[] {
  const moves = (['ours, pull off', 'ours, pull on', 'ours, return, pull on'] as const).flatMap((one) =>
    samples.of(one),
  );
  const broken = moves.flatMap(({ checksNotHeld }) => checksNotHeld);
  return [
    {
      goal: 'every check of every move of ours held',
      reached: moves.length > 0 && broken.length === 0,
      seen: broken.join('; ') || `${moves.length} moves`,
    },
    {
      goal: 'every measurement was made',
      reached: samples.failures.length === 0,
      seen: samples.failures.join('; ') || 'all',
    },
  ];
}
