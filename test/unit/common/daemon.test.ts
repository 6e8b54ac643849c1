// A daemon as a process: ready, stopped in order, refused with one sentence, crashed with a reason.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { within } from './members.ts';

// These tests may have been started by nohup.
delete process.env.SUPERCLOUD_OUTLIVES_TERMINAL;
test.after.each(() => {
  delete process.env.SUPERCLOUD_OUTLIVES_TERMINAL;
});

const PROGRAM = join(import.meta.dirname, 'daemon-program.ts');

interface Ran {
  readonly child: ChildProcess;
  readonly stdout: Promise<string>;
  readonly stderr: Promise<string>;
  readonly ended: Promise<unknown[]>;
  ready(): Promise<void>;
}

async function withDaemon(config: string | undefined, body: (ran: Ran) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'daemon-'));
  const path = join(directory, 'config.json');
  if (config !== undefined) await writeFile(path, config);
  const child = spawn(process.execPath, [PROGRAM, '--config', path], { stdio: ['ignore', 'pipe', 'pipe'] });
  const ready = once(child.stdout, 'data');
  const ran = {
    child,
    stdout: text(child.stdout),
    stderr: text(child.stderr),
    ended: once(child, 'exit'),
    async ready() {
      assert.is(String((await within(ready))[0]), 'READY\n');
    },
  };
  try {
    await within(body(ran));
  } finally {
    child.kill('SIGKILL');
    await rm(directory, { recursive: true });
  }
}

function closingSaid({ stderr }: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    stderr?.on('data', (chunk: Buffer) => (String(chunk).includes('"msg":"closing"') ? resolve() : undefined));
  });
}

test('it says READY once, and stops in order when it is told to', async () => {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    await withDaemon('{"behaviour":"good"}', async ({ child, stdout, stderr, ended, ready }) => {
      await ready();
      child.kill(signal);
      assert.equal(await ended, [0, null]);
      assert.is(await stdout, 'READY\n');
      assert.match(await stderr, /"msg":"stopping".*\n.*"msg":"closing".*\n.*"msg":"stopped"/);
    });
  }
});

test('a stop before it is ready is a stop', async () => {
  await withDaemon('{"behaviour":"slow start"}', async ({ child, stdout, stderr, ended }) => {
    await within(once(child.stderr ?? child, 'data'));
    child.kill('SIGTERM');
    assert.equal(await ended, [0, null]);
    assert.is(await stdout, '');
    assert.match(await stderr, '"msg":"closing"');
  });
});

test('a second signal ends a stop that hangs', async () => {
  await withDaemon('{"behaviour":"slow stop"}', async ({ child, stderr, ended, ready }) => {
    await ready();
    // What it said at its start may come yet: only this says that it has heard of the first.
    const closing = closingSaid(child);
    child.kill('SIGTERM');
    await within(closing);
    child.kill('SIGTERM');
    assert.equal(await ended, [1, null]);
    assert.match(await stderr, '"msg":"stopping"');
  });
});

test('a terminal that is closed, as kernel and shell both say, is one wish', async () => {
  await withDaemon('{"behaviour":"held stop"}', async ({ child, ended, ready }) => {
    await ready();
    const closing = closingSaid(child);
    child.kill('SIGHUP');
    await within(closing);
    child.kill('SIGHUP');
    child.kill('SIGUSR2');
    assert.equal(await ended, [0, null]);
  });
});

test('one that is to outlive its terminal is stopped by others alone', async () => {
  process.env.SUPERCLOUD_OUTLIVES_TERMINAL = 'yes';
  await withDaemon('{"behaviour":"good"}', async ({ child, stderr, ended, ready }) => {
    await ready();
    child.kill('SIGHUP');
    child.kill('SIGTERM');
    assert.equal(await ended, [0, null]);
    assert.match(await stderr, /"signal":"SIGTERM","msg":"stopping"/);
  });
});

test('a bad configuration is refused in one sentence that names the field', async () => {
  const cases: [string | undefined, RegExp][] = [
    ['{"behaviour":7}', /the configuration .*config\.json: behaviour must be string/],
    ['{}', /the configuration .*behaviour/],
    ['{', /is not JSON/],
    [undefined, /cannot read the configuration .*ENOENT/],
  ];
  for (const [config, expected] of cases) {
    await withDaemon(config, async ({ stdout, stderr, ended }) => {
      assert.equal(await ended, [78, null]);
      assert.is(await stdout, '');
      assert.match(JSON.parse(await stderr).msg, expected);
    });
  }
});

test('what nobody caught ends it with a line and exit code 1', async () => {
  for (const behaviour of ['reject', 'throw', 'fail to start']) {
    await withDaemon(JSON.stringify({ behaviour }), async ({ stderr, ended }) => {
      assert.equal(await ended, [1, null]);
      const line = JSON.parse((await stderr).trim().split('\n').at(-1) ?? '');
      assert.is(line.level, 60);
      assert.match(line.err.stack, 'a mistake');
    });
  }
});

test('no secret reaches the log', async () => {
  await withDaemon('{"behaviour":"tell secrets"}', async ({ child, stderr, ended, ready }) => {
    await ready();
    child.kill('SIGTERM');
    await ended;
    assert.match(await stderr, '[cut]');
    assert.not.match(await stderr, 'hush');
  });
});

test.run();
