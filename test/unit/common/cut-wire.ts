// A TCP relay between a client and a server under test, which can be cut in the middle of everything.
import { connect, createServer, type Socket } from 'node:net';
import { listenOn } from '../../../common/rpc/listen.ts';

export interface CutWire {
  readonly port: number;
  /** How many connections were made through it. */
  readonly connections: number;
  /** Resets all connections. */
  cut(): void;
  close(): Promise<void>;
}

export async function cutWire(toPort: number): Promise<CutWire> {
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((inner) => {
    connections += 1;
    const outer = connect(toPort, '127.0.0.1');
    for (const [socket, other] of [[inner, outer] as const, [outer, inner] as const]) {
      sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  });
  const port = await listenOn(server, { address: '127.0.0.1', port: 0 });
  const cut = (): void => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  return {
    port,
    get connections() {
      return connections;
    },
    cut,
    close: () =>
      new Promise((resolve) => {
        cut();
        server.close(() => resolve());
      }),
  };
}
