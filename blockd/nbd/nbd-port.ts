// The exports of a daemon on one TCP port, each under its name. With TLS clients must go to it before anything is said of
// any export (FORCEDTLS), and no byte of one is served in the clear; without it the port is for its own machine.
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket, type TlsOptions } from 'node:tls';
import { type Listen, listenOn } from '../../common/rpc/listen.ts';
import type { NbdDevice } from './nbd-device.ts';
import type { ExportDescription } from './nbd-handshake.ts';
import { ENTRY_MS, type NbdExport, releaseAll } from './nbd-server.ts';
import { type ExportOffer, NbdSession } from './nbd-session.ts';
import { type ClientLog, type RefusedClients, refusedClients, type TurnedAway, turnedAway } from './turned-away.ts';

/** Of all exports together, strangers included until they have failed: each may hold 100 MiB (docs/NBD.md). */
const CONNECTIONS_MAX = 64;
const NOTHING = Buffer.alloc(0);

/** What a port is made of. */
export interface NbdPortParts {
  readonly listen: Listen;
  /** Undefined: no TLS is offered, and none is demanded. */
  readonly tls: TlsOptions | undefined;
  /** In one sentence why a client whose certificate is good is turned away all the same. */
  readonly refusalOf?: (inside: TLSSocket) => string | undefined;
  readonly log: ClientLog;
}

/** An export at the port. */
export interface PortExport {
  /** Its clients. */
  readonly connections: number;
  /** Lets them go once they have their answers. */
  release(): Promise<void>;
  /** Ends it and its clients. */
  close(): void;
}

/** A listening port. */
export class NbdPort {
  readonly #parts: NbdPortParts;
  readonly #server: Server;
  readonly #offers = new Map<string, ExportOffer>();
  /** All connections, and where each went. */
  readonly #sockets = new Map<Socket, string>();
  readonly #sessions = new Map<Socket, NbdSession>();
  readonly #turnedAway: TurnedAway;
  readonly #refused: RefusedClients;
  port = 0;

  private constructor(parts: NbdPortParts) {
    this.#parts = parts;
    this.#turnedAway = turnedAway(parts.log, 'the NBD port', CONNECTIONS_MAX);
    this.#refused = refusedClients(parts.log, { at: 'the NBD port' });
    this.#server = createServer((socket) => this.#accept(socket));
  }

  /** Port 0 lets the system choose. @throws Error with the operating system's code */
  static async open(parts: NbdPortParts): Promise<NbdPort> {
    const port = new NbdPort(parts);
    port.port = await listenOn(port.#server, parts.listen);
    return port;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  add(device: NbdDevice, description: ExportDescription): PortExport {
    const { name } = description;
    const offer = { device, description };
    this.#offers.set(name, offer);
    const clients = (): Socket[] => [...this.#sockets].filter(([, to]) => to === name).map(([socket]) => socket);
    return {
      get connections() {
        return clients().length;
      },
      release: () => {
        const there = clients();
        return releaseAll(new Map([...this.#sessions].filter(([socket]) => there.includes(socket))));
      },
      close: () => {
        if (this.#offers.get(name) === offer) this.#offers.delete(name);
        for (const socket of clients()) socket.destroy();
      },
    };
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets.keys()) socket.destroy();
    await closed;
  }

  #accept(socket: Socket): void {
    const [first, ...others] = [...this.#offers.values()].sort(byName);
    if (first === undefined || this.#sockets.size >= CONNECTIONS_MAX) {
      if (first !== undefined) this.#turnedAway.note();
      socket.destroy();
      return;
    }
    this.#sockets.set(socket, '');
    socket.once('close', () => this.#sockets.delete(socket));
    this.#serve(socket, first, others);
  }

  #serve(raw: Socket, first: ExportOffer, others: readonly ExportOffer[]): void {
    const { tls, log } = this.#parts;
    let stream = raw;
    const read = (chunk: Buffer): void => {
      session.receive(chunk);
      if (session.isFull) stream.pause();
    };
    const entry = setTimeout(() => raw.destroy(), ENTRY_MS);
    const enter = (inside: TLSSocket): void => {
      stream = inside;
      inside.setNoDelay(true);
      inside.on('data', read);
    };
    const startTls = (options: TlsOptions) => (): void => {
      raw.off('data', read).pause();
      // The answer in the clear has left when this write has.
      raw.write(NOTHING, () => this.#secure(raw, options, enter));
    };
    const connection = {
      send: (bytes: Uint8Array, sent: () => void) => void stream.write(bytes, (error) => (error ? undefined : sent())),
      end: () => void stream.end(() => stream.destroy()),
      drop: () => void stream.destroy(),
      refused: (why: string) => this.#refused.note(why, raw.remoteAddress),
      resume: () => void stream.resume(),
      chose: (name: string) => {
        clearTimeout(entry);
        // It may have ended while this client made up its mind, and another one may have its name.
        const there = this.#offers.get(name);
        if (there !== undefined && (there === first || others.includes(there))) this.#sockets.set(raw, name);
        else raw.destroy();
      },
      ...(tls === undefined ? {} : { startTls: startTls(tls) }),
    };
    const session = new NbdSession(first.device, first.description, connection, others);
    this.#sessions.set(raw, session);
    raw.setNoDelay(true);
    raw.on('error', (error) => log.debug({ err: error }, 'a remote disk client failed'));
    raw.once('close', () => {
      clearTimeout(entry);
      this.#sessions.delete(raw);
      session.close();
    });
    raw.on('data', read);
  }

  /** Hands the connection on once its certificate is found good; ends any other. */
  #secure(raw: Socket, tls: TlsOptions, enter: (inside: TLSSocket) => void): void {
    const { log, refusalOf } = this.#parts;
    const server = createTlsServer(tls, (inside) => {
      inside.on('error', (error) => log.debug({ err: error }, 'a remote disk client failed inside TLS'));
      const refusal = refusalOf?.(inside);
      if (refusal === undefined) enter(inside);
      else inside.destroy();
      if (refusal !== undefined)
        log.warn({ address: raw.remoteAddress, refusal }, 'a remote disk client was turned away');
    });
    server.on('tlsClientError', (error) => {
      this.#refused.note(`it does not come through TLS: ${error.message}`, raw.remoteAddress);
      raw.destroy();
    });
    // The documented way to give a TLS server a connection that was accepted before.
    server.emit('connection', raw);
  }
}

/** The export of a unix socket, on the port too where there is one; both offer the description, whose size may grow. */
export function atPort(
  port: NbdPort | undefined,
  device: NbdDevice,
  description: ExportDescription & { bytes: number },
  local: NbdExport,
): NbdExport & { grow(bytes: number): void } {
  const remote = port?.add(device, description);
  return {
    path: local.path,
    get connections() {
      return local.connections + (remote?.connections ?? 0);
    },
    grow: (bytes) => {
      description.bytes = bytes;
    },
    release: async () => {
      await Promise.all([local.release(), remote?.release()]);
    },
    close: () => {
      remote?.close();
      return local.close();
    },
  };
}

function byName(one: ExportOffer, other: ExportOffer): number {
  return one.description.name < other.description.name ? -1 : 1;
}
