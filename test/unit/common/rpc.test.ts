// Calls between real servers and clients on loopback, with real certificates: who gets through, and what they learn.
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { connect } from 'node:tls';
import { Type } from 'typebox';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { WebSocket } from 'ws';
import { issueIdentity } from '../../../common/authority.ts';
import { OperationError } from '../../../common/errors.ts';
import { rpcClient } from '../../../common/rpc/client.ts';
import { FRAME_BYTES_MAX } from '../../../common/rpc/record.ts';
import { type Handlers, type RpcServer, startRpcServer } from '../../../common/rpc/server.ts';
import { contract, method } from '../../../wire/contract.ts';
import { Name } from '../../../wire/names.ts';
import { cutWire } from './cut-wire.ts';
import { aborted, authority, failure, member, quiet, stranger, within } from './members.ts';
import { TurnedClock } from './turned-clock.ts';

const Empty = Type.Object({});
const echo = contract('echo', {
  say: method(
    ['node', 'operator'],
    Type.Object({ image: Name, text: Type.String() }),
    Type.Object({ text: Type.String() }),
  ),
  count: method(['node'], Type.Object({ to: Type.Integer() }), Empty, { progress: Type.Integer(), timeoutMs: 0 }),
  wait: method(['node'], Empty, Empty, { timeoutMs: 0 }),
  refuse: method(['node'], Empty, Empty),
  crash: method(['node'], Empty, Empty),
  lie: method(['node'], Empty, Type.Object({ number: Type.Integer() })),
  mine: method(['self'], Empty, Empty),
  command: method(['controller'], Empty, Empty),
  flood: method(['node'], Empty, Type.Object({ text: Type.String() })),
});
type Echo = typeof echo;

const alpha = await member('alpha', 'controller');
const beta = await member('beta');
const operator = await member('alice', 'operator');

/** What the handler of `wait` saw. */
let waiting = Promise.withResolvers<AbortSignal>();

const handlers: Handlers<Echo> = {
  say: ({ text }, { peer }) => ({ text: `${peer.role} ${peer.node}: ${text}` }),
  count: ({ to }, { progress }) => {
    for (let i = 1; i <= to; i += 1) progress(i);
    return {};
  },
  wait: async (_params, { signal }) => {
    waiting.resolve(signal);
    await once(signal, 'abort');
    return {};
  },
  refuse: () => {
    throw new OperationError('IMAGE_OPEN', 'image web is open at node beta', { remedy: 'Stop the VM first.' });
  },
  crash: () => {
    throw new TypeError('secret detail');
  },
  lie: () => ({ number: 'seven' as unknown as number }),
  mine: () => ({}),
  command: () => ({}),
  flood: () => ({ text: 'x'.repeat(FRAME_BYTES_MAX) }),
};

function serve(identity = alpha): Promise<RpcServer> {
  waiting = Promise.withResolvers();
  return startRpcServer({ contract: echo, handlers, identity, listen: { address: '127.0.0.1', port: 0 }, log: quiet });
}

function clientOf(port: number, identity = beta, node = 'alpha') {
  return rpcClient(echo, { node, address: '127.0.0.1', port }, identity);
}

async function withServer(body: (port: number, server: RpcServer) => Promise<void>): Promise<void> {
  const server = await serve();
  try {
    await within(body(server.port, server), 30_000);
  } finally {
    await within(server.close());
  }
}

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

test('a certificate of another authority is refused by the server', () =>
  withServer(async (port) => {
    const intruder = { ...(await stranger('beta')), authority: authority.certificate };
    const client = clientOf(port, intruder);
    const error = await failure(client.call('say', { image: 'web', text: 'x' }));
    assert.is(error.code, 'UNREACHABLE');
    assert.match(error.message, `node alpha at 127.0.0.1:${port}`);
    client.close();
  }));

test('a server of another authority is refused by the client', async () => {
  const server = await serve(await stranger('alpha', 'controller'));
  const client = clientOf(server.port);
  assert.is((await failure(client.call('say', { image: 'web', text: 'x' }))).code, 'UNREACHABLE');
  client.close();
  await server.close();
});

test('a connection without a certificate is refused', () =>
  withServer(async (port) => {
    const socket = connect({
      host: '127.0.0.1',
      port,
      servername: 'alpha',
      ca: authority.certificate,
      ALPNProtocols: ['http/1.1'],
    });
    socket.on('secureConnect', () => socket.write('GET / HTTP/1.1\r\nhost: alpha\r\n\r\n'));
    const heard: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => heard.push(chunk)).on('error', () => undefined);
    await within(new Promise((resolve) => socket.once('close', resolve)));
    assert.is(heard.length, 0);
  }));

test('a member that is not the one that was meant is refused by name', () =>
  withServer(async (port) => {
    const client = clientOf(port, beta, 'gamma');
    const error = await failure(client.call('say', { image: 'web', text: 'x' }));
    assert.is(error.code, 'UNREACHABLE');
    assert.match(error.message, 'gamma');
    client.close();
  }));

test('a certificate that has expired opens and answers nothing', async () => {
  const longAgo = new TurnedClock(Date.now() - 31 * 24 * 3600 * 1000);
  const expired = (node: string) => issueIdentity(authority, { node, role: 'node' }, longAgo);
  await withServer(async (port) => {
    const client = clientOf(port, await expired('beta'));
    const error = await failure(client.call('say', { image: 'web', text: 'x' }));
    assert.is(error.code, 'UNREACHABLE');
    assert.match(error.message, 'expired');
    client.close();
  });
  const server = await serve(await expired('alpha'));
  const client = clientOf(server.port);
  assert.is((await failure(client.call('say', { image: 'web', text: 'x' }))).code, 'UNREACHABLE');
  client.close();
  await server.close();
});

test('an operator cannot pose as a daemon', async () => {
  const server = await serve(await issueIdentity(authority, { node: 'alpha', role: 'operator' }));
  const client = clientOf(server.port);
  assert.is((await failure(client.call('say', { image: 'web', text: 'x' }))).code, 'UNREACHABLE');
  client.close();
  await server.close();
});

test('callers outside the contract are forbidden, and told who is not', () =>
  withServer(async (port) => {
    const fromBeta = clientOf(port);
    const fromAlpha = clientOf(port, alpha);
    const fromPerson = clientOf(port, operator);
    const namesake = clientOf(port, await member('alpha', 'operator'));
    const error = await failure(fromBeta.call('mine', {}));
    assert.is(error.code, 'FORBIDDEN');
    assert.match(error.message, 'echo mine on node alpha is for self, not for node beta');
    assert.is((await failure(fromBeta.call('command', {}))).code, 'FORBIDDEN');
    assert.is((await failure(fromPerson.call('refuse', {}))).code, 'FORBIDDEN');
    assert.is((await failure(namesake.call('mine', {}))).code, 'FORBIDDEN');
    assert.equal(await fromAlpha.call('mine', {}), {});
    assert.equal(await fromAlpha.call('command', {}), {});
    assert.is((await failure(fromAlpha.call('refuse', {}))).code, 'IMAGE_OPEN');
    for (const client of [fromBeta, fromAlpha, fromPerson, namesake]) client.close();
  }));

test('bad parameters are named, and the connection goes on', () =>
  withServer(async (port) => {
    const client = clientOf(port);
    const error = await failure(client.call('say', { image: 'Not A Name', text: 'x' }));
    assert.is(error.code, 'BAD_PARAMS');
    assert.match(error.message, 'echo say: image must match pattern');
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
    const newer = contract('echo', { ...echo.methods, later: method(['node'], Empty, Empty) });
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
    const error = await failure(client.call('wait', {}, { timeoutMs: 50 }));
    assert.is(error.code, 'TIMEOUT');
    assert.match(error.message, '50 ms');
    const seen = await within(waiting.promise);
    await aborted(seen);
    client.close();
  }));

test('a connection cut in the middle fails its calls, and the next call connects anew', () =>
  withServer(async (port) => {
    const wire = await cutWire(port);
    const client = clientOf(wire.port);
    const calls = [failure(client.call('wait', {})), failure(client.call('wait', {}))];
    const seen = await within(waiting.promise);
    wire.cut();
    for (const error of await Promise.all(calls)) {
      assert.is(error.code, 'CONNECTION_LOST');
      assert.match(error.message, 'echo wait');
    }
    await aborted(seen);
    assert.equal(await client.call('say', { image: 'web', text: 'again' }), { text: 'node beta: again' });
    assert.is(wire.connections, 2);
    client.close();
    await wire.close();
  }));

test('connecting ahead finds the daemon once, or says that nobody is there', async () => {
  const server = await serve();
  const client = clientOf(server.port);
  await client.warm();
  const calling = client.call('say', { image: 'web', text: 'x' });
  await client.warm();
  assert.equal(await calling, { text: 'node beta: x' });
  client.close();
  assert.is((await failure(client.warm())).code, 'CONNECTION_LOST');
  await server.close();
  assert.is((await failure(clientOf(server.port).warm())).code, 'UNREACHABLE');
});

test('nobody there is UNREACHABLE with node and address, and a later server is found', async () => {
  const first = await serve();
  const port = first.port;
  await first.close();
  const client = clientOf(port);
  const error = await failure(client.call('say', { image: 'web', text: 'x' }));
  assert.is(error.code, 'UNREACHABLE');
  assert.match(error.message, `node alpha at 127.0.0.1:${port}`);
  const listen = { address: '127.0.0.1', port };
  const second = await startRpcServer({ contract: echo, handlers, identity: alpha, listen, log: quiet });
  assert.equal(await client.call('say', { image: 'web', text: 'x' }), { text: 'node beta: x' });
  client.close();
  await second.close();
});

test('who is patient waits for a daemon that is not up yet, within the time said, and gives up when told', async () => {
  const first = await serve();
  const { port } = first;
  await first.close();
  const clock = new TurnedClock();
  const target = { node: 'alpha', address: '127.0.0.1', port };
  const client = rpcClient(echo, target, beta, { clock, patienceMs: 1_000 });
  const say = (): Promise<unknown> => client.call('say', { image: 'web', text: 'x' }, { timeoutMs: 0 });
  /** Refused, and waiting to try again. */
  const refused = async (): Promise<void> => {
    for (let turns = 0; clock.timers === 0; turns++) {
      assert.ok(turns < 5_000, 'it is not tried again');
      await delay(1);
    }
  };
  const inVain = failure(say());
  for (let tries = 0; tries < 5; tries++) {
    await refused();
    clock.turn(200);
  }
  const error = await inVain;
  assert.is(error.code, 'UNREACHABLE');
  assert.match(error.message, 'nothing listens there');
  const answer = say();
  const giveUp = new AbortController();
  const givenUp = failure(client.call('say', { image: 'web', text: 'x' }, { timeoutMs: 0, signal: giveUp.signal }));
  await refused();
  giveUp.abort();
  assert.is((await givenUp).code, 'CANCELLED');
  const listen = { address: '127.0.0.1', port };
  const second = await startRpcServer({ contract: echo, handlers, identity: alpha, listen, log: quiet });
  clock.turn(200);
  assert.equal(await within(answer), { text: 'node beta: x' });
  client.close();
  await second.close();
});

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

test('calls over a unix socket carry certificates too; a stale socket file is replaced, a living one is not', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'rpc-'));
  const path = join(directory, 'echo.sock');
  const options = { contract: echo, handlers, identity: alpha, listen: { path }, log: quiet };
  const server = await startRpcServer(options);
  const client = rpcClient(echo, { node: 'alpha', path }, operator);
  assert.equal(await client.call('say', { image: 'web', text: 'x' }), { text: 'operator alice: x' });
  assert.is((await failure(startRpcServer(options))).code, 'EADDRINUSE');
  client.close();
  await within(server.close());
  await rm(directory, { recursive: true });
});

test('a server that stops tells its handlers and its callers', async () => {
  const server = await serve();
  const client = clientOf(server.port);
  const call = failure(client.call('wait', {}));
  const seen = await within(waiting.promise);
  await within(server.close());
  assert.ok(seen.aborted);
  const error = await call;
  assert.is(error.code, 'CONNECTION_LOST');
  assert.match(error.message, 'the daemon stops');
  client.close();
});

test('a closed client makes no calls', async () => {
  const client = rpcClient(echo, { node: 'alpha', address: '127.0.0.1', port: 1 }, beta);
  client.close();
  assert.is((await failure(client.call('mine', {}))).code, 'CONNECTION_LOST');
});

test('an aborted signal makes no call', async () => {
  const client = rpcClient(echo, { node: 'alpha', address: '127.0.0.1', port: 1 }, beta);
  assert.is((await failure(client.call('mine', {}, { signal: AbortSignal.abort() }))).code, 'CANCELLED');
  client.close();
});

test.run();
