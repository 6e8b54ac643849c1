// A command that is another package's program becomes it: who signals the one signals the other, and who reads no more ends it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, open, rm, watch } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

// These tests may have been started by nohup.
delete process.env.SUPERCLOUD_OUTLIVES_TERMINAL;

const LAUNCHER = fileURLToPath(new URL('../../../supercloud', import.meta.url));
const MAIN = fileURLToPath(new URL('../../../cli/main.ts', import.meta.url));

/** As a client, which goes again. */
async function greeted(path: string): Promise<void> {
  const socket = connect(path);
  await once(socket, 'data');
  socket.destroy();
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  test(`${signal} to it stops its program in order`, async () => {
    const data = await mkdtemp(join(tmpdir(), 'program-'));
    const words = ['blockd', '--alone', '--data', data, '--image', 'web:1M'];
    const child = spawn(process.execPath, [MAIN, ...words], { stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      for await (const chunk of child.stdout) if (String(chunk).includes('serving')) break;
      child.kill(signal);
      assert.equal(await once(child, 'exit'), [0, null]);
    } finally {
      child.kill('SIGKILL');
      await rm(data, { recursive: true });
    }
  });
}

test("its words and its exit code are the program's", async () => {
  const child = spawn(process.execPath, [MAIN, 'blockd'], { stdio: ['ignore', 'ignore', 'pipe'] });
  const exited = once(child, 'exit');
  assert.match(await text(child.stderr), 'say --alone --data DIR');
  assert.equal(await exited, [1, null]);
});

for (const words of [['--help'], ['blockd', '--help'], ['fuse', '--help'], ['sdnd', '--help']]) {
  test(`'${words.join(' ')}' says that nothing of it could be written, and fails`, async () => {
    const full = await open('/dev/full', 'w');
    const child = spawn(process.execPath, [MAIN, ...words], { stdio: ['ignore', full.fd, 'pipe'] });
    const exited = once(child, 'exit');
    const said = child.stderr === null ? '' : await text(child.stderr);
    assert.match(said, 'standard output fails: ENOSPC');
    assert.equal(await exited, [1, null]);
    await full.close();
  });
}

for (const words of [['--help'], ['sim', '--help']]) {
  test(`'${words.join(' ')}' ends without a word when nobody reads it`, async () => {
    const child = spawn(process.execPath, [MAIN, ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.destroy();
    const exited = once(child, 'exit');
    assert.is(await text(child.stderr), '');
    assert.equal(await exited, [141, null]);
  });
}

test('one that serves goes on when nobody reads what it says', async () => {
  const data = await mkdtemp(join(tmpdir(), 'program-'));
  const words = ['blockd', '--alone', '--data', data, '--image', 'web:1M'];
  const child = spawn(process.execPath, [MAIN, ...words], { stdio: ['ignore', 'pipe', 'inherit'] });
  child.stdout.destroy();
  const exited = once(child, 'exit');
  try {
    const signal = AbortSignal.timeout(60_000);
    // A socket has its name a moment before it listens; this one is the last that is made.
    for await (const { filename } of watch(data, { signal })) if (filename === 'control') break;
    for (let count = 0; count < 2; count += 1) await greeted(join(data, 'web.sock'));
    child.kill('SIGTERM');
    assert.equal(await exited, [0, null]);
  } finally {
    child.kill('SIGKILL');
    await rm(data, { recursive: true });
  }
});

test('what nohup has started outlives its terminal', async () => {
  const data = await mkdtemp(join(tmpdir(), 'program-'));
  const line = `trap '' HUP; exec "$0" blockd --alone --data "$1" --image web:1M`;
  const child = spawn('bash', ['-c', line, LAUNCHER, data], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    for await (const chunk of child.stdout) if (String(chunk).includes('serving')) break;
    child.kill('SIGHUP');
    // By the second one it has heard of everything that came before the first.
    for (let count = 0; count < 2; count += 1) await greeted(join(data, 'web.sock'));
    child.kill('SIGTERM');
    assert.equal(await once(child, 'exit'), [0, null]);
  } finally {
    child.kill('SIGKILL');
    await rm(data, { recursive: true });
  }
});

test.run();
