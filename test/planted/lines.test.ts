// Each bug can be planted: what it replaces stands once where it is said to. Also of those that run by name only.
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { MUTANTS } from './all-mutants.ts';

test('what each planted bug replaces is in its room once', () => {
  const plants = MUTANTS.flatMap(({ and = [], ...bug }) => [bug, ...and]);
  const stale = plants.filter(({ room, find }) => {
    const text = readFileSync(new URL(`../../${room}`, import.meta.url), 'utf8');
    return text.split(find).length !== 2;
  });
  assert.equal(
    stale.map(({ room, find }) => `${room}: ${find}`),
    [],
  );
  const names = new Set(MUTANTS.map(({ name }) => name));
  assert.is(names.size, MUTANTS.length, 'no two have one name');
});

test.run();
