// Answers the calls of one contract on one port or unix socket, and hands bulk streams over. Only peers with a
// certificate of our authority get as far as a byte; what each may call the contract says.
import { createServer as createHttpServer, type Server as HttpServer, type IncomingMessage } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { WebSocketServer } from 'ws';
import type { Contract, MethodName, Params, Progress, Result } from '../../wire/contract.ts';
import { type Clock, realClock } from '../clock.ts';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Identity, Peer } from '../membership/identity.ts';
import { BULK_PROTOCOL, CALLS_PROTOCOL, peerOfSocket, serverTls } from '../membership/tls.ts';
import { AnswererConnection, type Answering, type CallContext, type CheckedHandler } from './answerer-connection.ts';
import { acceptBulk, type BulkHandlers } from './bulk.ts';
import { type Listen, listenOn } from './listen.ts';
import { FRAME_BYTES_MAX } from './record.ts';

export type { CallContext } from './answerer-connection.ts';
export type { BulkHandlers } from './bulk.ts';

/** One function per call of the contract. What it throws reaches the caller: OperationError whole, else INTERNAL. */
export type Handlers<C extends Contract> = {
  readonly [N in MethodName<C>]: (
    params: Params<C, N>,
    context: CallContext<Progress<C, N>>,
  ) => Promise<Result<C, N>> | Result<C, N>;
};

export interface RpcServerOptions<C extends Contract> {
  readonly contract: C;
  readonly handlers: Handlers<C>;
  readonly identity: Identity;
  readonly listen: Listen;
  readonly bulk?: BulkHandlers;
  readonly log: Log;
  readonly clock?: Clock;
}

export interface RpcServer {
  /** The TCP port it got; 0 on a unix socket. */
  readonly port: number;
  /** Tells running handlers, ends connections and streams, and answers when the port is free. */
  close(): Promise<void>;
}

/** A cluster's nodes, a CLI or two and bulk streams; beyond it new connections are refused, not old ones slowed. */
const CONNECTIONS_MAX = 1024;

/** Some command lines at once. */
const LOCAL_CONNECTIONS_MAX = 64;

/** A member asks for its upgrade or says its first line at once; one round trip on the slowest link is 10 s. */
const UPGRADE_TIMEOUT_MS = 10_000;

/** Starts answering. @throws Error with the operating system's code when it cannot listen */
export async function startRpcServer<C extends Contract>(options: RpcServerOptions<C>): Promise<RpcServer> {
  const { identity, log, bulk = {} } = options;
  const answering: Answering = {
    contract: options.contract,
    // The session calls a handler only with parameters that passed its own contract's schema.
    handlers: new Map(Object.entries(options.handlers as Readonly<Record<string, CheckedHandler>>)),
    ownNode: identity.node,
    clock: options.clock ?? realClock,
    log,
  };
  const sockets = new Set<Socket>();
  const connections = new Set<AnswererConnection>();
  const http = upgradeServer(answering, connections, (socket) => peerOfSocket(socket as TLSSocket));
  const server = createTlsServer(serverTls(identity), (socket) => {
    socket.on('error', (error) => log.debug({ err: error }, 'a connection failed'));
    socket.setNoDelay(true);
    route(socket, http, bulk, log);
  });
  server.maxConnections = CONNECTIONS_MAX;
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('tlsClientError', (error, socket) =>
    log.warn({ from: socket.remoteAddress, reason: error.message }, 'a connection was refused'),
  );
  const port = await listenOn(server, options.listen);
  return { port, close: () => closeAll(server, connections, sockets) };
}

/**
 * As that, in the clear on a unix socket: whoever its directory lets in is the operator of the node.
 * @throws Error with the operating system's code
 */
export async function startLocalServer<C extends Contract>(
  options: Pick<RpcServerOptions<C>, 'contract' | 'handlers' | 'log'> & {
    readonly node: string;
    readonly path: string;
  },
): Promise<Pick<RpcServer, 'close'>> {
  const { contract, node, path, log } = options;
  const handlers = new Map(Object.entries(options.handlers as Readonly<Record<string, CheckedHandler>>));
  const answering: Answering = { contract, handlers, ownNode: node, clock: realClock, log };
  const sockets = new Set<Socket>();
  const connections = new Set<AnswererConnection>();
  const http = upgradeServer(answering, connections, () => ({ node, role: 'operator' }));
  const server = createServer((socket) => {
    socket.on('error', (error) => log.debug({ err: error }, 'a connection failed'));
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.setTimeout(UPGRADE_TIMEOUT_MS, () => socket.destroy());
    http.emit('connection', socket);
  });
  server.maxConnections = LOCAL_CONNECTIONS_MAX;
  await listenOn(server, { path });
  return { close: () => closeAll(server, connections, sockets) };
}

function route(socket: TLSSocket, http: HttpServer, bulk: BulkHandlers, log: Log): void {
  let peer: Peer;
  try {
    peer = peerOfSocket(socket);
  } catch (error) {
    log.warn({ from: socket.remoteAddress, reason: messageOf(error) }, 'a connection was refused');
    socket.destroy();
    return;
  }
  // The upgrade lifts the timeout; a connection that never asks for it is not kept.
  socket.setTimeout(UPGRADE_TIMEOUT_MS, () => socket.destroy());
  if (socket.alpnProtocol === CALLS_PROTOCOL) http.emit('connection', socket);
  else if (socket.alpnProtocol === BULK_PROTOCOL) void acceptBulk(socket, peer, bulk, log);
  else socket.destroy();
}

/** Takes the WebSocket upgrade and nothing else; plain requests get 426 from a server without a handler of its own. */
function upgradeServer(
  answering: Answering,
  connections: Set<AnswererConnection>,
  peerOf: (socket: Socket) => Peer,
): HttpServer {
  const webSockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: FRAME_BYTES_MAX,
    skipUTF8Validation: true,
    clientTracking: false,
  });
  const http = createHttpServer((_request, response) => {
    response.writeHead(426, { connection: 'close' }).end();
  });
  http.on('upgrade', (request: IncomingMessage, socket, head) => {
    const own = request.socket;
    webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      const connection = new AnswererConnection(answering, peerOf(own), webSocket, own);
      connections.add(connection);
      void connection.ended.then(() => connections.delete(connection));
    });
  });
  return http;
}

/** Calls end in order, within the bound of their closing handshake; everything else is cut. */
async function closeAll(
  server: Server,
  connections: ReadonlySet<AnswererConnection>,
  sockets: ReadonlySet<Socket>,
): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  const calls = [...connections];
  for (const connection of calls) connection.close();
  await Promise.all(calls.map((connection) => connection.ended));
  for (const socket of sockets) socket.destroy();
  await closed;
}
