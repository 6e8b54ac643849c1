// Stands before an etcd member and loses answers: the request is done, its caller never hears. Not a test itself.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export class LossyGateway {
  /** How many of the next transactions' answers are lost. */
  toLose = 0;
  lost = 0;
  /** Called when a transaction has been done and before its answer goes on. */
  onDone: (() => Promise<void>) | undefined;
  readonly #server: Server;
  readonly #member: string;

  private constructor(member: string) {
    this.#member = member;
    this.#server = createServer((request, response) => {
      this.#forward(request).then(
        (answer) => (answer === undefined ? response.destroy() : response.end(answer)),
        (error: unknown) => response.destroy(error instanceof Error ? error : undefined),
      );
    });
  }

  static async start(member: string): Promise<LossyGateway> {
    const gateway = new LossyGateway(member);
    await once(gateway.#server.listen(0, '127.0.0.1'), 'listening');
    return gateway;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #forward(request: IncomingMessage): Promise<string | undefined> {
    const path = request.url ?? '/';
    const body = await text(request);
    const answer = await (await fetch(new URL(path, this.#member), { method: 'POST', body })).text();
    if (path !== '/v3/kv/txn') return answer;
    await this.onDone?.();
    if (this.toLose === 0) return answer;
    this.toLose -= 1;
    this.lost += 1;
    return undefined;
  }
}
