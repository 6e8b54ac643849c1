// One export on a TCP port, for members alone: clients must go to TLS before anything is said of the export (FORCEDTLS),
// and show the certificate of a node or a controller. Never serves a byte in the clear.
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { messageOf } from '../../common/errors.ts';
import type { Identity, Peer } from '../../common/identity.ts';
import type { Log } from '../../common/log.ts';
import { listenOn } from '../../common/rpc/listen.ts';
import { peerOfSocket, serverTls } from '../../common/tls.ts';
import type { NbdDevice } from './nbd-device.ts';
import type { ExportDescription } from './nbd-handshake.ts';
import { NbdSession } from './nbd-session.ts';

/** As on the unix socket; strangers count until they have failed. */
const CONNECTIONS_MAX = 16;
/** From the connection to the end of the TLS handshake: some round trips over a link of 1 s each way. */
const ENTRY_MS = 10_000;
const NOTHING = Buffer.alloc(0);

export interface NbdTlsExport {
  readonly port: number;
  readonly connections: number;
  close(): Promise<void>;
}

/** What a TLS export is made of. */
export interface NbdTlsParts {
  readonly device: NbdDevice;
  readonly description: ExportDescription;
  readonly identity: Identity;
  readonly log: Log;
}

/** Listens for members. Port 0 lets the system choose. @throws Error with the operating system's code */
export async function exportDeviceOverTls(parts: NbdTlsParts, address: string, port: number): Promise<NbdTlsExport> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    if (sockets.size >= CONNECTIONS_MAX) {
      socket.destroy();
      return;
    }
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    serve(socket, parts);
  });
  const chosen = await listenOn(server, { address, port });
  return {
    port: chosen,
    get connections() {
      return sockets.size;
    },
    close: () => closeAll(server, sockets),
  };
}

function serve(raw: Socket, parts: NbdTlsParts): void {
  const { device, description, log } = parts;
  let stream = raw;
  const read = (chunk: Buffer): void => {
    session.receive(chunk);
    if (session.isFull) stream.pause();
  };
  const entry = setTimeout(() => raw.destroy(), ENTRY_MS);
  const session = new NbdSession(device, description, {
    send: (bytes, sent) => void stream.write(bytes, (error) => (error ? undefined : sent())),
    end: () => void stream.end(() => stream.destroy()),
    drop: () => void stream.destroy(),
    resume: () => void stream.resume(),
    startTls: () => {
      raw.off('data', read).pause();
      // The answer in the clear has left when this write has.
      raw.write(NOTHING, () => secure(raw, parts, enter));
    },
  });
  const enter = (inside: TLSSocket): void => {
    clearTimeout(entry);
    stream = inside;
    inside.setNoDelay(true);
    inside.on('data', read);
  };
  raw.on('error', (error) => log.debug({ err: error, image: description.name }, 'a remote disk client failed'));
  raw.once('close', () => {
    clearTimeout(entry);
    session.close();
  });
  raw.on('data', read);
}

/** Hands the connection on once it is a member's; ends any other. */
function secure(raw: Socket, { identity, log }: NbdTlsParts, enter: (inside: TLSSocket) => void): void {
  const server = createTlsServer(serverTls(identity), (inside) => {
    inside.on('error', (error) => log.debug({ err: error }, 'a remote disk client failed inside TLS'));
    const refusal = refusalOf(inside);
    if (refusal === undefined) enter(inside);
    else inside.destroy();
    if (refusal !== undefined)
      log.warn({ address: raw.remoteAddress, refusal }, 'a remote disk client was turned away');
  });
  server.on('tlsClientError', (error) => {
    log.debug({ err: error, address: raw.remoteAddress }, 'a remote disk client did not come through TLS');
    raw.destroy();
  });
  // The documented way to give a TLS server a connection that was accepted before.
  server.emit('connection', raw);
}

/** An operator's certificate opens no disk. */
function refusalOf(inside: TLSSocket): string | undefined {
  let peer: Peer;
  try {
    peer = peerOfSocket(inside);
  } catch (error) {
    return messageOf(error);
  }
  return peer.role === 'operator' ? `${peer.node} is an operator` : undefined;
}

async function closeAll(server: Server, sockets: ReadonlySet<Socket>): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  for (const socket of sockets) socket.destroy();
  await closed;
}
