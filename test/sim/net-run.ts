// The network's seeds, one after the other: each is one world and its story.
import { NetStory } from './net-story.ts';
import { Prng } from './prng.ts';

export interface NetResult {
  readonly seed: number;
  readonly violations: readonly string[];
  readonly trace: readonly string[];
  readonly walks: number;
  readonly tunnelsMost: number;
}

export interface NetSums {
  /** Frames that were followed to their end. */
  walks: number;
  /** The most tunnels that one of them crossed. */
  tunnelsMost: number;
}

export function runNetSeed(seed: number, worlds: NetWorlds = {}): NetResult {
  const story = new NetStory(new Prng(seed), worlds);
  const { world } = story;
  try {
    story.run();
  } catch (error) {
    world.fail(error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
  const { violations, trace, walks, tunnelsMost } = world;
  return { seed, violations, trace, walks, tunnelsMost };
}

/** Of which worlds the seeds are. */
interface NetWorlds {
  readonly hasStubs?: boolean;
}

/** Runs the seeds from `first` on; calls back for each that broke a promise. */
export function runNetSeeds(
  first: number,
  count: number,
  failed: (result: NetResult) => void,
  worlds: NetWorlds = {},
): NetSums {
  const sums: NetSums = { walks: 0, tunnelsMost: 0 };
  for (let seed = first; seed < first + count; seed++) {
    const result = runNetSeed(seed, worlds);
    sums.walks += result.walks;
    sums.tunnelsMost = Math.max(sums.tunnelsMost, result.tunnelsMost);
    if (result.violations.length > 0) failed(result);
  }
  return sums;
}
