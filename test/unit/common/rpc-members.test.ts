import { connect } from 'node:tls';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { issueIdentity } from '../../../common/membership/authority.ts';
import { alpha, beta, clientOf, operator, serve, withServer } from './echo-server.ts';
import { authority, failure, member, stranger, within } from './members.ts';
import { TurnedClock } from './turned-clock.ts';

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

test.run();
