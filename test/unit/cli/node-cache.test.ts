// What `supercloud node cache` prints, and which words it takes for a cap.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { capBytesOf, describeCaches, nodeCacheCommand } from '../../../cli/commands/node-cache.ts';
import { noneAsNull } from '../../../cli/commands/numbers.ts';

test('a line for each store, and one for a node that was not reached', () => {
  const text = describeCaches({
    stores: [
      { node: 'alpha', capBytes: null, cachedBytes: 0, freeBytes: 5e9, totalBytes: 2e10 },
      { node: 'beta', capBytes: 2e9, cachedBytes: 1.5e6, freeBytes: 5e9, totalBytes: 2e10 },
    ],
    unreachable: ['gamma'],
  });
  assert.match(text, /NODE +CAP +CACHED +DISK FREE/);
  assert.match(text, /alpha +none +0 B +5\.00 GB of 20\.00 GB/);
  assert.match(text, /beta +2\.00 GB +1\.5 MB +5\.00 GB of 20\.00 GB/);
  assert.match(text, /gamma +not reached/);
});

test('a cap is a size or none, and nothing else', () => {
  assert.equal([capBytesOf('none'), capBytesOf('0'), capBytesOf('10G')], [null, 0, 10 * 2 ** 30]);
  for (const word of ['', '-1', '10 G', 'all', '1.5G']) assert.throws(() => capBytesOf(word), /is no size/);
});

test('no cap comes through the command line as it is typed', () => {
  const set = nodeCacheCommand.commands.find((one) => one.name() === 'set');
  set?.parseOptions(['--cap', 'none']);
  assert.is(noneAsNull(set?.opts().cap), null);
});

test.run();
