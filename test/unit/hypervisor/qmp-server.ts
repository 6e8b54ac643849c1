// A QEMU for unit tests: greets, and answers commands on a unix socket as the test says.
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const GREETING = '{"QMP": {"version": {"qemu": {"micro": 0, "minor": 2, "major": 7}}, "capabilities": []}}\r\n';

/** What a command returns; a string is the sentence of a refusal. */
export type Script = (command: string, args: Record<string, unknown>) => object | string;

export class QmpServer {
  readonly path: string;
  readonly #folder: string;
  readonly #server: Server;
  readonly #peers = new Set<Socket>();

  private constructor(folder: string, script: Script) {
    this.#folder = folder;
    this.path = join(folder, 'qmp.sock');
    this.#server = createServer((socket) => this.#serve(socket, script));
  }

  static async start(script: Script): Promise<QmpServer> {
    const server = new QmpServer(await mkdtemp(join(tmpdir(), 'sc-qmp-')), script);
    await new Promise<void>((resolve) => server.#server.listen(server.path, resolve));
    return server;
  }

  /** Tells every client. */
  event(event: string, data: object): void {
    const message = { timestamp: { seconds: 1, microseconds: 0 }, event, data };
    for (const peer of this.#peers) peer.write(`${JSON.stringify(message)}\r\n`);
  }

  async close(): Promise<void> {
    for (const peer of this.#peers) peer.destroy();
    this.#server.close();
    await rm(this.#folder, { recursive: true, force: true });
  }

  #serve(socket: Socket, script: Script): void {
    this.#peers.add(socket.on('error', () => undefined));
    socket.write(GREETING);
    createInterface({ input: socket }).on('line', (line) => {
      const { execute, arguments: args = {}, id } = JSON.parse(line);
      const answer = execute === 'qmp_capabilities' ? {} : script(execute, args);
      const body = typeof answer === 'string' ? { error: { class: 'GenericError', desc: answer } } : { return: answer };
      socket.write(`${JSON.stringify({ ...body, id })}\r\n`);
    });
  }
}
