// A well-behaved client on a socket, which goes on beside others that are not. Not a test itself.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import * as assert from 'uvu/assert';
import { within } from '../common/members.ts';
import { clientFlags, go, option, request } from './nbd-client.ts';

/** Greeting, the export's facts, and that this was all. */
const ENTRY_BYTES = 18 + 20 + 12 + 20;
/** Where it writes. */
const PLACE = 65_536;

/** A client that has its connection from before all others. */
export class Beside {
  readonly #socket: Socket;

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  static async open(path: string): Promise<Beside> {
    const socket = connect(path);
    await once(socket, 'connect');
    socket.write(Buffer.concat([clientFlags(), option(7, go('web'))]));
    const beside = new Beside(socket);
    await beside.#take(ENTRY_BYTES);
    return beside;
  }

  /** Whether a write, a flush and a read of its own still go well. */
  async works(): Promise<void> {
    this.#socket.write(Buffer.concat([request(1, PLACE, 4, 0, Buffer.from('here')), request(3, 0, 0)]));
    await this.#take(32);
    this.#socket.write(request(0, PLACE, 4));
    assert.is((await this.#take(20)).toString('latin1', 16), 'here');
  }

  close(): void {
    this.#socket.destroy();
  }

  async #take(bytes: number): Promise<Buffer> {
    let got = Buffer.alloc(0);
    while (got.length < bytes) {
      const [chunk] = (await within(once(this.#socket, 'data'))) as [Buffer];
      got = Buffer.concat([got, chunk]);
    }
    assert.is(got.length, bytes);
    return got;
  }
}
