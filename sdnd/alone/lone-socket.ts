// The socket of one switch, read into one buffer that is used for all of them, since what comes is dealt with at once, and
// answered by send(2) itself: Node's streams cost more than a small answer does.
import { Socket } from 'node:net';
import { sendNow } from '../../common/socket-calls.ts';

const RECEIVE_BYTES = 2 ** 18;
const room = Buffer.allocUnsafeSlow(RECEIVE_BYTES);

export class LoneSocket {
  /** For its events and its end. */
  readonly socket: Socket;
  readonly #fd: number;
  #queued = 0;

  /** The accepted socket (`pauseOnConnect`) gives its handle up: Node lets only a handle's owner say where it is read into. */
  constructor(accepted: Socket, receive: (bytes: Buffer) => void) {
    const handle: unknown = Reflect.get(accepted, '_handle');
    const descriptor: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined;
    this.#fd = typeof descriptor === 'number' ? descriptor : -1;
    Reflect.set(accepted, '_handle', null);
    accepted.destroy();
    const callback = (bytes: number): boolean => {
      receive(room.subarray(0, bytes));
      return !this.socket.isPaused();
    };
    const options = { handle, onread: { buffer: room, callback } };
    this.socket = new Socket(options as ConstructorParameters<typeof Socket>[0]);
  }

  /** Bytes that the switch has not taken. */
  get unreadBytes(): number {
    return this.socket.writableLength;
  }

  /** The bytes may be overwritten afterwards. */
  send(bytes: Buffer): void {
    if (this.socket.destroyed) return;
    const taken = this.#queued === 0 && this.#fd >= 0 ? sendNow(this.#fd, bytes) : 0;
    if (taken === bytes.length) return;
    this.#queued += 1;
    this.socket.write(Buffer.from(bytes.subarray(taken)), () => {
      this.#queued -= 1;
    });
  }
}
