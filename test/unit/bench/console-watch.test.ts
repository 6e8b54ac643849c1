// The watch over consoles: files that come later, lines in pieces, files that begin anew; and the load that it tells of.
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ConsoleWatch } from '../../bench/dbench/console-watch.ts';
import { LoadWatch } from '../../bench/dbench/load-watch.ts';

const LIMIT_MS = 60_000;
const test = suite<{ directory: string; stop: () => void }>('console watch');

/** The watch looks by itself: nothing tells when it has. */
async function until(holds: () => boolean): Promise<void> {
  const endMs = performance.now() + LIMIT_MS;
  while (!holds() && performance.now() < endMs) await new Promise(setImmediate);
}

test.before.each((context) => {
  context.directory = mkdtempSync(join(tmpdir(), 'console-watch-'));
  context.stop = () => undefined;
});
test.after.each(({ directory, stop }) => {
  stop();
  rmSync(directory, { recursive: true });
});

test('lines come whole, from every file, without what was there before', (context) => {
  const [old, later] = [join(context.directory, 'old'), join(context.directory, 'later')];
  writeFileSync(old, 'before\n');
  const heard: string[] = [];
  const watch = new ConsoleWatch([old, later], (line) => heard.push(line));
  context.stop = () => watch.stop();
  appendFileSync(old, 'one\ntw');
  watch.look();
  assert.equal(heard, ['one']);
  appendFileSync(old, 'o\n');
  writeFileSync(later, 'three ä\n');
  watch.look();
  assert.equal(heard, ['one', 'two', 'three ä']);
  writeFileSync(old, 'x\n');
  watch.look();
  assert.equal(heard.at(-1), 'x', 'a file that begins anew is read from its beginning');
});

test('the load is followed from its start to its goal, over two consoles', async (context) => {
  const [here, there] = [join(context.directory, 'here'), join(context.directory, 'there')];
  const watch = new LoadWatch([here, there], 1_000);
  context.stop = () => watch.stop();
  writeFileSync(here, 'SUPERCLOUD-GUEST-READY\nDBENCH-DONE 1 8 64 1 8\n');
  await watch.ready(LIMIT_MS);
  await until(() => watch.doneBytes === 1);
  appendFileSync(
    here,
    'releasing clients\nDBENCH-DONE 400 10 80 5 40\n   8  1  2.00 MB/sec  warmup   1 sec  latency 12.500 ms\n',
  );
  await watch.started(LIMIT_MS);
  writeFileSync(there, 'DBENCH-DONE 1200 28 224 21 168\n');
  await watch.finished(LIMIT_MS);
  const { finishMs, points, ...figures } = watch.figures();
  assert.equal(figures, {
    isDone: true,
    reads: 20,
    readBytes: 160 * 512,
    writes: 20,
    writeBytes: 160 * 512,
    slowestMs: 12.5,
  });
  const lastMs = points.at(-1)?.[0] ?? 0;
  assert.ok(finishMs <= lastMs, 'the goal was reached before the last line');
});

test('a load that is not done is given up with what was done', async (context) => {
  const console = join(context.directory, 'console');
  const watch = new LoadWatch([console], 1_000);
  context.stop = () => watch.stop();
  writeFileSync(console, 'DBENCH-DONE 0 8 64 1 8\nreleasing clients\n');
  await watch.started(LIMIT_MS);
  appendFileSync(console, 'DBENCH-DONE 400 10 80 5 40\n');
  await until(() => watch.doneBytes === 400);
  await watch.finished(0);
  const { isDone, finishMs, points } = watch.figures();
  assert.is(isDone, false);
  assert.equal(points.at(-1), [finishMs, 400]);
});

test('a load that fails says so with the end of its console', async (context) => {
  const console = join(context.directory, 'console');
  const watch = new LoadWatch([console], 1_000);
  context.stop = () => watch.stop();
  writeFileSync(console, 'EXT4-fs error\nDBENCH-FAILED the load has ended\n');
  const failure = await watch.started(LIMIT_MS).then(
    () => '',
    (error: Error) => error.message,
  );
  assert.match(failure, /^the guest's load failed: the load has ended/);
  assert.match(failure, 'EXT4-fs error');
});

test.run();
