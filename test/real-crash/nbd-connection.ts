// One connection to a real export, by promises: what was asked and not answered when the server dies is lost, and nothing
// is asked again. Not a test itself.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { COMMAND, COMMAND_FLAG, REQUEST_BYTES, SIMPLE_REPLY_BYTES } from '../../blockd/nbd/nbd-protocol.ts';
import { NbdClientSession } from '../../blockd/nbd-client/nbd-client-session.ts';

/** Of one request of `readAll`. */
const READ_BYTES = 2 ** 20;

/** The server's answer to one request; `error` is one of NBD_ERROR. */
export class NbdFault extends Error {
  readonly error: number;

  constructor(error: number) {
    super(`the server answered error ${error}`);
    this.error = error;
  }
}

/** The server is gone, or no longer speaks NBD. */
export class ConnectionLost extends Error {}

export class NbdConnection {
  readonly #socket: Socket;
  readonly #session: NbdClientSession;
  readonly #waiting = new Set<(error: Error) => void>();
  readonly #ready = Promise.withResolvers<void>();
  #unread: Buffer = Buffer.alloc(0);
  #lost: ConnectionLost | undefined;

  private constructor(socket: Socket, name: string) {
    this.#socket = socket;
    this.#session = new NbdClientSession(name, {
      send: (bytes) => void socket.write(bytes),
      ready: () => this.#ready.resolve(),
      failed: (reason) => this.#lose(reason),
    });
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('error', (error) => this.#lose(error.message));
    socket.on('close', () => this.#lose('the connection was closed'));
  }

  /** @throws ConnectionLost; Error with `code` when nobody listens */
  static async open(path: string, name: string): Promise<NbdConnection> {
    const socket = connect(path);
    await once(socket, 'connect');
    const connection = new NbdConnection(socket, name);
    await connection.#ready.promise;
    return connection;
  }

  get isLost(): boolean {
    return this.#lost !== undefined;
  }

  read(offset: number, length: number): Promise<Buffer> {
    return this.#request(COMMAND.READ, 0, offset, length);
  }

  async readAll(bytes: number): Promise<Buffer> {
    const all = Buffer.alloc(bytes);
    for (let at = 0; at < bytes; at += READ_BYTES) {
      (await this.read(at, Math.min(READ_BYTES, bytes - at))).copy(all, at);
    }
    return all;
  }

  async write(offset: number, data: Uint8Array, fua: boolean): Promise<void> {
    const payload = Buffer.concat([Buffer.alloc(REQUEST_BYTES), data]);
    await this.#request(COMMAND.WRITE, fua ? COMMAND_FLAG.FUA : 0, offset, data.length, payload);
  }

  async zero(offset: number, length: number): Promise<void> {
    await this.#request(COMMAND.WRITE_ZEROES, 0, offset, length);
  }

  async trim(offset: number, length: number): Promise<void> {
    await this.#request(COMMAND.TRIM, 0, offset, length);
  }

  async flush(): Promise<void> {
    await this.#request(COMMAND.FLUSH, 0, 0, 0);
  }

  close(): void {
    this.#socket.destroy();
    this.#lose('closed');
  }

  #request(type: number, flags: number, offset: number, length: number, payload?: Buffer): Promise<Buffer> {
    if (this.#lost !== undefined) return Promise.reject(this.#lost);
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject);
      const answered = (error: number, reply: Buffer): void => {
        this.#waiting.delete(reject);
        if (error === 0) resolve(Buffer.from(reply.subarray(SIMPLE_REPLY_BYTES)));
        else reject(new NbdFault(error));
      };
      this.#session.request({ type, flags, offset, length, payload, answered });
    });
  }

  #receive(chunk: Buffer): void {
    this.#unread = this.#unread.length === 0 ? chunk : Buffer.concat([this.#unread, chunk]);
    const used = this.#session.receive(this.#unread);
    this.#unread = this.#unread.subarray(used);
  }

  #lose(reason: string): void {
    if (this.#lost !== undefined) return;
    this.#lost = new ConnectionLost(reason);
    this.#ready.promise.catch(() => undefined);
    this.#ready.reject(this.#lost);
    for (const reject of this.#waiting) reject(this.#lost);
    this.#waiting.clear();
    this.#socket.destroy();
  }
}
