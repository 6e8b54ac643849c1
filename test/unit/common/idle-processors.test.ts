// How much processor time nobody used, out of /proc/stat.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { IdleProcessors, parseTicks } from '../../../common/idle-processors.ts';

/** user nice system idle iowait irq softirq steal guest guest_nice, as Linux 6 prints them. */
function stat(busy: number, idle: number): string {
  return `cpu  ${busy} 0 0 ${idle - 1} 1 0 0 10 7 0\ncpu0 1 2 3 4 5 6 7 8 9 10\nintr 5\n`;
}

test('idle is what nobody used and what waited for a disk; what guests used is not counted twice', () => {
  assert.equal(parseTicks(stat(100, 300)), { idle: 300, all: 410 });
});

test('what is no such line tells nothing', () => {
  for (const text of ['', 'cpu0 1 2 3 4 5 6 7 8\n', 'cpu  1 2 3\n', 'cpu  a b c d e f g h\n']) {
    assert.is(parseTicks(text), undefined);
  }
});

test('the share is that of the time since the look before, which is not too short', () => {
  const now = { ms: 0, text: stat(0, 100) };
  const processors = new IdleProcessors({ nowMs: () => now.ms }, () => now.text);
  assert.is(processors.idleShare(), 1, 'the first look has nothing to compare');
  Object.assign(now, { ms: 250, text: stat(75, 125) });
  assert.is(processors.idleShare(), 0.25);
  Object.assign(now, { ms: 260, text: stat(75, 225) });
  assert.is(processors.idleShare(), 0.25);
  now.ms = 500;
  assert.is(processors.idleShare(), 1);
});

test('where nothing can be read there is always something to spare', () => {
  const processors = new IdleProcessors({ nowMs: () => 0 }, () => {
    throw new Error('ENOENT');
  });
  assert.is(processors.idleShare(), 1);
});

test('this machine tells', () => {
  const share = new IdleProcessors().idleShare();
  assert.ok(share >= 0 && share <= 1);
});

test.run();
