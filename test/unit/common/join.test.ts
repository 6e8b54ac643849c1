// A whole join over loopback, and the ones that must not happen: the secret is shown to the right controller only.
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { pinOf, saveAuthority } from '../../../common/membership/authority.ts';
import { loadIdentity } from '../../../common/membership/identity.ts';
import { joinCluster } from '../../../common/membership/join.ts';
import { type JoinServer, startJoinServer } from '../../../common/membership/join-server.ts';
import { decodeJoinString, encodeJoinString } from '../../../common/membership/join-string.ts';
import { listenOn } from '../../../common/rpc/listen.ts';
import { authority, failure, member, quiet, stranger, within } from './members.ts';
import { TurnedClock } from './turned-clock.ts';

const HOUR_MS = 3600 * 1000;
const controller = await member('alpha', 'controller');

interface Cluster {
  readonly server: JoinServer;
  readonly directory: string;
  readonly clock: TurnedClock;
  restart(): Promise<JoinServer>;
}

async function withCluster(body: (cluster: Cluster) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'join-'));
  await saveAuthority(join(directory, 'authority'), authority);
  const clock = new TurnedClock();
  const start = () =>
    startJoinServer({
      authorityDirectory: join(directory, 'authority'),
      stateDirectory: join(directory, 'state'),
      identity: controller,
      listen: { address: '127.0.0.1', port: 0 },
      log: quiet,
      clock,
    });
  let server = await start();
  const restart = async () => {
    await server.close();
    server = await start();
    return server;
  };
  try {
    await within(body({ server, directory, clock, restart }));
  } finally {
    await within(server.close());
    await rm(directory, { recursive: true });
  }
}

test('a machine with a join string becomes a member, and its files are whole', () =>
  withCluster(async ({ server, directory }) => {
    const token = await server.createToken(HOUR_MS);
    const target = join(directory, 'beta');
    const identity = await joinCluster({ token, node: 'beta', directory: target });
    assert.is(identity.node, 'beta');
    assert.is(identity.role, 'node');
    assert.equal(await loadIdentity(target), identity);
    assert.is((await stat(join(target, 'key.pem'))).mode & 0o777, 0o600);
    const journal = await readFile(join(directory, 'state', 'joins.journal'), 'latin1');
    assert.not.match(journal, decodeJoinString(token).secret);
  }));

test('a token is for one machine; the one that used it may ask again, also after a restart of the controller', () =>
  withCluster(async ({ server, directory, restart }) => {
    const token = await server.createToken(HOUR_MS);
    await joinCluster({ token, node: 'beta', directory: join(directory, 'beta') });
    const other = await failure(joinCluster({ token, node: 'gamma', directory: join(directory, 'gamma') }));
    assert.is(other.code, 'TOKEN_USED');
    assert.match(other.remedy, 'token create');
    await rm(join(directory, 'beta', 'cert.pem'));
    const { port } = await restart();
    const moved = encodeJoinString({ ...decodeJoinString(token), port });
    assert.is(
      (await failure(joinCluster({ token: moved, node: 'x', directory: join(directory, 'x') }))).code,
      'TOKEN_USED',
    );
    const again = await joinCluster({ token: moved, node: 'beta', directory: join(directory, 'beta') });
    assert.is(again.node, 'beta');
  }));

test('expired and unknown tokens are told apart, and guessing ends', () =>
  withCluster(async ({ server, directory, clock }) => {
    const token = await server.createToken(HOUR_MS);
    const late = await server.createToken(1000);
    clock.turn(2000);
    assert.is((await failure(joinCluster({ token: late, node: 'beta', directory }))).code, 'TOKEN_EXPIRED');
    const guess = encodeJoinString({ ...decodeJoinString(token), secret: 'A'.repeat(43) });
    for (let i = 0; i < 9; i += 1) {
      assert.is((await failure(joinCluster({ token: guess, node: 'beta', directory }))).code, 'TOKEN_UNKNOWN');
    }
    assert.is((await failure(joinCluster({ token, node: 'beta', directory }))).code, 'TOO_MANY_ATTEMPTS');
    clock.turn(11 * 60 * 1000);
    assert.is((await joinCluster({ token, node: 'beta', directory, clock })).node, 'beta');
  }));

test("a joiner cannot take a member's name, nor the controller's", () =>
  withCluster(async ({ server: first, directory, restart }) => {
    const tokens = [await first.createToken(HOUR_MS), await first.createToken(HOUR_MS)];
    await joinCluster({ token: tokens[0] ?? '', node: 'beta', directory: join(directory, 'b') });
    const server = await restart();
    const token = encodeJoinString({ ...decodeJoinString(tokens[1] ?? ''), port: server.port });
    const second = join(directory, 'c');
    for (const node of ['beta', 'alpha']) {
      assert.is((await failure(joinCluster({ token, node, directory: second }))).code, 'NAME_TAKEN');
    }
    assert.is((await joinCluster({ token, node: 'gamma', directory: second })).node, 'gamma');
    await server.freeName('beta');
    const third = { token: await server.createToken(HOUR_MS), node: 'beta', directory: join(directory, 'd') };
    assert.is((await joinCluster(third)).node, 'beta');
  }));

const SECRET = 's'.repeat(43);

/** A TLS server that keeps what it is told, and hangs up once it knows the secret. */
async function listener(options: TlsOptions) {
  let heard = '';
  let closed = Promise.resolve();
  const server = createTlsServer({ ...options, minVersion: 'TLSv1.3' }, (socket) => {
    closed = once(socket, 'close').then(() => undefined);
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      heard += chunk.toString('latin1');
      if (heard.includes(SECRET)) socket.destroy();
    });
  });
  const port = await listenOn(server, { address: '127.0.0.1', port: 0 });
  return {
    /** A join string that sends a joiner here, with the pin of the true authority. */
    token: encodeJoinString({
      addresses: ['127.0.0.1'],
      port,
      pin: pinOf(authority.certificate),
      id: '0'.repeat(16),
      secret: SECRET,
    }),
    /** What came until the joiner had hung up. */
    async heard() {
      server.close();
      await within(once(server, 'close'));
      await within(closed);
      return heard;
    },
  };
}

test('a server with another pin, without its authority, or that is only a member, never hears the secret', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'join-pin-'));
  const false_ = await stranger('alpha', 'controller');
  const node = await member('beta', 'node');
  const shown: [string, TlsOptions][] = [
    ['another authority', { key: false_.key, cert: `${false_.certificate}\n${false_.authority}` }],
    [
      'another authority, the right one beside it',
      { key: false_.key, cert: `${false_.certificate}\n${authority.certificate}` },
    ],
    ['no authority', { key: controller.key, cert: controller.certificate }],
    ['a member that is no controller', { key: node.key, cert: `${node.certificate}\n${authority.certificate}` }],
  ];
  for (const [what, options] of shown) {
    const server = await listener(options);
    const error = await failure(joinCluster({ token: server.token, node: 'gamma', directory }));
    assert.is(error.code, 'JOIN_PIN_MISMATCH', `${what}: ${error.message}`);
    assert.is(await server.heard(), '', what);
  }
  await rm(directory, { recursive: true });
});

test('the same listener does hear the secret when it is the controller', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'join-pin-'));
  const server = await listener({ key: controller.key, cert: `${controller.certificate}\n${authority.certificate}` });
  const error = await failure(joinCluster({ token: server.token, node: 'gamma', directory }));
  assert.is(error.code, 'JOIN_UNREACHABLE');
  assert.match(await server.heard(), SECRET);
  await rm(directory, { recursive: true });
});

test('addresses that do not answer are passed over; with none left it says so', () =>
  withCluster(async ({ server, directory }) => {
    const place = decodeJoinString(await server.createToken(HOUR_MS));
    const dead = { ...place, addresses: ['127.0.0.2'] };
    const error = await failure(joinCluster({ token: encodeJoinString(dead), node: 'beta', directory }));
    assert.is(error.code, 'JOIN_UNREACHABLE');
    assert.match(error.message, `127.0.0.2:${place.port}`);
    const both = encodeJoinString({ ...place, addresses: ['127.0.0.2', '127.0.0.1'] });
    assert.is((await joinCluster({ token: both, node: 'beta', directory })).node, 'beta');
  }));

test('a clock that is far off is named, and the token can be used again once it is right', () =>
  withCluster(async ({ server, directory, clock }) => {
    const token = await server.createToken(HOUR_MS);
    const behind = new TurnedClock(clock.wallMs() - 365 * 24 * HOUR_MS);
    const error = await failure(joinCluster({ token, node: 'beta', directory, clock: behind }));
    assert.is(error.code, 'CLOCK_OFF');
    assert.match(error.message, '31536000 s behind');
    assert.is((await joinCluster({ token, node: 'beta', directory })).node, 'beta');
  }));

test('rubbish on the port is answered shortly, without a certificate and without a crash', () =>
  withCluster(async ({ server, directory }) => {
    const ask = (path: string, init: RequestInit) => plainRequest(server.port, path, init);
    assert.match(await ask('/', {}), 'NOT_FOUND');
    assert.match(await ask('/join', {}), 'NOT_FOUND');
    assert.match(await ask('/join', { method: 'POST', body: '{' }), 'REQUEST_BAD');
    assert.match(await ask('/join', { method: 'POST', body: '{}' }), 'REQUEST_BAD');
    assert.match(await ask('/join', { method: 'POST', body: 'x'.repeat(100_000) }), /REQUEST_BAD|^$/);
    const csr = { id: '0', secret: 'x', csr: 'not pem', node: 'beta' };
    assert.match(await ask('/join', { method: 'POST', body: JSON.stringify(csr) }), 'REQUEST_BAD');
    const token = await server.createToken(HOUR_MS);
    assert.is((await joinCluster({ token, node: 'beta', directory })).node, 'beta');
  }));

/** One request over TLS that trusts the authority; answers the body, empty when the server hung up. */
async function plainRequest(port: number, path: string, init: RequestInit): Promise<string> {
  return within(
    new Promise((resolve) => {
      const sent = request(
        { host: '127.0.0.1', port, path, method: init.method ?? 'GET', ca: authority.certificate, servername: 'alpha' },
        (response) => {
          let body = '';
          response.on('data', (chunk: Buffer) => (body += chunk)).on('close', () => resolve(body));
        },
      );
      sent.on('error', () => resolve(''));
      sent.end(init.body as string | undefined);
    }),
  );
}

test('a join string survives no cut and no change of its parts', () => {
  const value = {
    addresses: ['10.0.0.1', 'cloud.example'],
    port: 7439,
    pin: 'p'.repeat(43),
    id: '0123456789abcdef',
    secret: 's'.repeat(43),
  };
  const text = encodeJoinString(value);
  assert.match(text, /^sc1\.[A-Za-z0-9_-]+$/);
  assert.equal(decodeJoinString(text), value);
  for (let length = 0; length < text.length - 1; length += 1) {
    assert.throws(
      () => decodeJoinString(text.slice(0, length)),
      (error: Error) => !error.message.includes(value.secret),
    );
  }
  for (const bad of [{ addresses: [] }, { port: 0 }, { secret: 'short' }, { pin: '' }, { id: 'X' }]) {
    assert.throws(() => decodeJoinString(encodeJoinString({ ...value, ...bad })), /not a join string/);
  }
});

test.run();
