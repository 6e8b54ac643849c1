// The status page: shows what it is given, takes nothing, and answers no page of another origin.
import { mkdtempSync, rmSync } from 'node:fs';
import { type IncomingHttpHeaders, request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WebSocket } from 'ws';
import { startStatusServer } from '../../../orchestrator/status-page/status-server.ts';
import type { Status } from '../../../wire/contracts/cluster-state.ts';
import { within } from '../common/members.ts';

const STATUS: Status = { nodes: [], vms: [], images: [], migrations: [], events: [], network: [] };
const BOUND_MS = 60_000;

interface Context {
  directory: string;
  socket: string;
  server: { close(): Promise<void> };
}

const test = suite<Context>('status server');

test.before.each(async (context) => {
  context.directory = mkdtempSync(join(tmpdir(), 'supercloud-status-'));
  context.socket = join(context.directory, 'status.sock');
  context.server = await startStatusServer(context.socket, async (send) => send(STATUS));
});
test.after.each(async ({ server, directory }) => {
  await server.close();
  rmSync(directory, { recursive: true });
});

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
}

function get(socketPath: string, path: string, headers: Record<string, string>, method = 'GET'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path, headers, method, timeout: BOUND_MS }, (response) => {
      response.resume();
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers }));
    });
    asked.on('error', reject).end();
  });
}

function watchPage(socketPath: string, headers: Record<string, string>): WebSocket {
  const options = { headers, handshakeTimeout: BOUND_MS, createConnection: () => connect(socketPath) };
  return new WebSocket('ws://127.0.0.1:7480/status', options);
}

test('the page and its parts, and no more', async ({ socket }) => {
  const headers = { host: '127.0.0.1:7480' };
  const page = await get(socket, '/', headers);
  assert.is(page.status, 200);
  assert.match(String(page.headers['content-security-policy']), "default-src 'none'");
  for (const part of ['/page.js', '/page.css', '/status.js', '/units.js', '/icon.svg']) {
    assert.is((await get(socket, part, headers)).status, 200, part);
  }
  assert.is((await get(socket, '/../main.ts', headers)).status, 404);
  assert.is((await get(socket, '/', headers, 'POST')).status, 405);
});

test('another host name is refused (DNS rebinding)', async ({ socket }) => {
  assert.is((await get(socket, '/', { host: 'evil.example' })).status, 403);
});

test('a watcher of this origin gets the status; one that speaks is shown out', async ({ socket }) => {
  const page = watchPage(socket, { host: '127.0.0.1:7480', origin: 'http://127.0.0.1:7480' });
  const shown = await new Promise((resolve, reject) => page.once('message', resolve).once('error', reject));
  assert.equal(JSON.parse(String(shown)), STATUS);
  page.send('do something');
  assert.is(await new Promise((resolve) => page.once('close', resolve)), 1008);
});

test('a page of another origin cannot watch', async ({ socket }) => {
  const page = watchPage(socket, { host: '127.0.0.1:7480', origin: 'http://evil.example' });
  const error = await new Promise((resolve) => page.once('error', resolve));
  assert.match(String(error), '403');
});

test('a connection that asks nothing does not hold up the end', async ({ socket, server }) => {
  const silent = connect(socket);
  await new Promise((resolve, reject) => silent.once('connect', resolve).once('error', reject));
  // Connections are accepted in order: the server has this one when it has answered another.
  await get(socket, '/', { host: '127.0.0.1:7480' });
  try {
    await within(server.close());
  } finally {
    silent.destroy();
  }
});

test.run();
