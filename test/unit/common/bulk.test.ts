// Streams beside the calls: they carry every byte both ways, share the port with the calls, and reach only members.
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { buffer } from 'node:stream/consumers';
import { connect, type TLSSocket } from 'node:tls';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Type } from '#typebox';
import { BULK_PROTOCOL } from '../../../common/membership/tls.ts';
import { beginBulk, dialBulk, openBulk, openBulkIntake } from '../../../common/rpc/bulk.ts';
import { BulkIntake } from '../../../common/rpc/bulk-intake.ts';
import { rpcClient } from '../../../common/rpc/client.ts';
import { type BulkHandlers, startRpcServer } from '../../../common/rpc/server.ts';
import { contract, method } from '../../../wire/contract.ts';
import { aborted, authority, failure, member, quiet, stranger, within } from './members.ts';

const Empty = Type.Object({});
const ping = contract('ping', { ping: method(['node'], Empty, Empty) });
const alpha = await member('alpha');
const beta = await member('beta');

async function withServer(bulk: BulkHandlers, body: (port: number) => Promise<void>): Promise<void> {
  const listen = { address: '127.0.0.1', port: 0 };
  const options = { contract: ping, handlers: { ping: () => ({}) }, identity: alpha, listen, bulk, log: quiet };
  const server = await startRpcServer(options);
  try {
    await within(body(server.port));
  } finally {
    await within(server.close());
  }
}

const target = (port: number) => ({ node: 'alpha', address: '127.0.0.1', port });
const sha = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

test('10 MB arrive whole in both directions, beside calls on the same port', () =>
  withServer({ echo: (socket) => void socket.pipe(socket) }, async (port) => {
    const sent = randomBytes(10 * 1024 * 1024);
    const client = rpcClient(ping, target(port), beta);
    const stream = await openBulk(target(port), beta, 'echo', 'image web');
    const received = buffer(stream);
    stream.end(sent);
    assert.equal(await client.call('ping', {}), {});
    assert.is(sha(await within(received)), sha(sent));
    client.close();
  }));

test('10 MB arrive whole through an intake, those that were sent at once and those after it was taken over', async () => {
  const sent = randomBytes(10 * 1024 * 1024);
  const ended = Promise.withResolvers<void>();
  const give = (socket: TLSSocket): void => {
    socket.write(sent.subarray(0, 1_000));
    socket.once('data', () => void socket.end(sent.subarray(1_000)));
  };
  await withServer({ give }, async (port) => {
    const { socket, intake } = await openBulkIntake(target(port), beta, 'give', 'web');
    const received: Buffer[] = [];
    socket.once('close', () => ended.resolve());
    intake.deliver((chunk) => received.push(Buffer.from(chunk)));
    socket.write('more');
    socket.on('end', () => socket.destroy());
    await within(ended.promise);
    assert.is(sha(Buffer.concat(received)), sha(sent));
    const refused = await failure(openBulkIntake(target(port), beta, 'nothing', ''));
    assert.is(refused.code, 'BULK_REFUSED');
  });
});

test('what comes behind the first line in the same piece is held until it is taken', () => {
  const intake = new BulkIntake();
  const { buffer: room, callback } = intake.onread;
  const come = (text: string): void => {
    if (typeof room === 'function') throw new Error('it has one buffer');
    room.set(Buffer.from(text));
    callback(text.length, room);
  };
  const seen: string[] = [];
  come('a');
  intake.deliver((chunk) => {
    seen.push(`line ${Buffer.from(chunk)}`);
    intake.hold(Buffer.from('b'));
  });
  come('c');
  assert.equal(seen, ['line a']);
  intake.deliver((chunk) => seen.push(`${Buffer.from(chunk)}`));
  come('d');
  assert.equal(seen, ['line a', 'b', 'c', 'd']);
});

test('the handler is told who opened the stream and for what, and bytes sent at once are not lost', async () => {
  const opened = Promise.withResolvers<[TLSSocket, string, string]>();
  const bulk: BulkHandlers = { blocks: (socket, peer, subject) => opened.resolve([socket, peer.node, subject]) };
  await withServer(bulk, async (port) => {
    const raw = connectRaw(port);
    raw.write('blocks web 7\nthe first bytes');
    const [socket, node, subject] = await within(opened.promise);
    assert.is(node, 'beta');
    assert.is(subject, 'web 7');
    const received = buffer(socket);
    raw.end(', the last');
    assert.is(String(await within(received)), 'the first bytes, the last');
  });
});

test('a first line that comes byte by byte is read', () =>
  withServer({ echo: (socket) => void socket.pipe(socket) }, async (port) => {
    const raw = connectRaw(port);
    await once(raw, 'secureConnect');
    for (const byte of 'echo x\nhello') {
      raw.write(byte);
      await new Promise(setImmediate);
    }
    const received = buffer(raw);
    raw.end();
    assert.is(String(await within(received)), 'ok\nhello');
  }));

test('an unknown purpose, also one of the language, is refused with the reason', () =>
  withServer({}, async (port) => {
    for (const purpose of ['blocks', 'constructor', '__proto__']) {
      const error = await failure(openBulk(target(port), beta, purpose, 'web'));
      assert.is(error.code, 'BULK_REFUSED');
      assert.match(error.message, purpose);
    }
  }));

test('operators and strangers get no stream', () =>
  withServer({ echo: (socket) => void socket.pipe(socket) }, async (port) => {
    const person = await member('alice', 'operator');
    assert.is((await failure(openBulk(target(port), person, 'echo', ''))).code, 'BULK_REFUSED');
    const intruder = { ...(await stranger('beta')), authority: authority.certificate };
    assert.is((await failure(openBulk(target(port), intruder, 'echo', ''))).code, 'UNREACHABLE');
    assert.is((await failure(openBulk({ ...target(port), node: 'gamma' }, beta, 'echo', ''))).code, 'UNREACHABLE');
  }));

test('a first line without end is cut off', () =>
  withServer({}, async (port) => {
    const raw = connectRaw(port);
    raw.on('error', () => undefined);
    raw.write('x'.repeat(100_000));
    await within(new Promise((resolve) => raw.resume().once('close', resolve)));
  }));

test('a handler that throws loses its stream and nothing else', () =>
  withServer(
    {
      broken: () => {
        throw new TypeError('a mistake');
      },
      echo: (socket) => void socket.pipe(socket),
    },
    async (port) => {
      const lost = await openBulk(target(port), beta, 'broken', '');
      await within(new Promise((resolve) => lost.resume().once('close', resolve)));
      const stream = await openBulk(target(port), beta, 'echo', '');
      stream.end('x');
      assert.is(String(await within(buffer(stream))), 'x');
    },
  ));

test('a connection dialled ahead becomes a stream later; one that died meanwhile says so', () =>
  withServer({ echo: (socket) => void socket.pipe(socket) }, async (port) => {
    const opening = { target: target(port), identity: beta, purpose: 'echo', subject: 'image web' };
    const stream = await beginBulk(await dialBulk(target(port), beta), opening);
    stream.end('x');
    assert.is(String(await within(buffer(stream))), 'x');
    const dead = await dialBulk(target(port), beta);
    dead.destroy();
    assert.is((await failure(beginBulk(dead, opening))).code, 'UNREACHABLE');
    const given = await dialBulk(target(port), beta);
    const reason = Object.assign(new Error('enough'), { code: 'ENOUGH' });
    assert.is((await failure(beginBulk(given, { ...opening, signal: AbortSignal.abort(reason) }))).code, 'ENOUGH');
    assert.ok(given.destroyed);
  }));

test('opening is given up with its signal', () =>
  withServer({}, async (port) => {
    const reason = Object.assign(new Error('enough'), { code: 'ENOUGH' });
    const giveUp = new AbortController();
    const opening = failure(openBulk(target(port), beta, 'echo', '', giveUp.signal));
    giveUp.abort(reason);
    await aborted(giveUp.signal);
    assert.is((await opening).code, 'ENOUGH');
  }));

test('a subject that would not fit on the line is a mistake of the caller', () =>
  withServer({}, async (port) => {
    for (const subject of ['a\nb', 'x'.repeat(2000)]) {
      const error = await openBulk(target(port), beta, 'echo', subject).catch((thrown) => thrown);
      assert.instance(error, TypeError);
    }
  }));

function connectRaw(port: number): TLSSocket {
  return connect({
    host: '127.0.0.1',
    port,
    servername: 'alpha',
    key: beta.key,
    cert: beta.certificate,
    ca: beta.authority,
    ALPNProtocols: [BULK_PROTOCOL],
  });
}

test.run();
