// A command that is another package's program becomes it: who signals the one signals the other.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

const MAIN = fileURLToPath(new URL('../../../cli/main.ts', import.meta.url));

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
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

test.run();
