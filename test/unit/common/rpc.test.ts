// Calls between real servers and clients on loopback, with real certificates: what is answered, and what they learn of it.
import { once } from 'node:events';
import { connect } from 'node:tls';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { WebSocket } from 'ws';
import { Type } from '#typebox';
import { OperationError } from '../../../common/errors.ts';
import { rpcClient } from '../../../common/rpc/client.ts';
import { FRAME_BYTES_MAX } from '../../../common/rpc/record.ts';
import { contract, method } from '../../../wire/contract.ts';
import { cutWire } from './cut-wire.ts';
import { beta, clientOf, echo, operator, waiting, withServer } from './echo-server.ts';
import { aborted, failure, within } from './members.ts';

test('a call is answered, and the handler knows its caller by the certificate', () =>
  withServer(async (port) => {
    const client = clientOf(port);
    assert.equal(await client.call('say', { image: 'web', text: 'hello' }), { text: 'node beta: hello' });
    client.close();
    const person = clientOf(port, operator);
    assert.equal(await person.call('say', { image: 'web', text: 'hi' }), { text: 'operator alice: hi' });
    person.close();
  }));

test('many calls share one connection, and their answers do not mix', () =>
  withServer(async (port) => {
    const wire = await cutWire(port);
    const client = clientOf(wire.port);
    const texts = Array.from({ length: 300 }, (_, i) => `text ${i}`);
    const answers = await Promise.all(texts.map((text) => client.call('say', { image: 'web', text })));
    assert.equal(
      answers.map((answer) => answer.text),
      texts.map((text) => `node beta: ${text}`),
    );
    assert.is(wire.connections, 1);
    client.close();
    await wire.close();
  }));

test('progress arrives in order and before the result', () =>
  withServer(async (port) => {
    const client = clientOf(port);
    const seen: number[] = [];
    await client.call('count', { to: 500 }, { onProgress: (value) => seen.push(value) });
    assert.equal(
      seen,
      Array.from({ length: 500 }, (_, i) => i + 1),
    );
    client.close();
  }));

test('bad parameters are named, and the connection goes on', () =>
  withServer(async (port) => {
    const client = clientOf(port);
    const error = await failure(client.call('say', { image: 'Not A Name', text: 'x' }));
    assert.is(error.code, 'BAD_PARAMS');
    assert.match(error.message, 'image is no name');
    const missing = await failure(client.call('say', { image: 'web' } as never));
    assert.match(missing.message, 'text');
    assert.equal(await client.call('say', { image: 'web', text: 'still here' }), { text: 'node beta: still here' });
    client.close();
  }));

test("a handler's error travels whole; a mistake travels as INTERNAL without its detail", () =>
  withServer(async (port) => {
    const client = clientOf(port);
    const refused = await failure(client.call('refuse', {}));
    assert.ok(refused instanceof OperationError);
    assert.is(refused.code, 'IMAGE_OPEN');
    assert.is(refused.message, 'image web is open at node beta');
    assert.is(refused.remedy, 'Stop the VM first.');
    const crashed = await failure(client.call('crash', {}));
    assert.is(crashed.code, 'INTERNAL');
    assert.not.match(crashed.message, 'secret');
    const full = await failure(client.call('fill', {}));
    assert.is(full.code, 'ENOSPC');
    assert.match(full.message, 'the disk of node alpha is full');
    client.close();
  }));

test('a result that is not what the contract says fails the call', () =>
  withServer(async (port) => {
    const client = clientOf(port);
    const error = await failure(client.call('lie', {}));
    assert.is(error.code, 'BAD_ANSWER');
    assert.match(error.message, 'number must be integer');
    client.close();
  }));

test('an unknown call is refused by the server too', () =>
  withServer(async (port) => {
    const newer = contract('echo', { ...echo.methods, later: method(['node'], Type.Object({}), Type.Object({})) });
    const client = rpcClient(newer, { node: 'alpha', address: '127.0.0.1', port }, beta);
    assert.is((await failure(client.call('later', {}))).code, 'UNKNOWN_METHOD');
    client.close();
  }));

test('giving a call up reaches its handler', () =>
  withServer(async (port) => {
    const client = clientOf(port);
    const giveUp = new AbortController();
    const call = failure(client.call('wait', {}, { signal: giveUp.signal }));
    const seen = await within(waiting.promise);
    assert.not(seen.aborted);
    giveUp.abort();
    await aborted(seen);
    assert.is((await call).code, 'CANCELLED');
    assert.equal(await client.call('mine', {}).catch((error) => error.code), 'FORBIDDEN');
    client.close();
  }));

test('a caller that is gone is noticed by the handler', () =>
  withServer(async (port) => {
    const client = clientOf(port);
    const call = failure(client.call('wait', {}));
    const seen = await within(waiting.promise);
    client.close();
    assert.is((await call).code, 'CONNECTION_LOST');
    await aborted(seen);
  }));

test('a call without an answer times out, and its handler is told', () =>
  withServer(async (port) => {
    const client = clientOf(port);
    // Connecting counts too, and may take longer: then no handler would hear of it.
    await client.warm();
    const error = await failure(client.call('wait', {}, { timeoutMs: 50 }));
    assert.is(error.code, 'TIMEOUT');
    assert.match(error.message, '50 ms');
    const seen = await within(waiting.promise);
    await aborted(seen);
    client.close();
  }));

test('parameters and results over the limit fail their call and nothing else', () =>
  withServer(async (port) => {
    const client = clientOf(port);
    const big = await failure(client.call('say', { image: 'web', text: 'x'.repeat(FRAME_BYTES_MAX) }));
    assert.is(big.code, 'FRAME_TOO_LARGE');
    assert.is((await failure(client.call('flood', {}))).code, 'FRAME_TOO_LARGE');
    assert.equal(await client.call('say', { image: 'web', text: 'x' }), { text: 'node beta: x' });
    client.close();
  }));

test('a frame over the limit, text and rubbish each end their connection and nothing else', () =>
  withServer(async (port) => {
    const client = clientOf(port);
    await client.call('say', { image: 'web', text: 'before' });
    assert.is(await closeCodeAfter(port, new Uint8Array(FRAME_BYTES_MAX + 1)), 1009);
    assert.is(await closeCodeAfter(port, 'text'), 1002);
    assert.is(await closeCodeAfter(port, new Uint8Array([0xc1, 1, 2, 3])), 1002);
    assert.equal(await client.call('say', { image: 'web', text: 'after' }), { text: 'node beta: after' });
    client.close();
  }));

/** The code with which the server closes a connection of a member that sends this. */
async function closeCodeAfter(port: number, message: Uint8Array | string): Promise<number> {
  const socket = connect({
    host: '127.0.0.1',
    port,
    servername: 'alpha',
    key: beta.key,
    cert: beta.certificate,
    ca: beta.authority,
    ALPNProtocols: ['http/1.1'],
  });
  await within(once(socket, 'secureConnect'));
  const webSocket = new WebSocket('ws://alpha/', { createConnection: () => socket });
  await within(once(webSocket, 'open'));
  webSocket.on('error', () => undefined);
  webSocket.send(message);
  const [code] = await within(once(webSocket, 'close'));
  return code;
}

test('a plain request is answered with 426 and without a crash', () =>
  withServer(async (port) => {
    const tls = { key: beta.key, cert: beta.certificate, ca: beta.authority, servername: 'alpha' };
    const socket = connect({ host: '127.0.0.1', port, ...tls, ALPNProtocols: ['http/1.1'] });
    socket.end('GET / HTTP/1.1\r\nhost: alpha\r\n\r\n');
    const [first] = await within(once(socket, 'data'));
    assert.match(String(first), 'HTTP/1.1 426');
    socket.destroy();
  }));

test.run();
