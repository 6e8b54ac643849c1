// The archive writer against another program's reader, since ours is never read back by us.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type CpioEntry, cpioArchive } from '../../../lab/guest/cpio.ts';

const HEADER_BYTES = 110;
const ENTRIES: CpioEntry[] = [
  { path: 'a', kind: 'directory', mode: 0o755 },
  { path: 'a/three', kind: 'file', mode: 0o644, content: Buffer.from('abc') },
  { path: 'a/four', kind: 'file', mode: 0o755, content: Buffer.from('abcd') },
  { path: 'a/link', kind: 'link', mode: 0o777, content: Buffer.from('three') },
  { path: 'console', kind: 'characters', mode: 0o600, device: [5, 1] },
];

test('cpio lists every entry with its kind, mode, size and device', async () => {
  const finished = promisify(execFile)('cpio', ['-itv', '--quiet', '--numeric-uid-gid'], { timeout: 10_000 });
  finished.child.stdin?.end(cpioArchive(ENTRIES));
  const rows = (await finished).stdout.trim().split('\n');
  const words = rows.map((row) => row.replace(/\s+\w{3}\s+\d+\s+(\d{4}|\d\d:\d\d)/, '').replaceAll(/\s+/g, ' '));
  assert.equal(words, [
    'drwxr-xr-x 2 0 0 0 a',
    '-rw-r--r-- 1 0 0 3 a/three',
    '-rwxr-xr-x 1 0 0 4 a/four',
    'lrwxrwxrwx 1 0 0 5 a/link -> three',
    'crw------- 1 0 0 5, 1 console',
  ]);
});

test('headers and contents start on boundaries of four bytes', () => {
  const archive = cpioArchive(ENTRIES);
  let offset = 0;
  for (let entry = 0; entry <= ENTRIES.length; entry++) {
    assert.is(offset % 4, 0);
    assert.is(archive.toString('latin1', offset, offset + 6), '070701');
    const field = (index: number) =>
      Number.parseInt(archive.toString('latin1', offset + 6 + index * 8, offset + 14 + index * 8), 16);
    const contentAt = (offset + HEADER_BYTES + field(11) + 3) & ~3;
    offset = (contentAt + field(6) + 3) & ~3;
  }
  assert.is(offset, archive.length);
});

test('the same entries give the same archive', () => {
  assert.equal(cpioArchive(ENTRIES), cpioArchive(ENTRIES));
});

test.run();
