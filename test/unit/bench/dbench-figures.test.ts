// The figures of the dbench benchmark: what is quoted and what is judged; and the picture of them.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DbenchFigures, readShare, throughput } from '../../bench/dbench/dbench-figures.ts';
import type { DbenchRun } from '../../bench/dbench/measured-run.ts';
import { plot } from '../../bench/dbench/plot.ts';
import { chosenSubjects, PROACTIVE, PULLED, UNMIGRATED } from '../../bench/dbench/subjects.ts';
import { element, label, polyline, ticks } from '../../bench/dbench/svg.ts';

/** 1,000 bytes at an even speed, done after so many seconds. */
function run(seconds: number, change: Partial<DbenchRun> = {}): DbenchRun {
  return {
    isDone: true,
    finishMs: seconds * 1_000,
    points: [[seconds * 1_000, 1_000]],
    ...{ reads: 40, readBytes: 0, writes: 60, writeBytes: 0, slowestMs: 1 },
    ...{ wanInBytes: 2_000_000, wanOutBytes: 1_000_000, worstLatenessMs: 1 },
    ...change,
  };
}

function figuresOf(times: Readonly<Record<string, readonly number[]>>): DbenchFigures {
  const figures = new DbenchFigures();
  for (const [subject, seconds] of Object.entries(times)) {
    for (const one of seconds) figures.keep(subject, run(one, subject === UNMIGRATED ? {} : { movedMs: 2_000 }));
  }
  return figures;
}

function verdict(figures: DbenchFigures, word: string): boolean | undefined {
  return figures.verdicts().find(({ goal }) => goal.includes(word))?.reached;
}

test('throughput and the share of reads of a run', () => {
  assert.is(throughput(run(10)), 100);
  assert.is(readShare(run(10)), 0.4);
  assert.is(readShare(run(10, { reads: 0, writes: 0 })), 0);
});

test('proactive has to be the first of those that moved', () => {
  assert.is(verdict(figuresOf({ [UNMIGRATED]: [8], [PROACTIVE]: [10, 12], NFS: [40] }), 'first'), true);
  assert.is(verdict(figuresOf({ [PROACTIVE]: [10, 12], NFS: [10.5] }), 'first'), false, 'means are compared');
  assert.is(
    verdict(figuresOf({ [PROACTIVE]: [10], NFS: [40], [PULLED]: [9] }), 'first'),
    true,
    'the pull is shown only',
  );
  assert.is(verdict(figuresOf({ [PROACTIVE]: [10], [PULLED]: [9] }), 'first'), undefined, 'nor compared alone');
  assert.is(verdict(figuresOf({ [PROACTIVE]: [10] }), 'first'), undefined, 'alone it is no comparison');
  assert.is(verdict(figuresOf({ NFS: [40], other: [10] }), 'first'), undefined, 'nor is one without it');
});

test('a run that was given up counts with the time it was given', () => {
  const figures = figuresOf({ [PROACTIVE]: [10] });
  figures.keep('NFS', run(600, { isDone: false, movedMs: 2_000 }));
  assert.is(verdict(figures, 'first'), true);
  assert.match(figures.table(), /NFS +0 of 1/);
  assert.match(
    figures
      .verdicts()
      .map(({ seen }) => seen)
      .join(),
    /NFS over 10 min 0 s/,
  );
});

test('enough of the unmigrated requests have to be reads, and no run may fail', () => {
  assert.is(verdict(figuresOf({ [UNMIGRATED]: [8] }), 'reads'), true);
  const few = new DbenchFigures();
  few.keep(UNMIGRATED, run(8, { reads: 29, writes: 71 }));
  assert.is(verdict(few, 'reads'), false);
  assert.is(verdict(new DbenchFigures(), 'reads'), undefined);
  assert.is(verdict(few, 'every run'), true);
  few.failures.push('NFS, run 1 of 1: gone');
  assert.is(verdict(few, 'every run'), false);
});

test('the old speed is 95 % of the unmigrated for five seconds', () => {
  const figures = figuresOf({ [UNMIGRATED]: [10] });
  const points = [
    [4_000, 400],
    [9_000, 500],
    [20_000, 1_600],
  ] as const;
  const slow = run(20, { movedMs: 4_000, points });
  assert.is(figures.secondsUntilOldSpeed(slow), 5);
  assert.is(figures.secondsUntilOldSpeed(run(20, { movedMs: 4_000 })), undefined);
  assert.is(new DbenchFigures().secondsUntilOldSpeed(slow), undefined, 'with nothing to compare with');
});

test('a stretch of the load that is slow in any guest is none that the move made slow', () => {
  const figures = new DbenchFigures();
  const points = [
    [2_000, 400],
    [12_000, 500],
    [20_000, 2_100],
  ] as const;
  figures.keep(UNMIGRATED, run(20, { points }));
  const same = points.map(([ms, bytes]) => [ms + 1_000, bytes] as const);
  assert.is(figures.secondsUntilOldSpeed(run(21, { movedMs: 4_000, points: same })), 0);
  const twice = points.map(([ms, bytes]) => [2 * ms, bytes] as const);
  assert.is(figures.secondsUntilOldSpeed(run(40, { movedMs: 4_000, points: twice })), undefined);
});

test('the table has a row for each subject and says never of a speed that did not come back', () => {
  const rows = figuresOf({ [UNMIGRATED]: [10], NFS: [40, 50] })
    .table()
    .split('\n');
  assert.is(rows.length, 3);
  assert.match(rows[2] ?? '', /^NFS +2 of 2 .*45\.0 s \(7\.1 s\).*never, never/);
});

test('subjects are chosen by a word', () => {
  assert.equal(
    chosenSubjects('nfs').map(({ name }) => name),
    ['NFS'],
  );
  assert.ok(chosenSubjects(undefined).length > 4);
  assert.equal(chosenSubjects('nothing like it'), []);
});

test('an axis has round values up to the most', () => {
  assert.equal(ticks(47), [0, 10, 20, 30, 40, 50]);
  assert.equal(ticks(0.3), [0, 0.1, 0.2, 0.3]);
  assert.equal(ticks(50), [0, 10, 20, 30, 40, 50]);
  assert.equal(ticks(0), [0, 1]);
});

test('an element escapes what would end it', () => {
  assert.is(element('a', { b: '"<' }), '<a b="&quot;&lt;"/>');
  assert.is(label('x & <y>', 1, 2.345), '<text x="1" y="2.35">x &amp; &lt;y&gt;</text>');
});

test('a line goes through its points', () => {
  assert.match(
    polyline(
      [
        [1, 2.349],
        [3, 4],
      ],
      { stroke: 'red' },
    ),
    'points="1,2.35 3,4" fill="none" stroke="red"',
  );
});

test('the picture has a line for each run, a dash for each move and a bar for each mean', () => {
  const one = { mean: 20e6, deviation: 2e6 };
  const subject = {
    name: 'NFS',
    runs: [
      { perSecond: [1e6, 2e6, 3e6], movedSeconds: 1.5 },
      { perSecond: [2e6, 2e6], movedSeconds: undefined },
    ],
    ...{ throughput: one, finishSeconds: { mean: 3, deviation: 0 }, wanIn: one, wanOut: one },
  };
  const text = plot([subject], 'a title');
  assert.is(text.match(/<polyline/g)?.length, 2);
  assert.is(text.match(/stroke-dasharray/g)?.length, 1);
  // The ground, one bar each of throughput and time, two of the WAN.
  assert.is(text.match(/<rect/g)?.length, 5);
  assert.not.match(text, /NaN|undefined|Infinity/);
  assert.not.match(plot([], 'nothing'), /NaN|undefined|Infinity/);
});

test.run();
