// A captured table is the table of its moment, whatever changes while it is taken, and takes a bounded memory for that.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GROUP_BLOCKS } from '../../../blockd/table/group-index.ts';
import type { TableCapture, TablePiece } from '../../../blockd/table/table-capture.ts';
import { readRuns } from '../../../blockd/table/version-run.ts';
import { VersionTable } from '../../../blockd/table/version-table.ts';
import { seededRandom } from '../common/seeded-random.ts';
import { learn } from './learnt.ts';
import { tableOf } from './rested-table.ts';
import { runsOf } from './table-runs.ts';

const BLOCKS = 160_000;
/** Enough for some chunks, with holes between. */
const WRITTEN_RUNS = 6_000;
const RUN_BLOCKS = 50;
const CHANGES_PER_PIECE = 1_000;

/** A table that changes at random, in every way in which one does. */
class ChangingTable {
  readonly table = new VersionTable(BLOCKS);
  readonly #random: () => number;
  #sequence = 0;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    for (let run = 0; run < WRITTEN_RUNS; run++) this.#write(RUN_BLOCKS);
    this.table.settle(this.table.takeChanges(), true);
  }

  change(count: number): void {
    for (let done = 0; done < count; done++) this.#changeOne(this.#below(BLOCKS), this.#below(6));
  }

  #changeOne(block: number, kind: number): void {
    if (kind === 0) this.table.zero(block, Math.min(BLOCKS, block + 20), { epoch: 3, sequence: ++this.#sequence });
    else if (kind === 1) this.table.spoilt(block);
    else if (kind === 2) this.table.arrived(block);
    else if (kind === 3) learn(this.table, block, [2, ++this.#sequence], 1 + this.#below(3));
    else this.#write(1);
  }

  #write(blocks: number): void {
    const sums = Uint32Array.from({ length: blocks }, () => this.#below(2 ** 32));
    this.table.write(this.#below(BLOCKS - blocks), sums, { epoch: 2, sequence: ++this.#sequence });
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }
}

/** What the pieces come to in a file. */
function put(file: Buffer, { bytes, offset }: TablePiece): void {
  file.set(bytes, offset);
}

/** Takes the pieces in order, and lets the table change before each. */
function takeAll(capture: TableCapture, file: Buffer, between: () => void): void {
  put(file, { bytes: capture.head, offset: 0 });
  for (let index = 0; index < capture.pieces; index++) {
    between();
    const piece = capture.take(index);
    if (piece !== undefined) put(file, piece);
  }
  between();
}

/** A file for all pieces of a capture: each but the head is as long as the others. */
function fileFor(capture: TableCapture, pieceBytes: number): Buffer {
  return Buffer.alloc(capture.head.length + capture.pieces * pieceBytes);
}

const PIECE_BYTES = 2 ** 13 * GROUP_BLOCKS * 15.5 + 8;

async function assertSame(file: Buffer, runs: Buffer, mark: VersionTable['mark']): Promise<void> {
  const again = await tableOf(BLOCKS, file);
  assert.equal(again?.mark, mark);
  assert.ok(again !== undefined && runsOf(again).equals(runs), 'every entry is as it was');
  // Also where there was none: a place that is made has nothing in it.
  const anew = new VersionTable(BLOCKS);
  anew.restore([runs]);
  for (const table of [again, anew]) {
    for (let block = 0; block < BLOCKS; block += 100)
      table?.write(block, Uint32Array.of(5), { epoch: 9, sequence: block });
  }
  assert.ok(again !== undefined && runsOf(again).equals(runsOf(anew)), 'it goes on as any table');
}

test('what changes while the pieces are taken is not in them', async () => {
  for (const seed of [1, 2]) {
    const changing = new ChangingTable(seed);
    const { table } = changing;
    const [runs, mark, census] = [runsOf(table), table.mark, table.census()];
    const capture = table.capture({ spill: () => assert.unreachable('there was room') });
    const file = fileFor(capture, PIECE_BYTES);
    assert.ok(capture.pieces >= 3);
    takeAll(capture, file, () => changing.change(CHANGES_PER_PIECE));
    await assertSame(file, runs, mark);
    assert.equal((await tableOf(BLOCKS, file))?.census(), census);
    assert.not(runsOf(table).equals(runs), 'and the table went on');
    table.release();
  }
});

test('a change that is under way when the moment comes counts as the table says it', async () => {
  const changing = new ChangingTable(4);
  const { table } = changing;
  changing.change(CHANGES_PER_PIECE);
  const taken = table.takeChanges();
  const [runs, mark] = [runsOf(table), table.mark];
  const capture = table.capture({ spill: () => assert.unreachable('there was room') });
  const file = fileFor(capture, PIECE_BYTES);
  takeAll(capture, file, () => table.settle(taken, false));
  await assertSame(file, runs, mark);
  assert.not((await tableOf(BLOCKS, file))?.isChanged([...readRuns(taken)][0]?.first ?? -1), 'a file has no changes');
});

test('beyond its limit of copies a capture hands pieces out, and is the same', async () => {
  const changing = new ChangingTable(5);
  const { table } = changing;
  const [runs, mark] = [runsOf(table), table.mark];
  let spilt = 0;
  const spill = (piece: TablePiece): void => {
    spilt++;
    put(file, piece);
  };
  const capture = table.capture({ spill, keptGroupsMax: 100 });
  const file = fileFor(capture, PIECE_BYTES);
  takeAll(capture, file, () => changing.change(CHANGES_PER_PIECE));
  assert.ok(spilt > 0 && spilt < capture.pieces + 1, `${spilt} pieces at the limit`);
  await assertSame(file, runs, mark);
});

test('a piece for which there is no room ends the capture, not the change', () => {
  const changing = new ChangingTable(6);
  const { table } = changing;
  const full = new Error('no room');
  const spill = (): void => {
    throw full;
  };
  const capture = table.capture({ spill, keptGroupsMax: 0 });
  assert.ok(capture.goesOn());
  const block = BLOCKS / 2;
  for (let other = block; other < block + 100; other++)
    table.write(other, Uint32Array.of(7), { epoch: 9, sequence: 9 });
  assert.is(table.sumOf(block), 7);
  assert.throws(
    () => capture.goesOn(),
    (error: unknown) => error === full,
  );
  table.release();
});

test('once it is over a change costs nothing', () => {
  const changing = new ChangingTable(7);
  const { table } = changing;
  const capture = table.capture({ spill: () => assert.unreachable('it has ended'), keptGroupsMax: 0 });
  capture.end();
  assert.not(capture.goesOn());
  changing.change(CHANGES_PER_PIECE);
  table.release();
});

test.run();
