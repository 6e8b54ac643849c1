// The unix sockets through which QEMU gives and takes its RAM stream, one connection each. They must allow half-open:
// the stream's two directions end one after the other.
import { rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { HypervisorError } from '../driver.ts';

export interface RamListener {
  /** The source's connection; rejects when the listener is closed before it came. */
  readonly accepted: Promise<Socket>;
  /** Takes no more connections and removes the socket file; an accepted one goes on. Again is no error. */
  close(): Promise<void>;
}

/** Waits on `path` for the QEMU that is to migrate out; listens when this resolves. A stale socket file is replaced. */
export async function listenForRam(path: string): Promise<RamListener> {
  await rm(path, { force: true });
  const { promise: accepted, resolve, reject } = Promise.withResolvers<Socket>();
  // Told to whoever waits for the connection; with nobody waiting it is no news.
  accepted.catch(() => undefined);
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    server.close();
    resolve(socket);
  });
  await listening(server, path);
  const close = async () => {
    if (server.listening) server.close();
    reject(new HypervisorError('MIGRATION_FAILED', `RAM stream at ${path}: closed before the source connected`));
    await rm(path, { force: true });
  };
  return { accepted, close };
}

/** Connects to the QEMU that waits for its RAM stream (`IncomingMachine.ramSocketPath`). */
export function dialRam(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path, allowHalfOpen: true });
    const failed = (cause: Error) =>
      reject(new HypervisorError('MACHINE_GONE', `RAM stream at ${path}: ${cause.message}`, { cause }));
    socket.once('error', failed);
    socket.once('connect', () => {
      socket.off('error', failed);
      resolve(socket);
    });
  });
}

function listening(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
