// A link with a round trip, for benchmarks: takes TCP connections and hands their bytes on, each way after half of it. It
// costs the two ends nothing, unlike an emulated network interface; it knows no rate, loss or window.
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** Where something listens. */
export interface Place {
  readonly address: string;
  readonly port: number;
}

/** One relay; ends with `close`. */
export class DelayRelay {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(to: Place, oneWayMs: number) {
    this.#server = createServer({ allowHalfOpen: true }, (near) => {
      const far = connect({ host: to.address, port: to.port, allowHalfOpen: true });
      this.#join(near, far, oneWayMs);
      this.#join(far, near, oneWayMs);
    });
  }

  /** Listens at `at`, whose port may be 0, and connects to `to` for whoever comes. */
  static async start(at: Place, to: Place, roundTripMs: number): Promise<DelayRelay> {
    const relay = new DelayRelay(to, roundTripMs / 2);
    await once(relay.#server.listen(at.port, at.address), 'listening');
    return relay;
  }

  get port(): number {
    const address = this.#server.address();
    return address !== null && typeof address === 'object' ? address.port : 0;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Timers of one length fire in the order in which they were set. */
  #join(from: Socket, to: Socket, oneWayMs: number): void {
    this.#sockets.add(from);
    from.setNoDelay(true);
    from.on('data', (chunk) => void setTimeout(() => to.write(chunk), oneWayMs));
    from.once('end', () => void setTimeout(() => to.end(), oneWayMs));
    from.once('error', () => to.destroy());
    from.once('close', () => this.#sockets.delete(from));
  }
}
