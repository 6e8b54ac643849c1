// What a migration cost, read from the daemons that moved the bytes. Figures only: nothing here decides anything.
import { formatBytes } from '../../common/terminal/progress.ts';
import type { StoreImage } from '../../wire/contracts/blockd.ts';
import type { MemoryProgress } from '../../wire/contracts/hypervisor.ts';
import type { MigrationRecord } from '../state.ts';

/** An image's counters at the destination when the migration was ordered. */
export interface Baseline {
  readonly entryBytes: number;
  readonly blockBytes: number;
  readonly fetchedOnDemandBlocks: number;
}

const NOTHING: Baseline = { entryBytes: 0, blockBytes: 0, fetchedOnDemandBlocks: 0 };

/** What has come to one store's image: what others pull from there at the same time is none of the move's. */
export function baselineOf(store: StoreImage | undefined): Baseline {
  if (store === undefined) return NOTHING;
  const { counters } = store;
  return {
    entryBytes: counters.entryBytesIn,
    blockBytes: counters.blockBytesIn,
    fetchedOnDemandBlocks: counters.fetchedOnDemandBlocks,
  };
}

/** Adds up what changed since the baselines. `stores` and `before` are by image, at the destination. */
export function storageFigures(
  record: MigrationRecord,
  stores: readonly StoreImage[],
  before: ReadonlyMap<string, Baseline>,
): MigrationRecord {
  const sum = { entryBytes: 0, blockBytes: 0, fetchedOnDemandBlocks: 0, dependsOnSourceBlocks: 0 };
  for (const store of stores) {
    const now = baselineOf(store);
    const then = before.get(store.image) ?? NOTHING;
    // A restarted daemon counts from 0 again: never show a negative figure.
    sum.entryBytes += Math.max(0, now.entryBytes - then.entryBytes);
    sum.blockBytes += Math.max(0, now.blockBytes - then.blockBytes);
    sum.fetchedOnDemandBlocks += Math.max(0, now.fetchedOnDemandBlocks - then.fetchedOnDemandBlocks);
    sum.dependsOnSourceBlocks += store.dependsOn.find(({ node }) => node === record.from)?.blocks ?? 0;
  }
  return { ...record, ...sum };
}

/** A quiet guest needs three or four passes; from the second on it is known how fast it changes its memory. */
const CONVERGED_PASSES = 4;
/** The most that the last pass may take in the end. */
const LAST_PASS_MAX_SECONDS = 0.5;

/** The memory stream's progress as the record shows it. */
export function memoryFigures(record: MigrationRecord, progress: MemoryProgress, nowMs: number): MigrationRecord {
  const { hint: _, ...before } = record;
  const hint = hintOf(record.vm, progress);
  return {
    ...before,
    ...(hint === undefined ? {} : { hint }),
    step: progress.phase === 'memory' ? 'memory' : 'hold',
    memoryBytes: progress.transferredBytes,
    remainingBytes: progress.remainingBytes,
    rateBytesPerSecond: progress.rateBytesPerSecond,
    totalMs: nowMs - record.startedAtMs,
  };
}

/** Of a guest that changes its memory as fast as it is sent: without a word it would be waited for for ever. */
function hintOf(
  vm: string,
  { phase, iteration, dirtyBytesPerSecond, rateBytesPerSecond, remainingBytes }: MemoryProgress,
): string | undefined {
  const isLong = remainingBytes > rateBytesPerSecond * LAST_PASS_MAX_SECONDS;
  if (phase !== 'memory' || iteration <= CONVERGED_PASSES || !isLong) return undefined;
  if (dirtyBytesPerSecond < rateBytesPerSecond) return undefined;
  return (
    `VM ${vm} changes ${formatBytes(dirtyBytesPerSecond)} of its memory a second and ${formatBytes(rateBytesPerSecond)} are sent: ` +
    `as long as that is so this does not end. Stop it (supercloud migrate ${vm} --cancel) and order it with a larger --bandwidth or none, or let the VM do less`
  );
}
