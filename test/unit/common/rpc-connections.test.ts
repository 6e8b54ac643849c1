import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { rpcClient } from '../../../common/rpc/client.ts';
import { startRpcServer } from '../../../common/rpc/server.ts';
import { freePorts } from '../../free-ports.ts';
import { until } from '../../until.ts';
import { cutWire } from './cut-wire.ts';
import { alpha, beta, clientOf, echo, handlers, operator, serve, waiting, withServer } from './echo-server.ts';
import { aborted, failure, quiet, within } from './members.ts';
import { TurnedClock } from './turned-clock.ts';

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
  const [nobody = 0] = await freePorts(1);
  assert.is((await failure(clientOf(nobody).warm())).code, 'UNREACHABLE');
});

test('nobody there is UNREACHABLE with node and address, and a later server is found', async () => {
  const [port = 0] = await freePorts(1);
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
  const [port = 0] = await freePorts(1);
  const clock = new TurnedClock();
  const target = { node: 'alpha', address: '127.0.0.1', port };
  const client = rpcClient(echo, target, beta, { clock, patienceMs: 1_000 });
  const say = (): Promise<unknown> => client.call('say', { image: 'web', text: 'x' }, { timeoutMs: 0 });
  /** Refused, and waiting to try again. */
  const refused = async (): Promise<void> => {
    await until('it waits to try again', async () => clock.timers > 0);
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
