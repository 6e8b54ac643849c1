// A journal is rewritten when it has become long, and who could not have it rewritten goes on.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { OperationError } from '../../../common/errors.ts';
import { keepShort } from '../../../common/journal/short-journal.ts';
import { quiet } from './members.ts';

function stand(sizeBytes: number, isFull = false) {
  const written: (readonly number[])[] = [];
  const journal = {
    sizeBytes,
    rewrite: async (records: readonly number[]) => {
      if (isFull) throw new OperationError('JOURNAL_FAILED', 'there is no room');
      written.push(records);
    },
  };
  return { journal, written };
}

const STATE = { bytesMax: 100, records: () => [1, 2], log: quiet };

test('above its length it is rewritten as the state, below it is left', async () => {
  const short = stand(100);
  await keepShort(short.journal, STATE);
  assert.equal(short.written, []);
  const long = stand(101);
  await keepShort(long.journal, STATE);
  assert.equal(long.written, [[1, 2]]);
});

test('without room for a second one it stays as it is, and that is no failure', async () => {
  const { journal, written } = stand(101, true);
  await keepShort(journal, STATE);
  assert.equal(written, []);
});

test.run();
