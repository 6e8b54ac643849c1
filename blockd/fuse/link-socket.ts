// One stream to a server, for a thread that waits in one poll for all of its descriptors: what is to be sent is collected
// and leaves in few system calls, what comes is parsed where it lies.
import type { Connection, ConnectionEvents } from '../nbd-client/nbd-link.ts';
import { closeDescriptor, connectUnix, ERRNO, readNow, sendNow } from './kernel-calls.ts';

/** Twice the largest reply, so that one always has room behind what is parsed already. */
const RECEIVE_BYTES = 4 * 2 ** 20;
/** Less is moved to the front while something waits for its rest. */
const ROOM_BYTES_MIN = 2 ** 20 + 2 ** 16;
/** Up to this a copy costs less than a system call of its own. */
const COPY_BYTES_MAX = 16 * 1024;
const BATCH_BYTES = 256 * 1024;

export class LinkSocket implements Connection {
  readonly descriptor: number;
  readonly #events: ConnectionEvents;
  readonly #closed: (socket: LinkSocket) => void;
  readonly #input = Buffer.allocUnsafeSlow(RECEIVE_BYTES);
  readonly #batch = Buffer.allocUnsafeSlow(BATCH_BYTES);
  #unsent: Buffer[] = [];
  #batched = 0;
  /** Where in the batch begins what is not among the unsent yet. */
  #batchStart = 0;
  #start = 0;
  #end = 0;
  #isOpen = true;

  private constructor(descriptor: number, events: ConnectionEvents, closed: (socket: LinkSocket) => void) {
    this.descriptor = descriptor;
    this.#events = events;
    this.#closed = closed;
  }

  /** Undefined when nobody listens. `closed` is told once, however it ends. */
  static connect(path: string, events: ConnectionEvents, closed: (socket: LinkSocket) => void): LinkSocket | undefined {
    const descriptor = connectUnix(path);
    return descriptor === undefined ? undefined : new LinkSocket(descriptor, events, closed);
  }

  get hasUnsent(): boolean {
    return this.#unsent.length > 0 || this.#batched > this.#batchStart;
  }

  send(bytes: Buffer): void {
    if (bytes.length <= COPY_BYTES_MAX && this.#batched + bytes.length <= BATCH_BYTES) {
      bytes.copy(this.#batch, this.#batched);
      this.#batched += bytes.length;
      return;
    }
    this.#endBatch();
    this.#unsent.push(bytes);
  }

  #endBatch(): void {
    if (this.#batched === this.#batchStart) return;
    this.#unsent.push(this.#batch.subarray(this.#batchStart, this.#batched));
    this.#batchStart = this.#batched;
  }

  /** Sends as much as the socket takes. */
  flush(): void {
    this.#endBatch();
    for (let first = this.#unsent[0]; first !== undefined && this.#isOpen; first = this.#unsent[0]) {
      const sent = sendNow(this.descriptor, first);
      if (sent === -ERRNO.EAGAIN || sent === -ERRNO.EINTR) return;
      if (sent < 0) this.#lose();
      else if (sent < first.length) this.#unsent[0] = first.subarray(sent);
      else this.#unsent.shift();
    }
    this.#batched = 0;
    this.#batchStart = 0;
  }

  /** Reads what is there, once. */
  receive(): void {
    const count = readNow(this.descriptor, this.#input.subarray(this.#end));
    if (count === -ERRNO.EAGAIN || count === -ERRNO.EINTR) return;
    if (count > 0) this.#take(count);
    else this.#lose();
  }

  #take(count: number): void {
    this.#end += count;
    this.#start += this.#events.receive(this.#input.subarray(this.#start, this.#end));
    if (this.#start === this.#end) {
      this.#start = 0;
      this.#end = 0;
    } else if (RECEIVE_BYTES - this.#end < ROOM_BYTES_MIN) {
      this.#input.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    closeDescriptor(this.descriptor);
    this.#closed(this);
  }

  #lose(): void {
    this.close();
    this.#events.lost();
  }
}
