// One layer read from its first block to its last, a MiB at a time, and what was found to be rotten fetched from another
// store. Whoever reads it says when the next step is due.
import { codeOf, messageOf } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { LayerBlocks } from '../layers/layer-blocks.ts';
import { BLOCK_BYTES } from '../table/block-version.ts';
import { DATA, HERE } from '../table/version-run.ts';

/** 1 MiB in one step: a tenth of a ms of checksums, and a disk reads it in one go. */
const STEP_BLOCKS = 256;

/** What a scrub needs of a layer. */
export type ScrubbedLayer = Pick<LayerBlocks, 'store' | 'fetch'>;

/** What one step has read: the blocks before `end`. */
export interface ScrubStep {
  readonly end: number;
  readonly checkedBlocks: number;
  /** Of which nothing is known, for the reason in the log. */
  readonly unreadBlocks: number;
  readonly rotten: readonly number[];
}

/** How a rotten block ended: `failed` says in the log why. */
export type Healing = 'healed' | 'lost' | 'failed';

/** Reads the next range that is here from a block on; undefined when the layer has no more, or its store has failed. */
export async function scrubNext({ store }: ScrubbedLayer, from: number, log: Log): Promise<ScrubStep | undefined> {
  const { table, blocks, failure } = store;
  const first = table.nextHeld(from, blocks, 1)?.first;
  if (first === undefined || failure !== undefined) return undefined;
  const end = table.endOfContent(first, Math.min(blocks, first + STEP_BLOCKS));
  try {
    const rotten = await store.file.findSpoilt(first, end);
    for (const block of rotten) log.error(placeOf(store, block), 'a block has rotted');
    return { end, checkedBlocks: end - first, unreadBlocks: 0, rotten };
  } catch (error) {
    const { layer, image } = store;
    log.warn({ layer, image, first, end, reason: messageOf(error) }, 'blocks were not scrubbed');
    return { end, checkedBlocks: 0, unreadBlocks: end - first, rotten: [] };
  }
}

/**
 * Of the blocks from `first` to before `end` those that are missing here, that no layer over this one hides, and of which no
 * holder is known: what rotted, and was found so before. Others may have them all the same. None while what was merged into the
 * layer is moved.
 */
export function missingBlocks(
  { store }: ScrubbedLayer,
  over: readonly ScrubbedLayer[],
  first: number,
  end: number,
): number[] {
  const missing: number[] = [];
  if ((store.state.merging ?? null) !== null) return missing;
  for (let from = first; ; ) {
    const run = store.table.nextMissing(from, end, end - from);
    if (run === undefined) return missing;
    from = run.first + run.count;
    if (store.holderName(run.holder) !== '') continue;
    for (let block = run.first; block < from; block++) if (!isHidden(block, over)) missing.push(block);
  }
}

/** Whether it is missing still, and not only until a merge has moved it. */
export function isMissing({ store }: ScrubbedLayer, block: number): boolean {
  return (store.state.merging ?? null) === null && store.table.contentOf(block) === DATA;
}

function isHidden(block: number, over: readonly ScrubbedLayer[]): boolean {
  return over.some(({ store }) => block < store.blocks && store.table.contentOf(block) !== 0);
}

/** Fetches a rotten block; undefined when that was given up while a holder could not be reached. Never rejects. */
export async function heal(
  layer: ScrubbedLayer,
  block: number,
  log: Log,
  giveUp: AbortSignal,
): Promise<Healing | undefined> {
  const where = placeOf(layer.store, block);
  try {
    await layer.fetch(block, block + 1, 'background', giveUp);
    // A client may have written the block anew meanwhile.
    log.info(where, 'the block was fetched from another store');
    return layer.store.table.contentOf(block) === DATA ? 'failed' : 'healed';
  } catch (error) {
    if (giveUp.aborted) return undefined;
    log.error({ ...where, reason: messageOf(error) }, 'the block could not be healed');
    return codeOf(error) === 'BLOCKS_LOST' ? 'lost' : 'failed';
  }
}

function placeOf({ layer, image }: ScrubbedLayer['store'], block: number): object {
  return { layer, image, block, offset: block * BLOCK_BYTES };
}

/** The blocks of a layer that are here to be read. */
export function heldBlocks({ store }: ScrubbedLayer): number {
  let count = 0;
  for (let block = 0; block < store.blocks; ) {
    const next = store.table.endOfContent(block, store.blocks);
    if (store.table.contentOf(block) === (DATA | HERE)) count += next - block;
    block = next;
  }
  return count;
}
