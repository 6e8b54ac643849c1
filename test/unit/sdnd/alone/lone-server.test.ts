// The lone controller behind real sockets: what a connection sends harms that connection alone.
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encode } from '@openflow/ofp';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { realClock } from '../../../../common/clock.ts';
import { createLog } from '../../../../common/log.ts';
import { LoneServer } from '../../../../sdnd/alone/lone-server.ts';
import { loneTopology, loneTopologyText } from '../../../../sdnd/alone/lone-topology.ts';
import { askTopology, serveTopology } from '../../../../sdnd/alone/topology-socket.ts';
import { within } from '../../common/members.ts';
import { CodecSwitch, portOf } from '../switch-made-of-codec.ts';

const STEP_MS = 60_000;
const sockets = suite('lone server');
let server: LoneServer;
let port = 0;

sockets.before.each(async () => {
  const parts = { clock: realClock, log: createLog('test', 'silent'), random: Math.random, missesPerSecond: 100 };
  server = new LoneServer(parts);
  port = await server.listen({ address: '127.0.0.1', port: 0 });
});

sockets.after.each(() => server.close());

/** Resolves when the switch has its first entries. */
async function connected(): Promise<{ socket: Socket; peer: CodecSwitch }> {
  const peer = new CodecSwitch([portOf('a', 1), portOf('b', 2)]);
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write(peer.hello());
  const ready = Promise.withResolvers<void>();
  socket.on('data', (bytes) => {
    for (const answer of peer.receive(bytes)) socket.write(answer);
    if (peer.flows.size > 3) ready.resolve();
  });
  socket.on('close', () => ready.resolve());
  await within(ready.promise, STEP_MS, 'no session');
  return { socket, peer };
}

async function isEnded(socket: Socket): Promise<void> {
  if (!socket.closed) await within(once(socket, 'close'), STEP_MS, 'the connection stays');
}

function rubbish(...bytes: readonly number[]): Socket {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined).resume();
  socket.write(Uint8Array.from(bytes));
  return socket;
}

sockets('a second connection of a datapath id is let go, the first stays', async () => {
  const first = await connected();
  const second = await connected();
  await isEnded(second.socket);
  assert.is(first.socket.closed, false);
  assert.is(server.controller.switches.size, 1);
  first.socket.destroy();
});

sockets('what is no OpenFlow 1.3 ends its own connection', async () => {
  const { socket, peer } = await connected();
  await isEnded(rubbish(0x47, 0x45, 0x54, 0x20, 0x2f, 0x20, 0x0d, 0x0a));
  await isEnded(rubbish(1, 0, 0, 8, 0, 0, 0, 1));
  await isEnded(rubbish(4, 2, 0, 8, 0, 0, 0, 1));
  const half = rubbish(4, 0, 0, 16, 0);
  socket.write(encode({ type: 'echo-request', data: Uint8Array.of(7) }, 99));
  const answered = (): boolean => peer.got.some(({ message, xid }) => message.type === 'echo-reply' && xid === 99);
  while (!answered()) await within(once(socket, 'data'), STEP_MS, 'no answer');
  half.destroy();
  socket.destroy();
});

sockets('a switch that says rubbish later is lost alone', async () => {
  const { socket } = await connected();
  socket.write(Uint8Array.of(4, 10, 0, 4, 0, 0, 0, 0));
  await isEnded(socket);
  const [one] = server.controller.switches.values();
  assert.is(one?.connection, undefined);
});

sockets('one that tells its ports once more is lost as any other, and its datapath id is free then', async () => {
  const { socket, peer } = await connected();
  const asked = peer.got.find(({ message }) => message.type === 'multipart-request' && message.part === 'port-desc');
  const again = { type: 'multipart-reply', part: 'port-desc', more: false, ports: [portOf('a', 1)] } as const;
  socket.write(encode(again, asked?.xid ?? 0));
  socket.write(encode({ type: 'echo-request', data: Uint8Array.of(7) }, 99));
  const answered = (): boolean => peer.got.some(({ message, xid }) => message.type === 'echo-reply' && xid === 99);
  while (!answered()) await within(once(socket, 'data'), STEP_MS, 'no answer');
  const [one] = server.controller.switches.values();
  socket.end();
  await isEnded(socket);
  assert.is(one?.connection, undefined);
  const next = await connected();
  assert.is(next.socket.closed, false);
  assert.ok(one?.connection);
  next.socket.destroy();
});

sockets('what it knows is said on a socket, as data and as text', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'lone-'));
  const path = join(folder, 'topology.sock');
  const { socket } = await connected();
  const asked = await serveTopology(path, () => loneTopology(server.controller));
  const topology = await askTopology(path);
  assert.equal(
    topology.switches.map(({ id, ports }) => [id, ports.map((one) => one.name)]),
    [['000000000000002a', ['a', 'b']]],
  );
  assert.match(loneTopologyText(topology), /000000000000002a {2}/);
  asked.close();
  socket.destroy();
  rmSync(folder, { recursive: true });
});

sockets.run();
