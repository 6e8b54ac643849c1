// A table that is told while it changes: whenever a mark is told, the listener has exactly the table of that mark.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { TableListeners } from '../../../blockd/store/table-listeners.ts';
import type { Version } from '../../../blockd/table/block-version.ts';
import { readRuns } from '../../../blockd/table/version-run.ts';
import { type TableMark, VersionTable } from '../../../blockd/table/version-table.ts';
import { Prng } from '../../sim/prng.ts';

/** Six parts of a walk and some. */
const BLOCKS = 100_000;

/** A written table, the barriers of its store, and one who listens. */
class Told {
  readonly table = new VersionTable(BLOCKS);
  readonly listeners = new TableListeners(this.table);
  readonly copy = new VersionTable(BLOCKS);
  readonly marks: TableMark[] = [];
  /** How many entries were told. */
  blocks = 0;
  walked = 0;
  #sequence = 0;

  write(first: number, count: number): void {
    const version: Version = { epoch: 1, sequence: ++this.#sequence };
    this.table.write(first, new Uint32Array(count).fill(this.#sequence), version);
  }

  zero(first: number, count: number): void {
    this.table.zero(first, first + count, { epoch: 1, sequence: ++this.#sequence });
  }

  /** Begins a barrier; the answered function ends it. */
  barrier(): (isDurable: boolean) => void {
    const runs = this.table.takeChanges();
    const { mark } = this.table;
    const tell = this.listeners.prepare(Buffer.alloc(0));
    return (isDurable) => {
      this.table.settle(runs, isDurable);
      if (isDurable) tell(runs, mark);
    };
  }

  listen(afterSequence?: number): { next(): boolean; leave(): void } {
    const changes = (runs: Buffer, mark: TableMark | undefined): void => {
      this.#learn(runs);
      if (mark === undefined) return;
      this.marks.push(mark);
      assert.is(this.copy.mark.digest, mark.digest, `the table of mark ${this.marks.length}`);
    };
    const telling = this.listeners.add({ changes }, afterSequence, () => this.walked++);
    const next = (): boolean => {
      const runs = telling.next();
      if (runs !== undefined) this.#learn(runs);
      return runs !== undefined;
    };
    return { next, leave: telling.leave };
  }

  #learn(runs: Buffer): void {
    for (const run of readRuns(runs)) {
      this.copy.learn(run, 0);
      this.blocks += run.count;
    }
  }
}

test('a large table is told in parts, and its mark at the barrier after the last one', () => {
  const told = new Told();
  told.write(0, BLOCKS);
  told.barrier()(true);
  const { next } = told.listen();
  let parts = 0;
  while (next()) parts++;
  assert.is(parts, 7);
  assert.equal([told.walked, told.marks.length], [1, 0], 'no mark before a barrier');
  told.barrier()(true);
  assert.is(told.marks.length, 1);
});

test('what changes between the parts is told by its barrier, and not before it is durable', () => {
  const told = new Told();
  told.write(0, BLOCKS);
  told.barrier()(true);
  const { next } = told.listen();
  next();
  told.write(1, 1);
  told.write(BLOCKS - 1, 1);
  const settle = told.barrier();
  while (next());
  assert.is(told.copy.equals(BLOCKS - 1, 256, 3), false, 'its version is not durable yet');
  settle(true);
  assert.is(told.copy.equals(BLOCKS - 1, 256, 3), true);
  assert.is(told.marks.length, 0, 'that barrier began before the last part');
  told.barrier()(true);
  assert.is(told.marks.length, 1);
});

test('a barrier that fails tells nobody, and the next one tells what it would have told', () => {
  const told = new Told();
  told.write(0, 10);
  const { next } = told.listen();
  while (next());
  told.barrier()(false);
  assert.equal([told.copy.mark.entries, told.marks.length], [0, 0]);
  told.barrier()(true);
  assert.equal([told.copy.mark.entries, told.marks.length], [10, 1]);
});

test('one who has the table up to a sequence hears of later writes only', () => {
  const told = new Told();
  told.write(0, 50_000);
  told.barrier()(true);
  const before = told.listen();
  while (before.next());
  before.leave();
  told.zero(70_000, 10);
  told.barrier()(true);
  told.blocks = 0;
  const { next } = told.listen(1);
  while (next());
  told.barrier()(true);
  assert.equal([told.blocks, told.marks.length], [10, 1]);
});

test('who leaves in the middle hears nothing more', () => {
  const told = new Told();
  told.write(0, 10);
  const { next, leave } = told.listen();
  next();
  leave();
  told.barrier()(true);
  assert.equal([told.marks.length, told.copy.mark.entries, told.listeners.count], [0, 0, 0]);
});

for (let seed = 1; seed <= 20; seed++) {
  test(`parts, writes and barriers in any order (seed ${seed})`, () => {
    const random = new Prng(seed);
    const told = new Told();
    told.write(0, random.integer(BLOCKS) + 1);
    told.barrier()(true);
    const { next } = told.listen();
    let settle: ((isDurable: boolean) => void) | undefined;
    for (let step = 0; step < 60; step++) {
      const first = random.integer(BLOCKS - 64);
      const what = random.integer(5);
      if (what === 0) next();
      else if (what <= 2) told.write(first, random.integer(64) + 1);
      else if (what === 3) told.zero(first, random.integer(64) + 1);
      else {
        settle?.(random.integer(4) > 0);
        settle = told.barrier();
      }
    }
    settle?.(true);
    while (next());
    told.barrier()(true);
    assert.ok(told.marks.length > 0);
  });
}

test.run();
