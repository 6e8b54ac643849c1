// `supercloud sdnd --alone` with a real ovs-vswitchd: bridges in a ring with a chord, hosts that ping each other. Needs root and
// Debian's openvswitch-switch. In order.
import { once } from 'node:events';
import { connect } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { messageOf } from '../../common/errors.ts';
import type { LoneTopology } from '../../sdnd/alone/lone-topology.ts';
import { until } from '../until.ts';
import { NUMBERS, SwitchRing, WIRES } from './switch-ring.ts';

/** Four seconds of pings, in which a link goes and others take over. */
const PINGS = 200;

const ring = new SwitchRing();
const alone = suite('sdnd alone');

async function eventually(what: string, check: (topology: LoneTopology) => boolean): Promise<number> {
  const begunMs = performance.now();
  let last: LoneTopology | undefined;
  await until(what, async () => {
    last = await ring.topology();
    return check(last);
  }).catch((cause: unknown) => {
    throw new Error(`${messageOf(cause)}\n${JSON.stringify(last)}\n${ring.said}`, { cause });
  });
  return Math.round(performance.now() - begunMs);
}

/** All links are there, floods cross a tree of them, and each bridge has an edge for its host. */
function settled(links: number): Promise<number> {
  return eventually(`${links} links`, (topology) => {
    const edges = topology.switches.filter(({ ports }) =>
      ports.some(({ name, role }) => name.startsWith('to-h') && role === 'edge'),
    );
    const tree = topology.links.filter(({ floods }) => floods);
    return topology.links.length === links && tree.length === NUMBERS.length - 1 && edges.length === NUMBERS.length;
  });
}

const PAIRS = NUMBERS.flatMap((from) => NUMBERS.filter((to) => to !== from).map((to) => [from, to] as const));

async function everybodyPings(): Promise<void> {
  await Promise.all(PAIRS.map(([from, to]) => ring.ping(from, to, ['-c', '1'])));
  const said = await Promise.all(PAIRS.map(([from, to]) => ring.ping(from, to, ['-c', '2', '-i', '1'])));
  for (const text of said) {
    assert.match(text, /2 packets transmitted, 2 received/, text);
    assert.not.match(text, /duplicates/);
  }
}

alone.before(async () => {
  await ring.start();
});
alone.after(async () => {
  await ring.stop();
});

alone('finds a ring with a chord by itself, and everybody pings everybody', async () => {
  process.stdout.write(`  settled after ${await settled(WIRES.length)} ms\n`);
  await everybodyPings();
  const { hosts } = await ring.topology();
  assert.is(hosts.length, NUMBERS.length);
});

alone('a broadcast comes to every other host once', async () => {
  const before = await Promise.all(NUMBERS.map((n) => ring.received(n)));
  await ring.broadcast(1, 100);
  assert.match(await ring.ping(2, 1, ['-c', '1']), /1 received/, 'what was sent later has arrived');
  const after = await Promise.all(NUMBERS.map((n) => ring.received(n)));
  const more = NUMBERS.map((n) => (after[n - 1] ?? 0) - (before[n - 1] ?? 0));
  for (const n of [2, 3, 4]) assert.ok((more[n - 1] ?? 0) >= 100 && (more[n - 1] ?? 0) < 120, `host ${n}: ${more}`);
  assert.ok((more[0] ?? 0) < 20, `the sender hears itself: ${more}`);
});

alone('a link that goes takes its paths along, and others take over', async () => {
  const pings = ring.ping(1, 3, ['-c', `${PINGS}`, '-i', '0.02']);
  await ring.unwire(1, 3);
  await settled(WIRES.length - 1);
  const lost = PINGS - Number(/(\d+) received/.exec(await pings)?.[1] ?? 0);
  assert.ok(lost < PINGS - 10, `${lost} of ${PINGS} pings lost`);
  assert.not.match(await pings, /duplicates/);
  await everybodyPings();
  await ring.wire(1, 3);
  process.stdout.write(`  ${lost} of ${PINGS} pings lost; up again after ${await settled(WIRES.length)} ms\n`);
});

alone('garbage, half messages and another version end their own connection alone', async () => {
  const words = ['GET / HTTP/1.0\r\n\r\n', '\x01\x00\x00\x08\x00\x00\x00\x01', '\x04\x00\xff\xff\x00\x00'];
  const sockets = words.map((word) => {
    const socket = connect(ring.openflow).on('error', () => undefined);
    socket.write(word, 'latin1');
    return socket.resume();
  });
  await Promise.all(sockets.slice(0, 2).map((socket) => once(socket, 'close')));
  sockets[2]?.destroy();
  await eventually('switches stay', ({ switches }) => switches.every(({ isReady }) => isReady));
  // What it says comes by another way than the ends of the connections.
  for (const words of [/a connection was let go: bad-version/, /does not speak OpenFlow 1[.]3/]) {
    await eventually(`it says ${words}`, () => words.test(ring.said));
  }
  assert.not.match(ring.said, /is lost/);
});

alone('a stop and a new start change no flow of a pair and lose no ping', async () => {
  const flowsOf = async (): Promise<string[]> =>
    (await Promise.all(NUMBERS.map((n) => ring.flows(n)))).flatMap((text) =>
      text
        .split('\n')
        .filter((line) => line.includes('priority=200'))
        .sort(),
    );
  const before = await flowsOf();
  assert.ok(before.length >= PAIRS.length, `${before.length} flows`);
  const unanswered = ring.unanswered(1, 3, 80);
  assert.is(await ring.stopController('SIGTERM'), 0);
  await ring.startController();
  assert.equal(await unanswered, []);
  process.stdout.write(`  settled again after ${await settled(WIRES.length)} ms\n`);
  assert.equal(await flowsOf(), before);
  await everybodyPings();
});

alone.run();
