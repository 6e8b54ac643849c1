// The status page's way out of the lab: a port on this machine's loopback, copied to the controller's unix socket. It
// understands nothing of what it copies.
import { connect, createServer, type Socket } from 'node:net';

/** Preferred, so that the address can be remembered; another when it is taken. */
const PREFERRED_PORT = 7480;

export interface Doorway {
  readonly url: string;
  close(): Promise<void>;
}

/** Listens on 127.0.0.1 and copies each connection to the unix socket. */
export async function openDoorway(path: string): Promise<Doorway> {
  const open = new Set<Socket>();
  const server = createServer((outside) => {
    const inside = connect(path);
    for (const [from, to] of [
      [outside, inside],
      [inside, outside],
    ] as const) {
      open.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        open.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  });
  const listen = (port: number): Promise<number> =>
    new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', () => {
        server.off('error', reject);
        const address = server.address();
        resolve(address !== null && typeof address === 'object' ? address.port : port);
      });
    });
  const port = await listen(PREFERRED_PORT).catch(() => listen(0));
  return {
    url: `http://127.0.0.1:${port}/`,
    async close() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
