// What the dbench guest is made of and what it says: the cut of the load file, and the lines of its console.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parseGuestLine } from '../../bench/dbench/guest-lines.ts';
import { cutLoad } from '../../bench/dbench/load-file.ts';

const LOAD = [
  'Deltree "\\clients\\client1" NT_STATUS_OK',
  'NTCreateX "\\clients\\client1\\a b" 0x40 0x2 11 NT_STATUS_OK',
  'NTCreateX "\\clients\\client1\\missing" 0x40 0x1 12 NT_STATUS_OBJECT_NAME_NOT_FOUND',
  'WriteX 11 0 65536 65536 NT_STATUS_OK',
  'Close 11 NT_STATUS_OK',
  'NTCreateX "\\clients\\client1\\b" 0x40 0x2 13 NT_STATUS_OK',
  'Close 13 NT_STATUS_OK',
  '',
];
const TEXT = LOAD.join('\n');

test('a load file is cut where no file is open', () => {
  const beginning = (lines: number): string =>
    LOAD.slice(0, lines)
      .map((line) => `${line}\n`)
      .join('');
  assert.is(cutLoad(TEXT, 4), beginning(1), 'a file is open after the fourth');
  assert.is(cutLoad(TEXT, 6), beginning(5));
  assert.is(cutLoad(TEXT, 1_000), TEXT, 'the whole of a shorter one');
  assert.is(cutLoad(LOAD.slice(1).join('\n'), 2), '');
});

test('an open that failed keeps no file open', () => {
  assert.is(cutLoad(`${LOAD[2]}\n`, 10), `${LOAD[2]}\n`);
});

test('what was done is read with its sectors as bytes', () => {
  assert.equal(parseGuestLine('DBENCH-DONE 249752055 919 93138 1077 406416\r'), {
    kind: 'done',
    done: { bytes: 249_752_055, reads: 919, readBytes: 93_138 * 512, writes: 1_077, writeBytes: 406_416 * 512 },
  });
});

test("dbench's own lines are the start and the seconds", () => {
  assert.equal(parseGuestLine('SUPERCLOUD-GUEST-READY'), { kind: 'ready' });
  assert.equal(parseGuestLine('releasing clients'), { kind: 'start' });
  const warmup = '   8      2851    25.21 MB/sec  warmup  10 sec  latency 78.686 ms';
  assert.equal(parseGuestLine(warmup), { kind: 'second', operations: 2_851, latencyMs: 78.686 });
  const execute = '   8     91234   107.03 MB/sec  execute 312 sec  latency 1078.000 ms';
  assert.equal(parseGuestLine(execute), { kind: 'second', operations: 91_234, latencyMs: 1_078 });
});

test('a failure is told with its reason, and nothing else is a figure', () => {
  assert.equal(parseGuestLine('DBENCH-FAILED the load has ended'), { kind: 'failed', reason: 'the load has ended' });
  for (const line of [
    'DBENCH-DONE 1 2 3 4',
    'DBENCH-DONE 1 2 3 4 5 6',
    'x DBENCH-DONE 1 2 3 4 5',
    '',
    'Running for 9 s',
  ]) {
    assert.equal(parseGuestLine(line), { kind: 'other' }, line);
  }
});

test.run();
