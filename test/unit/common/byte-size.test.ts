// What was ordered as a size is told again as it was ordered.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { formatByteSize, parseByteSize } from '../../../common/terminal/byte-size.ts';

test('a size is told as it was typed', () => {
  for (const [typed, told] of [
    ['64M', '64 MiB'],
    ['200m', '200 MiB'],
    ['1G', '1 GiB'],
    ['1536M', '1.5 GiB'],
    ['1025M', '1025 MiB'],
    ['1T', '1 TiB'],
    ['4K', '4.1 kB'],
    ['1000000000', '1.00 GB'],
    ['0', '0 B'],
  ] as const) {
    assert.is(formatByteSize(parseByteSize(typed) ?? -1), told, typed);
  }
});

test('what is no size is none', () => {
  for (const text of ['', 'G', '1.5G', '-1', '1X', '1 G', '9999999T']) assert.is(parseByteSize(text), undefined, text);
});

test.run();
