// The door to a running lab's WAN and the words that go through it: what is asked is done, rubbish is a sentence, and
// nothing is half done.
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { OperationError } from '../../../common/errors.ts';
import type { LinkSettings } from '../../../lab/wan/link.ts';
import { checkSettings } from '../../../lab/wan/order.ts';
import { DEFAULT_LINK } from '../../../lab/wan/wan.ts';
import { askWan, doorOf, orderOf, type WanWords, wanTable } from '../../../lab/wan-command.ts';
import { type DoorWan, openWanDoor, type WanDoor, type WanOrder } from '../../../lab/wan-door.ts';
import { refusal } from '../../refusal.ts';

const PORTS = ['alpha', 'beta'];
const FIGURES = { worstLatenessMs: 3, meanLatenessMs: 0.2, departures: 9, overruns: 0, cpuMs: 1, realTime: true };
const COUNTERS = { frames: 7, bytes: 700, drops: 1, lost: 2 };

/** A WAN that keeps its settings and carries nothing. */
function quietWan(): DoorWan {
  const links = new Map<string, LinkSettings>();
  const both = [
    { from: 'alpha', to: 'beta' },
    { from: 'beta', to: 'alpha' },
  ];
  const key = (from: string, to: string): string => `${from} ${to}`;
  const reset = async (from: string, to: string): Promise<void> => {
    links.set(key(from, to), DEFAULT_LINK);
  };
  return {
    ports: PORTS,
    reset,
    resetAll: async () => {
      for (const { from, to } of both) await reset(from, to);
    },
    set: async (from, to, change) => {
      checkSettings(change);
      links.set(key(from, to), { ...(links.get(key(from, to)) ?? DEFAULT_LINK), ...change });
    },
    stats: async () => ({
      perLink: both.map(({ from, to }) => ({ from, to, ...DEFAULT_LINK, ...links.get(key(from, to)), ...COUNTERS })),
      ...FIGURES,
    }),
  };
}

interface Context {
  directory: string;
  path: string;
  door: WanDoor;
}

const test = suite<Context>('WAN door');

test.before.each(async (context) => {
  context.directory = mkdtempSync(join(tmpdir(), 'supercloud-wan-door-'));
  context.path = join(context.directory, 'wan.sock');
  context.door = await openWanDoor(context.path, quietWan());
});
test.after.each(async ({ door, directory }) => {
  await door.close();
  rmSync(directory, { recursive: true });
});

async function say(path: string, words: string): Promise<string> {
  const socket = connect(path);
  socket.write(words);
  return text(socket);
}

test('the socket is for its owner alone', ({ path }) => {
  assert.is(statSync(path).mode & 0o777, 0o600);
});

test('a change of both directions, of one, and back to the start', async ({ path }) => {
  const both = await askWan(path, orderOf(['alpha', 'beta'], { rtt: 150, rate: 50, loss: 2, queue: 2 ** 20 }));
  const slow = { delayMs: 75, rateMbit: 50, lossPercent: 2, queueBytes: 2 ** 20, up: true };
  assert.equal(
    both.perLink.map(({ frames, bytes, drops, lost, ...link }) => link),
    [
      { from: 'alpha', to: 'beta', ...slow },
      { from: 'beta', to: 'alpha', ...slow },
    ],
  );
  const one = await askWan(path, orderOf(['beta', 'alpha'], { cut: true, oneWay: true }));
  assert.equal(
    one.perLink.map(({ up }) => up),
    [true, false],
  );
  const back = await askWan(path, orderOf([], { reset: true }));
  assert.equal(back.perLink[1], { from: 'beta', to: 'alpha', ...DEFAULT_LINK, ...COUNTERS });
  assert.equal(await askWan(path, orderOf([], {})), back);
});

test('unknown clouds and one cloud twice are refused, and nothing is changed', async ({ path }) => {
  const before = await askWan(path, { order: 'show' });
  const links = [
    { from: 'alpha', to: 'beta' },
    { from: 'alpha', to: 'delta' },
  ];
  const unknown = await refusal(askWan(path, { order: 'change', links, change: { up: false } }));
  assert.equal(
    [unknown.code, unknown.message, unknown.remedy],
    ['CLOUD_UNKNOWN', 'there is no cloud delta', 'the clouds are alpha, beta'],
  );
  const same = await refusal(askWan(path, { order: 'reset', links: [{ from: 'beta', to: 'beta' }] }));
  assert.is(same.code, 'USAGE');
  assert.equal(await askWan(path, { order: 'show' }), before);
});

test('what is no order is answered by a sentence, and the next one is served', async ({ path }) => {
  assert.match(await say(path, 'cut everything\n'), 'BAD_ORDER');
  assert.match(await say(path, '{"order":"halt"}\n'), 'BAD_ORDER');
  const change = { order: 'change', links: [{ from: 'alpha', to: 'beta' }], change: { delayMs: 'long' } };
  assert.match(await say(path, `${JSON.stringify(change)}\n`), 'BAD_ORDER');
  const far: WanOrder = { order: 'change', links: [{ from: 'alpha', to: 'beta' }], change: { delayMs: 1e6 } };
  assert.match((await refusal(askWan(path, far))).message, /delayMs is 1000000, must be 0 to 10000/);
  assert.is((await askWan(path, { order: 'show' })).perLink.length, 2);
});

test('a line that is too long is not answered', async ({ path }) => {
  const said = await say(path, `${'x'.repeat(5_000)}\n`).catch(() => '');
  assert.is(said, '');
});

test('words that are no order say what to type', () => {
  const words: [string[], WanWords][] = [
    [['alpha'], { cut: true }],
    [['alpha', 'beta', 'gamma'], { cut: true }],
    [['alpha', 'beta'], {}],
    [['alpha', 'beta'], { cut: true, mend: true }],
    [['alpha', 'beta'], { reset: true, rate: 50 }],
    [[], { rtt: 150 }],
    [[], { oneWay: true }],
  ];
  for (const [clouds, options] of words) {
    const isUsage = (error: unknown): boolean =>
      error instanceof OperationError && error.code === 'USAGE' && error.remedy !== '';
    assert.throws(() => orderOf(clouds, options), isUsage, JSON.stringify([clouds, options]));
  }
});

test('no lab, a context of something else, and a lab that is gone are told apart', async ({
  directory,
  path,
  door,
}) => {
  const file = join(directory, 'context.json');
  assert.throws(() => doorOf(file), /no lab is known to run here \(no context at .*context.json\)/);
  writeFileSync(file, JSON.stringify({ node: 'alpha', socket: '/nowhere', identity: '/nowhere' }));
  assert.throws(() => doorOf(file), /a cluster that is no lab/);
  writeFileSync(file, JSON.stringify({ node: 'alpha', socket: '/nowhere', identity: '/nowhere', wan: path }));
  assert.is(doorOf(file), path);
  await door.close();
  const gone = await refusal(askWan(path, { order: 'show' }));
  assert.is(gone.code, 'NO_LAB');
  assert.match(gone.remedy, './supercloud lab');
});

test('the table has a line per direction and says how exact the emulator is', async ({ path }) => {
  const view = await askWan(path, orderOf(['alpha', 'beta'], { cut: true, oneWay: true }));
  const lines = wanTable(view).split('\n');
  assert.match(lines[1] ?? '', /^alpha +beta +0 ms +200 Mbit\/s +0 % +3\.8 MB +cut +7 +700 B +1 +2$/);
  assert.match(lines[2] ?? '', /^beta +alpha .* up /);
  assert.is(lines.at(-1), "the emulator's worst lateness 3 ms, in the mean 0.20 ms");
  assert.match(wanTable({ ...view, overruns: 4, realTime: false }), /it lost 4 frames itself.*no real-time priority/);
});

test.run();
