// Where a server listens: a TCP address or a unix socket. A socket file that a dead daemon left behind is cleared
// away; one that answers is not touched.
import { rm } from 'node:fs/promises';
import { connect, type Server } from 'node:net';
import { codeOf } from '../errors.ts';

/** Port 0 lets the system choose (tests). */
export type Listen = { readonly address: string; readonly port: number } | { readonly path: string };

/** Starts listening; answers the TCP port. @throws Error EADDRINUSE, EACCES, ... */
export async function listenOn(server: Server, listen: Listen): Promise<number> {
  if ('path' in listen) await removeStale(listen.path);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', () => {
      server.off('error', reject);
      resolve();
    });
    if ('path' in listen) server.listen(listen.path);
    else server.listen(listen.port, listen.address);
  });
  const address = server.address();
  return address !== null && typeof address === 'object' ? address.port : 0;
}

async function removeStale(path: string): Promise<void> {
  if ((await connectCode(path)) === 'ECONNREFUSED') await rm(path, { force: true });
}

/** The code of the error that a connection to the socket meets; undefined when somebody answers. */
function connectCode(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.once('error', (error) => resolve(codeOf(error)));
  });
}
