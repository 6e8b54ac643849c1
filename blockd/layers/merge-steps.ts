// The steps by which one layer is put into the next lower one here: first its entries, durably, then the contents that go
// with them. Whoever reads both layers sees the upper one's blocks all the while, so that nothing of the lower one that
// changes is looked at; a crash anywhere leaves what the same steps, taken again, complete.
import type { ImageStore } from '../store/image-store.ts';
import { checksumOf } from '../table/block-checksum.ts';
import { BLOCK_BYTES } from '../table/block-version.ts';
import { entriesOf } from '../table/merged-mark.ts';
import type { BlockRun } from '../table/run-search.ts';
import { DATA, HERE } from '../table/version-run.ts';

/** 1 MiB is read and written in one step: half a ms. */
const STEP_BLOCKS = 256;
/** A barrier so often: entries are a record of at most some MB, and what was moved is on its way to the disk meanwhile. */
const BARRIER_BLOCKS = 64 * STEP_BLOCKS;

/**
 * The lower table gets the upper one's entries, each as missing until its content is moved, and is durable so: a content
 * that lies here already under a table that still names another one would be taken for rot.
 */
export async function mergeTables(lower: ImageStore, upper: ImageStore, pause: () => Promise<void>): Promise<void> {
  for (let from = 0; from < upper.blocks; ) {
    const { runs, end } = entriesOf(upper.table, from);
    for (const run of runs) {
      const isHere = (run.flags & HERE) !== 0;
      lower.table.learn(run, isHere ? 0 : lower.holderIndex(upper.holderName(run.holder)));
      if ((run.flags & DATA) === 0) lower.zeros.note(run.first, run.first + run.count);
    }
    const before = Math.floor(from / BARRIER_BLOCKS);
    from = end;
    if (Math.floor(from / BARRIER_BLOCKS) > before) await lower.flush();
    await pause();
  }
  lower.table.lastSequence = Math.max(lower.table.lastSequence, upper.table.lastSequence);
  await lower.flush();
}

/** The contents that are in the upper layer's file and that the lower one's table names: durably there with the answer. */
export async function moveBlocks(lower: ImageStore, upper: ImageStore, pause: () => Promise<void>): Promise<void> {
  let looked = 0;
  for (let from = 0; ; ) {
    const held = upper.table.nextHeld(from, upper.blocks, STEP_BLOCKS);
    if (held === undefined) break;
    from = held.first + held.count;
    await moveHeld(lower, upper, held);
    const before = looked;
    looked += held.count;
    if (Math.floor(looked / STEP_BLOCKS) > Math.floor(before / STEP_BLOCKS)) await pause();
    if (Math.floor(looked / BARRIER_BLOCKS) > Math.floor(before / BARRIER_BLOCKS)) await lower.flush();
  }
  await lower.flush();
}

/** The same of some blocks, into whichever of the two lacks them; durable with the next barrier. */
export async function takeBlocks(to: ImageStore, from: ImageStore, first: number, end: number): Promise<void> {
  for (let block = first; ; ) {
    const held = from.table.nextHeld(block, Math.min(end, from.blocks), STEP_BLOCKS);
    if (held === undefined) return;
    block = held.first + held.count;
    await moveHeld(to, from, held);
  }
}

/** Whether the lower one lacks a content that the upper one has. Lets others work in between. */
export async function lacksAny(lower: ImageStore, upper: ImageStore, pause: () => Promise<void>): Promise<boolean> {
  let looked = 0;
  for (let from = 0; lower.table.hasMissing; ) {
    const held = upper.table.nextHeld(from, upper.blocks, STEP_BLOCKS);
    if (held === undefined) return false;
    from = held.first + held.count;
    for (let block = held.first; block < from; block++) if (isWanted(lower, held, block)) return true;
    const before = looked;
    looked += held.count;
    if (Math.floor(looked / BARRIER_BLOCKS) > Math.floor(before / BARRIER_BLOCKS)) await pause();
  }
  return false;
}

async function moveHeld(lower: ImageStore, upper: ImageStore, held: BlockRun): Promise<void> {
  const end = held.first + held.count;
  // Guests wait for this thread: it reads what the page cache has.
  await upper.file.warm(held.first, end);
  for (;;) {
    while (lower.zeros.isBusy(held.first, end)) await lower.zeros.punched;
    if (!isUntold(lower, held)) break;
    await lower.flush();
  }
  moveRun(lower, upper, held);
}

/** Whether some of it is wanted under names that the lower table on the disk does not have yet. */
function isUntold(lower: ImageStore, held: BlockRun): boolean {
  for (let block = held.first; block < held.first + held.count; block++)
    if (isWanted(lower, held, block) && lower.table.isChanged(block)) return true;
  return false;
}

function isWanted({ table, blocks }: ImageStore, { high, low }: BlockRun, block: number): boolean {
  return block < blocks && table.contentOf(block) === DATA && table.equals(block, high, low);
}

/** In one step, which is the blocks' lock; a block that turns out to be spoilt is left to its other holders. */
function moveRun(lower: ImageStore, upper: ImageStore, held: BlockRun): void {
  const { first, count } = held;
  const isToMove = (block: number): boolean =>
    upper.table.allInFile(block, block + 1) && isWanted(lower, held, block) && !lower.table.isChanged(block);
  for (let block = first; block < first + count; ) {
    let until = block;
    while (until < first + count && isToMove(until)) until++;
    if (until > block) moveWanted(lower, upper, block, until);
    block = Math.max(until, block + 1);
  }
}

function moveWanted(lower: ImageStore, upper: ImageStore, first: number, end: number): void {
  const data = Buffer.allocUnsafe((end - first) * BLOCK_BYTES);
  if (upper.file.read(data, first * BLOCK_BYTES)) {
    for (let block = first; block < end; block++) install(lower, block, data.subarray((block - first) * BLOCK_BYTES));
  } else if (end - first > 1) {
    for (let block = first; block < end; block++) {
      if (upper.table.allInFile(block, block + 1)) moveWanted(lower, upper, block, block + 1);
    }
  }
}

function install(lower: ImageStore, block: number, data: Buffer): void {
  const content = data.subarray(0, BLOCK_BYTES);
  if (checksumOf(content) !== lower.table.sumOf(block)) return;
  lower.file.install(content, block * BLOCK_BYTES);
  lower.table.arrived(block);
}
