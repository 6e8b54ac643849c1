// Which cluster the command line speaks to: a file that is none is said, by its name, and what to do.
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { connectAlone, connectOrchestrator } from '../../../cli/context.ts';
import { refusal } from '../../refusal.ts';

test('a context that is missing, no JSON, or of something else', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'context-'));
  const file = join(folder, 'context.json');
  try {
    assert.is((await refusal(connectOrchestrator(file))).code, 'NO_CLUSTER');
    for (const text of ['rubbish', '{}', '{"node":"A","socket":"/s","identity":"/i"}']) {
      await writeFile(file, text);
      const error = await refusal(connectOrchestrator(file));
      assert.is(error.code, 'BAD_CONTEXT', text);
      assert.match(error.message, file);
      assert.match(error.remedy, '--context FILE');
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('a directory that no blockd serves', async () => {
  const error = await refusal(connectAlone('/none/here'));
  assert.is(error.code, 'NOT_SERVED');
  assert.is(error.message, 'no blockd --alone answers at /none/here/control: none runs');
  assert.match(error.remedy, 'supercloud blockd --alone --data /none/here');
});

test('a blockd that takes no more clients is not taken for one that does not run', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'context-'));
  const server = createServer((socket) => socket.destroy()).listen(join(folder, 'control'));
  try {
    await once(server, 'listening');
    const error = await refusal(connectAlone(folder));
    assert.is(error.code, 'NOT_SERVED');
    assert.match(error.message, 'it turned this client away');
    assert.match(error.remedy, 'try again');
  } finally {
    server.close();
    await rm(folder, { recursive: true });
  }
});

test.run();
