// The socket of an export and clients that break the protocol on it: each ends its own connection at the most, while a
// second client goes on beside it.
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { exportDevice, type NbdExport } from '../../../blockd/nbd/nbd-server.ts';
import { quiet, within } from '../common/members.ts';
import { Beside } from './nbd-beside.ts';
import { clientFlags, FakeDevice, go, option, request, SIZE } from './nbd-client.ts';

const CLIENTS = 1000;
/** Of an export. */
const CONNECTIONS_MAX = 16;

let root: string;
let path: string;
let served: NbdExport;
let beside: Beside;

test.before(async () => {
  root = await mkdtemp(join(tmpdir(), 'nbd-server-'));
  path = join(root, 'web.sock');
  served = await exportDevice(new FakeDevice(), { name: 'web', bytes: SIZE }, path, quiet);
  beside = await Beside.open(path);
});

test.after(async () => {
  beside.close();
  await served.close();
  await rm(root, { recursive: true, force: true });
});

/** Sends bytes that the server answers by ending the connection. */
async function isHungUp(bytes: Buffer): Promise<void> {
  const socket = connect(path);
  socket.on('error', () => socket.destroy());
  await once(socket, 'connect');
  const closed = once(socket, 'close');
  socket.resume();
  socket.write(bytes);
  await within(closed);
}

test('wrong magics and options far too long end their own connection', async () => {
  const running = Buffer.concat([clientFlags(), option(7, go('web'))]);
  const cases = [
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    Buffer.concat([clientFlags(), Buffer.alloc(64, 0xff)]),
    Buffer.concat([clientFlags(), option(7, Buffer.alloc(0), 2 ** 31)]),
    Buffer.concat([running, Buffer.alloc(28)]),
  ];
  for (const bytes of cases) {
    await isHungUp(bytes);
    await beside.works();
  }
});

test('clients that die inside a payload leave nothing behind', async () => {
  for (let count = 0; count < 40; count++) {
    const socket = connect(path);
    await once(socket, 'connect');
    socket.write(Buffer.concat([clientFlags(), option(7, go('web')), request(1, 0, SIZE).subarray(0, 28)]));
    await new Promise((resolve) => socket.write(Buffer.alloc(1000), resolve));
    await within(once(socket, 'data'));
    socket.destroy();
  }
  await beside.works();
  assert.ok(served.connections <= 2, 'their connections are gone');
});

test('of a thousand connections few are held, and who was there before goes on', async () => {
  const sockets = Array.from({ length: CLIENTS }, () => connect(path).on('error', () => undefined));
  const greeted = new Set<Socket>();
  const ended = sockets.map((socket) => once(socket, 'close').catch(() => undefined));
  for (const socket of sockets) socket.once('data', () => greeted.add(socket));
  const turnedAway = CLIENTS - (CONNECTIONS_MAX - 1);
  let closed = 0;
  await within(
    new Promise<void>((resolve) => {
      for (const end of ended) void end.then(() => ++closed === turnedAway && resolve());
    }),
  );
  await beside.works();
  assert.ok(greeted.size <= CONNECTIONS_MAX - 1, `${greeted.size} were let in`);
  for (const socket of sockets) socket.destroy();
  await Promise.all(ended);
});

test.run();
