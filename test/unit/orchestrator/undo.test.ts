// What was begun is taken back latest first, and one failure does not keep the rest from being taken back.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createLog } from '../../../common/log.ts';
import { Undo } from '../../../orchestrator/undo.ts';

test('latest first, failures passed over, nothing twice', async () => {
  const order: string[] = [];
  const log = createLog('undo-test');
  log.level = 'silent';
  const undo = new Undo(log);
  undo.add('one', async () => order.push('one'));
  undo.add('two', () => Promise.reject(new Error('cannot')));
  undo.add('three', async () => order.push('three'));
  await undo.run();
  await undo.run();
  assert.equal(order, ['three', 'one']);
});

test.run();
