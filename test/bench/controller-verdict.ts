// What the figures of the controllers say: medians, ratios to the peers, and what of the required was reached.
import type { ControllerName } from './controller-peers.ts';
import { median } from './median.ts';

/** One load, the same for all controllers. */
export interface ControllerCase {
  readonly name: string;
  readonly switches: number;
  readonly isBuffered: boolean;
  /** One frame of each switch under way at a time; otherwise as many as a window holds. */
  readonly isLatency: boolean;
}

const COUNTS = [1, 16, 256];

export const CONTROLLER_CASES: readonly ControllerCase[] = [true, false].flatMap((isLatency) =>
  [true, false].flatMap((isBuffered) =>
    COUNTS.map((switches) => ({
      name: `${isLatency ? 'latency' : 'throughput'}-${switches}${isBuffered ? '' : '-unbuffered'}`,
      ...{ switches, isBuffered, isLatency },
    })),
  ),
);

/** One measurement. */
export interface ControllerSample {
  readonly perSecond: number;
  /** Of the controller's processor time. */
  readonly perCpuSecond: number;
  /** From a frame to its answer; NaN where many are under way. */
  readonly p50Us: number;
  readonly p99Us: number;
  /** Entries per answered frame. */
  readonly flowMods: number;
  /** The load's own processor time, of the time that it took. */
  readonly clientShare: number;
}

export interface ControllerResult {
  readonly load: ControllerCase;
  readonly samples: ReadonlyMap<ControllerName, readonly ControllerSample[]>;
}

/** The median of a figure; NaN of none. */
export function controllerFigure(
  { samples }: ControllerResult,
  name: ControllerName,
  pick: (sample: ControllerSample) => number,
): number {
  return median((samples.get(name) ?? []).map(pick)) ?? Number.NaN;
}

/** Ours to the peer's. */
export function controllerRatio(
  result: ControllerResult,
  peer: ControllerName,
  pick: (sample: ControllerSample) => number,
): number {
  return controllerFigure(result, 'supercloud', pick) / controllerFigure(result, peer, pick);
}

export interface ControllerVerdict {
  readonly asked: string;
  readonly seen: string;
  readonly reached: boolean;
}

/** Of ovs-testcontroller, the quicker peer. */
const PER_CPU_MIN = 2;
const P50_MAX = 1.25;
/** A controller that answers without an entry has not done its work; re-sent ones make it a little more than one. */
const FLOW_MODS_MIN = 0.95;

/** What is required, of every case. What was not measured is not reached. */
export function controllerVerdicts(results: readonly ControllerResult[]): ControllerVerdict[] {
  return results.flatMap((result) => {
    const { name, isLatency } = result.load;
    const rate = controllerRatio(result, 'ovs-testcontroller', ({ perCpuSecond }) => perCpuSecond);
    const p50 = controllerRatio(result, 'ovs-testcontroller', ({ p50Us }) => p50Us);
    const mods = controllerFigure(result, 'supercloud', ({ flowMods }) => flowMods);
    return [
      verdict(`${name}: at least ${PER_CPU_MIN}x ovs-testcontroller per CPU-second`, rate, rate >= PER_CPU_MIN),
      ...(isLatency ? [verdict(`${name}: p50 at most ${P50_MAX}x ovs-testcontroller's`, p50, p50 <= P50_MAX)] : []),
      ...(mods >= FLOW_MODS_MIN ? [] : [verdict(`${name}: an entry for every frame`, mods, false)]),
    ];
  });
}

function verdict(asked: string, seen: number, reached: boolean): ControllerVerdict {
  return { asked, seen: seen.toFixed(2), reached };
}
