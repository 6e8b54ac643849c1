// Stands between two block daemons and stops handing on what one answers on a connection that has carried a lot already:
// a link that a pull has filled up. Not a test itself.
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** What one connection carried to its opener, in bytes of TLS. */
export interface Carried {
  bytes: number;
  isHeld: boolean;
}

/** A relay from one address to another, on one port. */
export class HoldingRelay {
  /** A connection that has carried so much is held from then on, until `letGo`; none by default. */
  holdBeyond = Number.POSITIVE_INFINITY;
  readonly connections: Carried[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #firstHeld = Promise.withResolvers<void>();

  private constructor(port: number, to: string) {
    this.#server = createServer((near) => {
      const far = connect(port, to);
      this.#answers(far, near);
      near.on('data', (chunk) => far.write(chunk));
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(one);
        one.once('error', () => other.destroy());
        one.once('close', () => {
          this.#sockets.delete(one);
          other.destroy();
        });
      }
    });
  }

  static async start(at: string, port: number, to: string): Promise<HoldingRelay> {
    const relay = new HoldingRelay(port, to);
    await once(relay.#server.listen(port, at), 'listening');
    return relay;
  }

  /** Settles when some connection is held. */
  get held(): Promise<void> {
    return this.#firstHeld.promise;
  }

  get carriedBytes(): number {
    return this.connections.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Hands on everything from now on. */
  letGo(): void {
    this.holdBeyond = Number.POSITIVE_INFINITY;
    for (const socket of this.#sockets) socket.resume();
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #answers(far: Socket, near: Socket): void {
    const carried: Carried = { bytes: 0, isHeld: false };
    this.connections.push(carried);
    far.on('data', (chunk) => {
      near.write(chunk);
      carried.bytes += chunk.length;
      if (carried.bytes < this.holdBeyond) return;
      carried.isHeld = true;
      far.pause();
      this.#firstHeld.resolve();
    });
  }
}
