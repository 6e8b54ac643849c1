// The read-only status page: a few files and one WebSocket on a unix socket. It accepts no command whatever, and no
// page of another origin (PROMISES X8).
import { readFile, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Status } from '../../wire/contracts/cluster-state.ts';

const SCRIPTS = ['page', 'status', 'cards', 'migrations', 'images', 'events', 'element', 'units'];
const FILES: Readonly<Record<string, { readonly file: string; readonly type: string }>> = {
  '/': { file: 'page.html', type: 'text/html; charset=utf-8' },
  '/page.css': { file: 'page.css', type: 'text/css; charset=utf-8' },
  '/icon.svg': { file: 'icon.svg', type: 'image/svg+xml' },
  ...Object.fromEntries(
    SCRIPTS.map((name) => [`/${name}.js`, { file: `${name}.js`, type: 'text/javascript; charset=utf-8' }]),
  ),
};
const HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
};
/** Pages that may watch at once; a status is a few KB, several times a second. */
const MAX_WATCHERS = 64;
/** The page never speaks; whatever it sends is a mistake and short. */
const MAX_MESSAGE_BYTES = 1_024;
/** Names under which the page may be reached: a doorway on this machine only (against DNS rebinding). */
const HOST = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/;

/** Sends the status until the signal is aborted. */
export type Watch = (send: (status: Status) => void, signal: AbortSignal) => Promise<void>;

function fromHere(request: IncomingMessage): boolean {
  const { host, origin } = request.headers;
  if (host === undefined || !HOST.test(host)) return false;
  return origin === undefined || origin === `http://${host}`;
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const entry = FILES[request.url ?? ''];
  const status = fromHere(request) ? (entry === undefined ? 404 : request.method === 'GET' ? 200 : 405) : 403;
  if (status !== 200 || entry === undefined) {
    response.writeHead(status, { ...HEADERS, 'content-type': 'text/plain' }).end(`${status}\n`);
    return;
  }
  const body = await readFile(new URL(entry.file, import.meta.url));
  response.writeHead(200, { ...HEADERS, 'content-type': entry.type }).end(body);
}

function serve(socket: WebSocket, watch: Watch): void {
  const gone = new AbortController();
  socket.on('close', () => gone.abort());
  socket.on('error', () => socket.terminate());
  socket.on('message', () => socket.close(1008, 'read-only'));
  const send = (status: Status): void => {
    // A page that does not read gets the next status instead of a queue.
    if (socket.bufferedAmount === 0) socket.send(JSON.stringify(status));
  };
  watch(send, gone.signal).catch(() => socket.close(1011, 'status is not available now'));
}

/** Serves the page on a unix socket until closed. */
export async function startStatusServer(path: string, watch: Watch): Promise<{ close(): Promise<void> }> {
  await rm(path, { force: true });
  const sockets = new WebSocketServer({ noServer: true, maxPayload: MAX_MESSAGE_BYTES });
  const server: Server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  server.on('upgrade', (request, socket, head) => {
    if (request.url !== '/status' || !fromHere(request) || sockets.clients.size >= MAX_WATCHERS) {
      socket.end('HTTP/1.1 403 Forbidden\r\nconnection: close\r\n\r\n');
      return;
    }
    sockets.handleUpgrade(request, socket, head, (client) => serve(client, watch));
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(path, resolve));
  return {
    async close() {
      for (const client of sockets.clients) client.terminate();
      const closed = new Promise((resolve) => server.close(resolve));
      // Browsers connect ahead of need; one that has asked nothing yet is no idle one to the server.
      server.closeAllConnections();
      await closed;
    },
  };
}
