// The digest of a table: what it says follows each change, however often it was asked before.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { TableDigest } from '../../../blockd/table/table-digest.ts';

const NOTHING = '0'.repeat(32);

test('entries come and go in any order, and each shows', () => {
  const digest = new TableDigest();
  assert.is(digest.hex(), NOTHING);
  digest.add(1, 2, 3, false, 4);
  const one = digest.hex();
  assert.is.not(one, NOTHING);
  digest.add(5, 6, 7, true, 0);
  assert.is.not(digest.hex(), one);
  digest.remove(1, 2, 3, false, 4);
  digest.remove(5, 6, 7, true, 0);
  assert.is(digest.hex(), NOTHING);
});

test('it goes on from what another one said', () => {
  const [first, second] = [new TableDigest(), new TableDigest()];
  first.add(1, 2, 3, false, 4);
  assert.is(second.hex(), NOTHING);
  second.restore(first.hex());
  assert.is(second.hex(), first.hex());
  second.remove(1, 2, 3, false, 4);
  assert.is(second.hex(), NOTHING);
});

test.run();
