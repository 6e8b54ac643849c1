// Bytes and durations for people: each in its unit, also where rounding reaches the next one.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { formatBytes, formatMs } from '../../../common/terminal/progress.ts';

test('a duration has no sixtieth second and no thousandth millisecond', () => {
  for (const [ms, text] of [
    [0, '0 ms'],
    [999.4, '999 ms'],
    [999.6, '1.0 s'],
    [119_900, '119.9 s'],
    [119_960, '2 min 0 s'],
    [179_600, '3 min 0 s'],
    [185_000, '3 min 5 s'],
  ] as const) {
    assert.is(formatMs(ms), text);
  }
});

test('bytes are in the unit of which there is less than a thousand', () => {
  for (const [bytes, text] of [
    [0, '0 B'],
    [999, '999 B'],
    [1_000, '1.0 kB'],
    [999_940, '999.9 kB'],
    [999_960, '1.0 MB'],
    [999_960_000, '1.00 GB'],
    [1_073_741_824, '1.07 GB'],
  ] as const) {
    assert.is(formatBytes(bytes), text);
  }
});

test.run();
