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
import { until } from '../../until.ts';
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
  await until('their connections are gone', async () => served.connections === 1);
});

/** A client in its transmission phase that reads when it is asked to. */
class Reader {
  readonly socket: Socket;
  #got: Buffer = Buffer.alloc(0);

  private constructor(socket: Socket) {
    this.socket = socket;
  }

  static async open(): Promise<Reader> {
    const reader = new Reader(connect(path));
    await once(reader.socket, 'connect');
    reader.socket.write(Buffer.concat([clientFlags(), option(7, go('web'))]));
    // The greeting, the export's size and flags, and the end of the option's replies.
    await reader.read(18 + 20 + 12 + 20);
    return reader;
  }

  /** Exactly so many bytes. */
  async read(bytes: number): Promise<Buffer> {
    const chunks = [this.#got];
    let length = this.#got.length;
    while (length < bytes) {
      this.socket.resume();
      const [chunk]: Buffer[] = await within(once(this.socket, 'data'));
      this.socket.pause();
      if (chunk === undefined) break;
      chunks.push(chunk);
      length += chunk.length;
    }
    const all = Buffer.concat(chunks);
    this.#got = all.subarray(bytes);
    return all.subarray(0, bytes);
  }
}

/** Bytes that are somewhere else when they have moved. */
function pattern(bytes: number, step: number): Buffer {
  return Buffer.from(Uint8Array.from({ length: bytes }, (_, index) => (index * step) % 251));
}

test('large writes are whole however they come, and so is what stands between them', async () => {
  const client = await Reader.open();
  const { socket } = client;
  const payloads = Array.from({ length: 6 }, (_, index) => pattern(SIZE / 2, index + 1));
  const small = Buffer.alloc(4096, 77);
  const requests = payloads.flatMap((payload, index) => [
    request(1, (index % 2) * (SIZE / 2), SIZE / 2, 0, payload),
    request(1, 8192 * index, 4096, 0, small),
  ]);
  const all = Buffer.concat(requests);
  const replied = client.read(requests.length * 16);
  // In odd pieces: headers and payloads are torn anywhere.
  for (let at = 0; at < all.length; at += 300_007) socket.write(all.subarray(at, at + 300_007));
  await replied;
  socket.write(request(0, 0, SIZE));
  const back = (await client.read(16 + SIZE)).subarray(16);
  const expected = Buffer.alloc(SIZE);
  for (const [index, payload] of payloads.entries()) {
    payload.copy(expected, (index % 2) * (SIZE / 2));
    small.copy(expected, 8192 * index);
  }
  assert.ok(back.equals(expected));
  socket.destroy();
  await beside.works();
});

test('a client that reads late gets everything, whole and in order', async () => {
  const client = await Reader.open();
  const { socket } = client;
  const content = pattern(SIZE, 7);
  socket.write(request(1, 0, SIZE, 0, content));
  await client.read(16);
  // Less than what the server holds back at.
  const reads = Array.from({ length: 12 }, (_, index) => request(0, index * 4096, SIZE / 2));
  await new Promise((resolve) => socket.write(Buffer.concat(reads), resolve));
  await beside.works();
  for (let index = 0; index < reads.length; index++) {
    const reply = await client.read(16 + SIZE / 2);
    assert.is(reply.readUInt32BE(0), 0x67446698);
    assert.ok(reply.subarray(16).equals(content.subarray(index * 4096, index * 4096 + SIZE / 2)), `read ${index}`);
    // It asks on while replies wait for it: these come last.
    socket.write(request(0, 4096, 4096));
  }
  for (let index = 0; index < reads.length; index++) {
    assert.ok((await client.read(16 + 4096)).subarray(16).equals(content.subarray(4096, 8192)), `late read ${index}`);
  }
  socket.destroy();
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
