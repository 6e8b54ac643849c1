// Several exports on one TCP port: which is reached by which name, what ends with an export, and how many clients there may
// be; and what a blockd that is alone may listen on.
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type ListenOptions, openPort } from '../../../blockd/alone-listen.ts';
import { atPort, NbdPort } from '../../../blockd/nbd/nbd-port.ts';
import { NbdSession } from '../../../blockd/nbd/nbd-session.ts';
import { refusedClients, turnedAway } from '../../../blockd/nbd/turned-away.ts';
import { failure, member, quiet, stranger, within } from '../common/members.ts';
import { clientFlags, FakeDevice, go, option, optionReplies, request, SIZE, Wire } from './nbd-client.ts';

const CLIENTS = 1000;
/** Of a port. */
const CONNECTIONS_MAX = 64;
const LISTEN = { address: '127.0.0.1', port: 0 };
const ERR_UNKNOWN = 0x80000006;

let port: NbdPort;

test.before.each(async () => {
  port = await NbdPort.open({ listen: LISTEN, tls: undefined, log: quiet });
});

test.after.each(() => port.close());

async function enter(name: string): Promise<Socket> {
  const socket = connect(port.port, '127.0.0.1');
  socket.on('error', () => socket.destroy());
  await once(socket, 'connect');
  socket.write(Buffer.concat([clientFlags(), option(7, go(name))]));
  for (let got = 0; got < 18 + 20 + 12 + 20; ) {
    const [chunk] = (await within(once(socket, 'data'))) as [Buffer];
    got += chunk.length;
  }
  return socket;
}

function several(): { session: NbdSession; wire: Wire; web: FakeDevice; log: FakeDevice } {
  const [wire, web, log] = [new Wire(), new FakeDevice(), new FakeDevice()];
  const others = [{ device: log, description: { name: 'log', bytes: SIZE, isReadOnly: true } }];
  const session = new NbdSession(web, { name: 'web', bytes: SIZE }, wire, others);
  wire.take();
  session.receive(clientFlags());
  return { session, wire, web, log };
}

test('of several exports each is listed and reached by its name, and the empty name is none of them', () => {
  const { session, wire, web, log } = several();
  session.receive(option(3));
  assert.equal(
    optionReplies(wire.take()).map(([, type]) => type),
    [2, 2, 1],
  );
  session.receive(Buffer.concat([option(6, go('')), option(6, go('other'))]));
  assert.equal(
    optionReplies(wire.take()).map(([, type]) => type),
    [ERR_UNKNOWN, ERR_UNKNOWN],
  );
  session.receive(Buffer.concat([option(7, go('log')), request(4, 0, 4096), request(3, 0, 0)]));
  assert.equal([web.calls, log.calls], [[], ['flush']], 'log is read only, web was not meant');
});

test('contexts count for the export that they were chosen for', () => {
  const { session, wire } = several();
  const name = Buffer.from('web');
  const context = Buffer.from('base:allocation');
  const word = (value: number): Buffer => Buffer.from([0, 0, 0, value]);
  const chosen = Buffer.concat([word(name.length), name, word(1), word(context.length), context]);
  session.receive(Buffer.concat([option(8), option(10, chosen), option(7, go('log'))]));
  wire.take();
  session.receive(request(7, 0, 4096));
  const reply = wire.take();
  assert.is(reply.readUInt16BE(6), 0x8001, 'an error: no context was chosen for log');
});

test('an export that ends takes its own clients along, and the others stay', async () => {
  const web = port.add(new FakeDevice(), { name: 'web', bytes: SIZE });
  const log = port.add(new FakeDevice(), { name: 'log', bytes: SIZE });
  const [one, other] = [await enter('web'), await enter('log')];
  assert.equal([web.connections, log.connections, port.connections], [1, 1, 2]);
  const closed = once(one, 'close');
  web.close();
  await within(closed);
  other.write(request(3, 0, 0));
  assert.is(((await within(once(other, 'data'))) as [Buffer])[0].length, 16);
  other.destroy();
});

test('an export of both kinds counts both kinds of clients, and ends both', async () => {
  const ended: string[] = [];
  const release = async (): Promise<void> => undefined;
  const local = { path: '/x.sock', connections: 2, release, close: async () => void ended.push('local') };
  const both = atPort(port, new FakeDevice(), { name: 'web', bytes: SIZE }, local);
  const socket = await enter('web');
  assert.is(both.connections, 3);
  const closed = once(socket, 'close');
  await both.close();
  await within(closed);
  assert.equal(ended, ['local']);
  assert.is(atPort(undefined, new FakeDevice(), { name: 'web', bytes: SIZE }, local).connections, 2);
});

test('without an export nobody is let in', async () => {
  const socket = connect(port.port, '127.0.0.1').on('error', () => undefined);
  socket.resume();
  await within(once(socket, 'close'));
});

test('of a thousand connections few are held; who reads nothing costs no other, and one line says what to do', async () => {
  const said: unknown[] = [];
  const log = { warn: (fields: object) => void said.push(fields), debug: () => undefined };
  await port.close();
  port = await NbdPort.open({ listen: LISTEN, tls: undefined, log });
  port.add(new FakeDevice(), { name: 'web', bytes: SIZE });
  const beside = await enter('web');
  const deaf = await enter('web');
  deaf.pause();
  for (let count = 0; count < 200; count++) deaf.write(request(0, 0, SIZE));
  const sockets = Array.from({ length: CLIENTS }, () => connect(port.port, '127.0.0.1').on('error', () => undefined));
  let closed = 0;
  await within(
    new Promise<void>((resolve) => {
      for (const socket of sockets) {
        socket.resume();
        socket.once('close', () => ++closed === CLIENTS - (CONNECTIONS_MAX - 2) && resolve());
      }
    }),
    60_000,
  );
  beside.write(request(3, 0, 0));
  assert.is(((await within(once(beside, 'data'))) as [Buffer])[0].length, 16);
  assert.is(port.connections, CONNECTIONS_MAX);
  assert.is(said.length, 1);
  assert.match(JSON.stringify(said[0]), /End clients that are not needed/);
  for (const socket of [...sockets, beside, deaf]) socket.destroy();
});

test('those that are turned away are told of again after a minute, with their number', () => {
  const said: object[] = [];
  let nowMs = 0;
  const log = { warn: (fields: object) => void said.push(fields), debug: () => undefined };
  const away = turnedAway(log, 'it', 16, () => nowMs);
  for (let count = 0; count < 5; count++) away.note();
  nowMs = 60_000;
  away.note();
  assert.equal(
    said.map((fields) => ('count' in fields ? fields.count : 0)),
    [1, 6],
  );
});

test('those that are let go for what they sent are told of once a minute, with the newest reason and who it was', () => {
  const said: object[] = [];
  let nowMs = 0;
  const log = { warn: (fields: object) => void said.push(fields), debug: () => undefined };
  const refused = refusedClients(log, { image: 'web' }, () => nowMs);
  for (const why of ['a', 'b']) refused.note(why);
  nowMs = 60_000;
  refused.note('c', '192.0.2.1');
  assert.equal(said, [
    { image: 'web', why: 'a', count: 1 },
    { image: 'web', from: '192.0.2.1', why: 'c', count: 3 },
  ]);
});

const REFUSED: readonly (readonly [ListenOptions, RegExp])[] = [
  [{ listen: '127.0.0.1:10809' }, /without TLS would be anybody's/],
  [{ listen: '10.0.0.5:10809' }, /without TLS would be anybody's/],
  [{ listen: '10.0.0.5:10809', insecureLoopback: true }, /without TLS would be anybody's/],
  [{ listen: '0.0.0.0:10809', insecureLoopback: true }, /without TLS would be anybody's/],
  [{ listen: '127.0.0.1:1', insecureLoopback: true, tls: '/x' }, /not both/],
  [{ listen: '127.0.0.1:99999', insecureLoopback: true }, /no address and port/],
  [{ listen: 'localhost', insecureLoopback: true }, /no address and port/],
  [{ tls: '/x' }, /are for --listen/],
  [{ listen: '127.0.0.1:0', tls: '/nowhere' }, /ca-cert.pem cannot be read \(ENOENT\)/],
  [{ listen: '203.0.113.7:10809', tls: '/nowhere' }, /cannot be read/],
];

for (const [options, expected] of REFUSED) {
  test(`alone: ${JSON.stringify(options)} is refused`, async () => {
    assert.match((await failure(openPort(options, quiet))).message, expected);
  });
}

test('a client that came before an export was made anew is let go when it chooses that', async () => {
  const first = port.add(new FakeDevice(), { name: 'web', bytes: SIZE });
  const socket = connect(port.port, '127.0.0.1');
  socket.on('error', () => undefined);
  await within(once(socket, 'data'));
  first.close();
  const second = port.add(new FakeDevice(), { name: 'web', bytes: SIZE });
  socket.write(Buffer.concat([clientFlags(), option(7, go('web'))]));
  socket.resume();
  await within(once(socket, 'close'));
  assert.is(second.connections, 0);
  (await enter('web')).destroy();
});

test('alone: TLS files that do not go together, and an address that is taken, are said', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'nbd-port-'));
  try {
    const { certificate, authority } = await member('a');
    await writeFile(join(directory, 'ca-cert.pem'), authority);
    await writeFile(join(directory, 'server-cert.pem'), certificate);
    await writeFile(join(directory, 'server-key.pem'), (await stranger('a')).key);
    assert.is((await failure(openPort({ listen: '127.0.0.1:0', tls: directory }, quiet))).code, 'TLS_FILES');
    for (const name of ['ca-cert.pem', 'server-cert.pem', 'server-key.pem']) {
      const good = await readFile(join(directory, name));
      await writeFile(join(directory, name), 'rubbish');
      const { message } = await failure(openPort({ listen: '127.0.0.1:0', tls: directory }, quiet));
      assert.match(message, `${join(directory, name)} is not what its name says`);
      await writeFile(join(directory, name), good);
    }
    const taken = { listen: `127.0.0.1:${port.port}`, insecureLoopback: true } as const;
    assert.is((await failure(openPort(taken, quiet))).code, 'LISTEN');
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});

test('alone: loopback without TLS is served where it is asked for, in both families', async () => {
  for (const listen of ['127.0.0.1:0', '[::1]:0']) {
    const opened = await openPort({ listen, insecureLoopback: true }, quiet);
    assert.ok((opened?.port ?? 0) > 0);
    await opened?.close();
  }
  assert.is(await openPort({}, quiet), undefined);
});

test.run();
