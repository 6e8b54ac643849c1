// A migration's figures are differences of counters; a counter that began anew never makes one negative.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { baselineOf, memoryFigures, storageFigures } from '../../../orchestrator/migration/migration-figures.ts';
import type { StoreImage } from '../../../wire/contracts/blockd.ts';
import type { MemoryProgress } from '../../../wire/contracts/hypervisor.ts';
import { migrationRecord } from './records.ts';

function store(counters: Partial<StoreImage['counters']>, dependsOn: StoreImage['dependsOn'] = []): StoreImage {
  return {
    ...{ image: 'web', bytes: 4096, role: 'writer', epoch: 2, lastSequence: 1, digest: '0'.repeat(32) },
    ...{ layer: 'l00000000000000aa', generation: 1, writtenBlocks: 1, localBlocks: 1, dependsOn },
    scrubbedAtMs: null,
    counters: {
      ...{ reads: 0, writes: 0, flushes: 0, fetchedOnDemandBlocks: 0, fetchedInBackgroundBlocks: 0, spoiltBlocks: 0 },
      pushedHereBlocks: 0,
      evictedBlocks: 0,
      ...{ blockBytesIn: 0, blockBytesOut: 0, entryBytesIn: 0, entryBytesOut: 0 },
      ...counters,
    },
  };
}

test('what crossed since the order, and what still hangs on the source', () => {
  const before = new Map([['web', baselineOf(store({ blockBytesIn: 100, entryBytesIn: 10 }))]]);
  const now = store({ blockBytesIn: 400, blockBytesOut: 5, entryBytesIn: 30, fetchedOnDemandBlocks: 3 }, [
    { node: 'alpha', blocks: 7 },
    { node: 'gamma', blocks: 9 },
  ]);
  const figures = storageFigures(migrationRecord(), [now], before);
  assert.is(figures.blockBytes, 300, 'what the store gave to others meanwhile is not of the move');
  assert.is(figures.entryBytes, 20);
  assert.is(figures.fetchedOnDemandBlocks, 3);
  assert.is(figures.dependsOnSourceBlocks, 7);
});

test('a restarted daemon counts from 0: no negative figure', () => {
  const before = new Map([['web', baselineOf(store({ blockBytesIn: 100 }))]]);
  assert.is(storageFigures(migrationRecord(), [store({ blockBytesIn: 1 })], before).blockBytes, 0);
});

test('a guest that changes its memory as fast as it is sent is told of, once many passes have not helped', () => {
  const progress: MemoryProgress = {
    ...{ phase: 'memory', transferredBytes: 9, remainingBytes: 800_000, totalBytes: 9, iteration: 5 },
    ...{ rateBytesPerSecond: 1_500_000, dirtyBytesPerSecond: 2_100_000 },
  };
  const hinted = memoryFigures(migrationRecord(), progress, 1);
  assert.match(
    hinted.hint ?? '',
    /VM web changes 2\.1 MB of its memory a second and 1\.5 MB are sent.*--cancel.*--bandwidth/,
  );
  const others = [{ iteration: 4 }, { dirtyBytesPerSecond: 1_400_000 }, { remainingBytes: 700_000 }];
  for (const change of [...others, { phase: 'hold' as const }]) {
    assert.not.ok('hint' in memoryFigures(hinted, { ...progress, ...change }, 1), JSON.stringify(change));
  }
});

test.run();
