// What a program in a room of its own makes is gone with it, however it ends, and is seen by nobody else meanwhile.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, utimesSync } from 'node:fs';
import { dirname } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NETNS_DIRECTORY } from '../../lab/namespace.ts';
import { DATA_ROOT, RUN_ROOT } from '../../lab/run-directory.ts';
import { inRoom, type OwnRoom } from '../own-room.ts';
import { Scratch } from '../scratch.ts';

const scratch = new Scratch();

test.after(() => scratch.remove());

function start(script: string, room: OwnRoom = {}): ChildProcess {
  const { words, env } = inRoom(['sh', '-c', script], scratch.part(), room);
  const [command = '', ...rest] = words;
  return spawn(command, rest, { env, stdio: ['ignore', 'pipe', 'inherit'] });
}

const mounts = (): string => readFileSync('/proc/self/mountinfo', 'utf8');

test('a killed one leaves no process, namespace, mount or run of the lab', async () => {
  // Whoever lives keeps the pipe open.
  const child = start(`
    ip netns add room-x && ip netns exec room-x sleep 100 &
    setsid sleep 100 &
    mkdir "$TMPDIR/room-mount" && mount -t tmpfs room "$TMPDIR/room-mount" || exit 1
    echo kept > ${RUN_ROOT}/room-run && echo kept > ${DATA_ROOT}/room-data || exit 1
    while [ ! -e ${NETNS_DIRECTORY}/room-x ]; do sleep 0.1; done
    echo made; sleep 100`);
  await once(child.stdout as NonNullable<typeof child.stdout>, 'data');
  const seen = (): boolean[] => [
    existsSync(`${NETNS_DIRECTORY}/room-x`),
    existsSync(`${RUN_ROOT}/room-run`),
    existsSync(`${DATA_ROOT}/room-data`),
    mounts().includes('room-mount'),
  ];
  assert.equal(seen(), [false, false, false, false]);
  child.kill('SIGKILL');
  await once(child, 'close');
  assert.equal(seen(), [false, false, false, false]);
});

test('it ends as its program does, whatever that has started', async () => {
  const child = start('setsid sleep 100 & exit 7');
  assert.equal(await once(child, 'close'), [7, null]);
});

test('its first process waits for those who lost their parent', async () => {
  const child = start(`
    orphan=$(sh -c 'sleep 0.1 >/dev/null & echo $!')
    for round in $(seq 100); do [ -e "/proc/$orphan" ] || break; sleep 0.05; done
    [ ! -e "/proc/$orphan" ]`);
  assert.equal(await once(child, 'close'), [0, null]);
});

test('with addresses of its own it has a loopback interface that is up, and no other', async () => {
  const child = start('ls /sys/class/net >/dev/null; ip -o addr show up', { addresses: true });
  const lines = (await text(child.stdout as NonNullable<typeof child.stdout>)).trim().split('\n');
  assert.ok(lines.length > 0);
  assert.ok(
    lines.every((line) => /^1: lo\s+inet6? /.test(line)),
    lines.join('\n'),
  );
});

test('what a killed run kept is removed by the next, and what a living one keeps is not', async () => {
  const url = new URL('../scratch.ts', import.meta.url);
  const program = `
    import { Scratch } from '${url}';
    const { small, large } = new Scratch().part();
    console.log(small + ' ' + large);
    setInterval(() => undefined, 1000);`;
  const startOne = async (): Promise<{ child: ChildProcess; directories: string[] }> => {
    const words = [...process.execArgv, '--input-type=module', '-e', program];
    const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = await once(child.stdout as NonNullable<typeof child.stdout>, 'data');
    return { child, directories: String(line).trim().split(' ') };
  };
  const first = await startOne();
  const second = await startOne();
  assert.equal([...first.directories, ...second.directories].map(existsSync), [true, true, true, true]);
  first.child.kill('SIGKILL');
  await once(first.child, 'close');
  // It was made a while ago.
  const long = new Date(Date.now() - 60_000);
  for (const directory of [...first.directories, ...second.directories].map(dirname)) utimesSync(directory, long, long);
  const third = await startOne();
  assert.equal(first.directories.map(existsSync), [false, false]);
  assert.equal([...second.directories, ...third.directories].map(existsSync), [true, true, true, true]);
  for (const { child } of [second, third]) {
    child.kill('SIGKILL');
    await once(child, 'close');
  }
});

test.run();
