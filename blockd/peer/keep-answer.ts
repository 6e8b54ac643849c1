// The answer to a store that would let its copies go: which of them this one has durably and keeps. Each was read from the
// disk for this very answer (SOUNDNESS A11); one that is leaving here too is promised only if it stays for that.
import type { WantedRun } from '../layers/block-fetcher.ts';
import type { ImageStore } from '../store/image-store.ts';
import { KEEP_BLOCKS_MAX } from './peer-frame.ts';

/**
 * Reads the runs, which lie within 4 MiB and of which the store named `asker` asks, and tells in one step with the last look at them which are kept; none of those
 * that cannot be read. Never rejects.
 */
export async function answerKeep(
  store: ImageStore,
  runs: readonly WantedRun[],
  asker: string,
  tell: (kept: readonly WantedRun[]) => void,
): Promise<void> {
  const first = Math.min(...runs.map((run) => run.first));
  const end = Math.max(...runs.map((run) => run.first + run.count));
  let isRead = end - first <= KEEP_BLOCKS_MAX && end <= store.blocks;
  try {
    if (isRead) await store.file.findSpoilt(first, end);
  } catch {
    isRead = false;
  }
  store.file.use.note(first, Math.min(end, store.blocks));
  tell(isRead && store.failure === undefined ? runs.flatMap((run) => keptOf(store, run, asker)) : []);
}

/** The parts of a run that the store promises. */
function keptOf({ copies }: ImageStore, run: WantedRun, asker: string): WantedRun[] {
  const parts: WantedRun[] = [];
  for (let block = run.first; block < run.first + run.count; block++) {
    const last = parts.at(-1);
    if (!copies.promises(block, run.high, run.low, asker)) continue;
    if (last !== undefined && last.first + last.count === block)
      parts[parts.length - 1] = { ...last, count: last.count + 1 };
    else parts.push({ ...run, first: block, count: 1 });
  }
  return parts;
}
