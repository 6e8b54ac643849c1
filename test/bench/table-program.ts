// One step of the table's benchmark in a process of its own, so that its memory is its own: makes an image whose every
// block was written, opens it, lets its journal grow, or has it write a checkpoint while it changes. Prints one line of JSON.
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { createLayer, openLayer } from '../../blockd/store/image-files.ts';
import type { ImageStore } from '../../blockd/store/image-store.ts';
import { layerPaths } from '../../blockd/store/layer-files.ts';
import { BLOCK_BYTES } from '../../blockd/table/block-version.ts';
import { TableWalk } from '../../blockd/table/table-walk.ts';
import { VersionTable } from '../../blockd/table/version-table.ts';
import { realDisk } from '../../common/disk/disk.ts';
import { dropCached } from '../../common/disk/page-cache.ts';
import { seededRandom } from '../unit/common/seeded-random.ts';
import type { TableStepFigures } from './table.ts';

const IMAGE = 'web';
const LAYER = 'l00000000000000aa';
const RUN_BLOCKS = 1024;
/** Of the journal's limit: the longest that a start may find, but for what a last barrier adds. */
const GROWN_SHARE = 0.97;
/** As `checkpointer.ts` has it. */
const JOURNAL_SHARE = 16;
const CHANGES_PER_BARRIER = 2_000;
/** Writes that a client has in flight. */
const CHANGES_PER_TURN = 8;
const WRITES_MS = 3_000;
const SPARSE_SHARE = 0.01;

const random = seededRandom(1);
let sequence = 1_000_000_000;

function changeAtRandom(table: VersionTable, count: number): void {
  for (let done = 0; done < count; done += 1) {
    const sums = Uint32Array.of(Math.floor(random() * 2 ** 32));
    table.write(Math.floor(random() * table.blocks), sums, { epoch: 2, sequence: ++sequence });
  }
}

/** Of this thread: what others do on the machine does not count. */
function threadCpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

async function open(directory: string, checkpointBytes?: number): Promise<ImageStore> {
  const options = checkpointBytes === undefined ? {} : { checkpointBytes };
  const store = await openLayer(realDisk, directory, LAYER, options);
  if (store === undefined) throw new Error('the image is gone');
  return store;
}

async function make(directory: string, blocks: number): Promise<TableStepFigures> {
  const table = new VersionTable(blocks);
  for (let first = 0; first < blocks; first += RUN_BLOCKS) {
    const sums = new Uint32Array(Math.min(RUN_BLOCKS, blocks - first)).map(() => Math.floor(random() * 2 ** 32));
    table.write(first, sums, { epoch: 1, sequence: 1 + Math.floor(first / RUN_BLOCKS) });
  }
  const startedMs = performance.now();
  const fresh = { image: IMAGE, layer: LAYER, bytes: blocks * BLOCK_BYTES, table, isOrigin: true };
  const store = await createLayer(realDisk, directory, fresh);
  const tookMs = performance.now() - startedMs;
  await store.close();
  return { tookMs };
}

/** Opening as a daemon does; memory is what it took beyond this process before. */
async function openOnce(directory: string, blocks: number, isCold: boolean): Promise<TableStepFigures> {
  for (const name of isCold ? await realDisk.list(directory) : []) await dropCached(join(directory, name));
  const before = process.memoryUsage.rss();
  const startedMs = performance.now();
  const startedCpuMs = threadCpuMs();
  const store = await open(directory);
  const tookMs = performance.now() - startedMs;
  const cpuMs = threadCpuMs() - startedCpuMs;
  const peakBytes = process.resourceUsage().maxRSS * 1024 - before;
  if (store.table.mark.entries !== blocks) throw new Error(`it has ${store.table.mark.entries} entries`);
  return { tookMs, cpuMs, bytesPerBlock: peakBytes / blocks };
}

/** Ends as a kill does: the next start replays the journal. */
async function grow(directory: string, blocks: number): Promise<TableStepFigures> {
  const store = await open(directory, Number.MAX_SAFE_INTEGER);
  const journal = await realDisk.open(layerPaths(directory, LAYER).journal, 'read');
  const limitBytes = Math.max(8 * 2 ** 20, (blocks * 15.5) / JOURNAL_SHARE);
  const startedMs = performance.now();
  while ((await journal.size()) < GROWN_SHARE * limitBytes) {
    changeAtRandom(store.table, CHANGES_PER_BARRIER);
    await store.flush();
  }
  return { tookMs: performance.now() - startedMs };
}

/**
 * A checkpoint while so many blocks change in each turn of the event loop, and are flushed, barrier after barrier; or, for
 * a time and without a checkpoint, what that costs by itself.
 */
async function checkpoint(
  directory: string,
  blocks: number,
  changes: number,
  forMs = Number.POSITIVE_INFINITY,
): Promise<TableStepFigures> {
  const store = await open(directory, Number.isFinite(forMs) ? Number.MAX_SAFE_INTEGER : 0);
  const before = process.memoryUsage.rss();
  const tables = async (): Promise<string> =>
    (await realDisk.list(directory)).filter((name) => name.includes('table')).join();
  const first = await tables();
  let isOver = false;
  let hasFailed = false;
  const flushing = async (): Promise<void> => {
    changeAtRandom(store.table, 1);
    do {
      await store.flush();
      const now = await tables();
      isOver = (now !== first && !now.includes(',')) || performance.now() - startedMs > forMs;
    } while (!isOver);
  };
  const startedMs = performance.now();
  flushing().catch(() => {
    hasFailed = true;
  });
  let longestMs = 0;
  let longestCpuMs = 0;
  let turns = 0;
  for (; !isOver && !hasFailed; turns += 1) {
    const turnMs = performance.now();
    const turnCpuMs = threadCpuMs();
    changeAtRandom(store.table, changes);
    await setImmediate();
    longestMs = Math.max(longestMs, performance.now() - turnMs);
    longestCpuMs = Math.max(longestCpuMs, threadCpuMs() - turnCpuMs);
  }
  if (store.failure !== undefined || hasFailed) throw store.failure ?? new Error('a flush failed');
  const tookMs = performance.now() - startedMs;
  const bytesPerBlock = (process.resourceUsage().maxRSS * 1024 - before) / blocks;
  return { tookMs, longestMs, longestCpuMs, bytesPerBlock, changesPerSecond: (1000 * changes * turns) / tookMs };
}

/** What telling the table to a newcomer costs beside the sending: the longest part is what a request may wait. */
async function tell(directory: string): Promise<TableStepFigures> {
  const { table } = await open(directory);
  const startedMs = performance.now();
  const startedCpuMs = threadCpuMs();
  let longestMs = 0;
  let longestCpuMs = 0;
  for (const walk = new TableWalk(table, undefined); !walk.isOver; ) {
    const partMs = performance.now();
    const partCpuMs = threadCpuMs();
    walk.next();
    longestMs = Math.max(longestMs, performance.now() - partMs);
    longestCpuMs = Math.max(longestCpuMs, threadCpuMs() - partCpuMs);
  }
  return { tookMs: performance.now() - startedMs, cpuMs: threadCpuMs() - startedCpuMs, longestMs, longestCpuMs };
}

/** What objects and arrays take after a collection. */
function heldBytes(): number {
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** The memory of a table of which one block in a hundred was written, at random; and of one that was never written. */
function sparse(blocks: number, share: number): TableStepFigures {
  const before = heldBytes();
  const startedMs = performance.now();
  const table = new VersionTable(blocks);
  changeAtRandom(table, blocks * share);
  table.settle(table.takeChanges(), true);
  const tookMs = performance.now() - startedMs;
  const takenBytes = heldBytes() - before;
  if (share > 0 && table.mark.entries < 0.9 * blocks * share) throw new Error('too few blocks were written');
  return { tookMs, takenBytes };
}

function run(step: string, directory: string, blocks: number): Promise<TableStepFigures> {
  switch (step) {
    case 'make':
      return make(directory, blocks);
    case 'open':
      return openOnce(directory, blocks, false);
    case 'open cold':
      return openOnce(directory, blocks, true);
    case 'checkpoint':
      return checkpoint(directory, blocks, 0);
    case 'checkpoint beside writes':
      return checkpoint(directory, blocks, CHANGES_PER_TURN);
    case 'writes':
      return checkpoint(directory, blocks, CHANGES_PER_TURN, WRITES_MS);
    case 'empty':
      return Promise.resolve(sparse(blocks, 0));
    case 'sparse':
      return Promise.resolve(sparse(blocks, SPARSE_SHARE));
    case 'tell':
      return tell(directory);
    case 'grow':
      return grow(directory, blocks);
    default:
      throw new Error(`there is no step ${step}`);
  }
}

const [step = '', directory = '', blocks = ''] = process.argv.slice(2);
process.stdout.write(`${JSON.stringify(await run(step, directory, Number(blocks)))}\n`);
process.exit(0);
