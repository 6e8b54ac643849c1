// A table fits the terminal: what its last column has to say goes on below it.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { formatTable } from '../../../common/terminal/table.ts';

const COLUMNS = [{ title: 'NODE' }, { title: 'SIZE', figures: true }, { title: 'WHY' }];
const ROWS = [
  ['alpha', '41.0 kB', 'KVM cannot give the CPU model here'],
  ['beta', '1 B', ''],
];

test('where it fits, each row is a line', () => {
  const lines = ['NODE      SIZE  WHY', 'alpha  41.0 kB  KVM cannot give the CPU model here', 'beta       1 B'];
  assert.equal(formatTable(COLUMNS, ROWS, 80).split('\n'), lines);
  assert.equal(formatTable(COLUMNS, ROWS, 50).split('\n'), lines);
});

test('where it does not, the last column takes more lines, and no line is too long', () => {
  for (let width = 32; width < 50; width++) {
    const lines = formatTable(COLUMNS, ROWS, width).split('\n');
    assert.ok(Math.max(...lines.map((line) => line.length)) <= width, `${width}: ${lines.join('|')}`);
    assert.match(lines[1] ?? '', /^alpha {2}41\.0 kB {2}KVM /);
    assert.match(lines[2] ?? '', /^ {16}\S/);
    assert.is(lines.at(-1), 'beta       1 B');
    const words = lines.slice(1, -1).flatMap((line) => line.slice(16).split(' '));
    assert.is(words.filter((word) => word !== '').join(' '), ROWS[0]?.[2]);
  }
});

test('where not even that helps, it stays as it is', () => {
  assert.is(formatTable(COLUMNS, ROWS, 25), formatTable(COLUMNS, ROWS, 80));
  assert.is(formatTable(COLUMNS, [], 10), 'NODE  SIZE  WHY');
});

test.run();
