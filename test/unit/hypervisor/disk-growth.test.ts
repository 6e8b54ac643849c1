// What QEMU is asked when a disk became larger: again until it has connected again, and no longer than a bound.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { growDisk } from '../../../hypervisor/qemu/disk-growth.ts';
import { QmpClient } from '../../../hypervisor/qmp/qmp-client.ts';
import { QmpServer } from './qmp-server.ts';

/** Runs it against a QEMU that answers so, and says what was asked. */
async function asked(answers: readonly (object | string)[]): Promise<{ words: string[]; failure: string }> {
  const words: string[] = [];
  let resizes = 0;
  const server = await QmpServer.start((command, args) => {
    words.push(`${command} ${JSON.stringify(args)}`);
    return command === 'block_resize' ? (answers[resizes++] ?? 'enough') : {};
  });
  const qmp = await QmpClient.connect(server.path);
  const failure = await growDisk(qmp, 'disk0', 4096).then(
    () => '',
    (error: Error) => error.message,
  );
  qmp.close();
  await server.close();
  return { words, failure };
}

test('while it has not connected again it is made to; then the guest is told', async () => {
  const early = 'Cannot grow NBD nodes';
  const { words, failure } = await asked([early, early, {}]);
  const resize = 'block_resize {"node-name":"disk0","size":4096}';
  const look = 'human-monitor-command {"command-line":"qemu-io disk0 \\"alloc 0 512\\""}';
  assert.equal([failure, words], ['', [resize, look, resize, look, resize]]);
});

test('any other refusal is told at once', async () => {
  const { words, failure } = await asked(["Device 'disk0' not found"]);
  assert.match(failure, /not found/);
  assert.is(words.length, 1);
});

test.run();
