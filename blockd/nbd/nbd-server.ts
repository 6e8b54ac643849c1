// The unix socket of one image's export: connections in, sessions served, all ended with the export. The only room of
// NBD that touches sockets. Never decides anything about the image.
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { fileReads } from '../../common/disk/file-reads.ts';
import type { Log } from '../../common/log.ts';
import { DirectSocket } from './direct-socket.ts';
import type { NbdDevice } from './nbd-device.ts';
import type { ExportDescription } from './nbd-handshake.ts';
import { NbdSession } from './nbd-session.ts';
import { refusedClients, turnedAway } from './turned-away.ts';

/** QEMU, a client or two for inspection; more are turned away. */
const CONNECTIONS_MAX = 16;
/** From the connection to its export: some round trips over a link of 1 s each way. Who says nothing takes nobody's place. */
export const ENTRY_MS = 10_000;

export interface NbdExport {
  readonly path: string;
  readonly connections: number;
  /** Lets the clients go once they have their answers; settles when they have gone. New ones may come. */
  release(): Promise<void>;
  /** Ends all connections; the socket's file is gone when it answers. */
  close(): Promise<void>;
}

/** Listens for clients of one device. @throws Error with the operating system's code */
export async function exportDevice(
  device: NbdDevice,
  description: ExportDescription,
  path: string,
  log: Log,
): Promise<NbdExport> {
  const sessions = new Map<Socket, NbdSession>();
  const away = turnedAway(log, `the export of image ${description.name}`, CONNECTIONS_MAX);
  const refused = refusedClients(log, { image: description.name });
  await rm(path, { force: true });
  // Paused, the accepted handle can be given to another socket before anything is read from it.
  const server = createServer({ pauseOnConnect: true }, (accepted) => {
    if (sessions.size >= CONNECTIONS_MAX) {
      away.note();
      accepted.destroy();
      return;
    }
    const { socket, session } = serve(accepted, device, description, { log, refused: (why) => refused.note(why) });
    sessions.set(socket, session);
    socket.once('close', () => sessions.delete(socket));
  });
  await listen(server, path);
  return {
    path,
    get connections() {
      return sessions.size;
    },
    release: () => releaseAll(sessions),
    close: () => closeAll(server, [...sessions.keys()], path),
  };
}

interface Served {
  readonly socket: Socket;
  readonly session: NbdSession;
}

interface Around {
  readonly log: Log;
  refused(why: string): void;
}

function serve(accepted: Socket, device: NbdDevice, description: ExportDescription, { log, refused }: Around): Served {
  const reads = fileReads();
  const direct = new DirectSocket(accepted, reads);
  const { socket } = direct;
  socket.on('error', (error) => log.debug({ err: error, image: description.name }, 'a disk client failed'));
  const session = new NbdSession(device, description, {
    send: (bytes, sent) => direct.send(bytes, sent),
    end: () => void socket.end(() => socket.destroy()),
    drop: () => void socket.destroy(),
    resume: () => void socket.resume(),
    reads,
    others: () => direct.others,
    chose: () => clearTimeout(entry),
    refused,
  });
  const entry = setTimeout(() => socket.destroy(), ENTRY_MS);
  socket.once('close', () => {
    clearTimeout(entry);
    session.close();
  });
  direct.start(session);
  return { socket, session };
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** Those that are there now. */
export async function releaseAll(sessions: ReadonlyMap<Socket, NbdSession>): Promise<void> {
  const gone = Array.from(sessions, async ([socket, session]) => {
    session.release();
    if (!socket.closed) await once(socket, 'close');
  });
  await Promise.all(gone);
}

async function closeAll(server: Server, sockets: readonly Socket[], path: string): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  for (const socket of sockets) socket.destroy();
  await closed;
  await rm(path, { force: true });
}
