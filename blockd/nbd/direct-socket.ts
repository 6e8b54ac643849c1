// One accepted connection of a unix socket, read into one buffer that is used again and answered by send(2) itself: Node's
// streams cost more than a small request does. What the socket does not take at once goes the streams' way.
import { Socket } from 'node:net';
import type { Others } from '../../common/disk/later-reads.ts';
import { growSendRoom, receiveNow, sendNow } from '../../common/socket-calls.ts';
import { BusyPoll } from './busy-poll.ts';

/** What one call reads at most from a client. */
const RECEIVE_BYTES = 512 * 1024;
/** Chunks of one client before the others have their turn. */
const CHUNKS_MAX = 4;
/** Replies that the client has not taken yet and the kernel has: two of 1 MiB, so that one is sent in one call. */
const SEND_BYTES = 2 * 2 ** 20;
/** As much of one payload as a socket of the usual 208 KiB gives in so many calls: 1 or 2 MB. */
const PARTS_MAX = 8;
/** Replies wait for no more than this, so that the client has some to go on with. */
const UNFLUSHED_BYTES_MAX = 128 * 1024;

/** Who takes what comes. */
export interface DirectReceiver {
  /** A chunk, which is overwritten after the call; `flush` follows. */
  take(chunk: Buffer): void;
  /** Nothing more comes at once. */
  flush(): void;
  /** Where the next bytes go, if that is somewhere else; `filled` tells how many were put there. */
  readonly payloadRoom: Buffer | undefined;
  filled(bytes: number): void;
  /** Nothing more should come until `resume`. */
  readonly isFull: boolean;
  /** The client sends requests without waiting for replies: it is worth looking for more at once. */
  readonly isPipelined: boolean;
  /** A reply waits for the disk. */
  readonly readsDisk: boolean;
  /** The client's reads go to the disk. */
  readonly missesCache: boolean;
}

/** Reads of the disk for whichever clients, as far as sockets have to do with them. */
export interface LandingReads {
  /** Tells those whose reads have ended. */
  land(): number;
}

/** The socket of one client. */
export class DirectSocket {
  /** For its events and its end. */
  readonly socket: Socket;
  readonly #fd: number;
  readonly #buffer = Buffer.allocUnsafeSlow(RECEIVE_BYTES);
  readonly #poll = new BusyPoll();
  readonly #reads: LandingReads | undefined;
  readonly #look = (): number => this.#lookOnce();
  readonly #readsDisk = (): boolean => this.#receiver?.readsDisk === true;
  #receiver: DirectReceiver | undefined;
  #queued = 0;
  /** Bytes that were taken since the last flush. */
  #unflushed = 0;

  /** The accepted socket gives its handle up: Node lets only a handle's owner say where it is read into. */
  constructor(accepted: Socket, reads?: LandingReads) {
    this.#reads = reads;
    const handle: unknown = Reflect.get(accepted, '_handle');
    this.#fd = descriptorOf(handle);
    growSendRoom(this.#fd, SEND_BYTES);
    Reflect.set(accepted, '_handle', null);
    accepted.destroy();
    const onread = { buffer: this.#buffer, callback: (bytes: number) => this.#take(bytes) };
    const options = { handle, onread };
    this.socket = new Socket(options as ConstructorParameters<typeof Socket>[0]);
  }

  /** Which other clients of this thread ask for anything. */
  get others(): Others {
    return this.#poll.others;
  }

  /** Begins to receive. */
  start(receiver: DirectReceiver): void {
    this.#receiver = receiver;
    this.socket.resume();
  }

  /** `sent`: the bytes may be overwritten. What a lost connection did not take counts as unsent for ever. */
  send(bytes: Buffer, sent: () => void): void {
    if (this.socket.destroyed) return;
    this.#poll.replied();
    const taken = this.#queued === 0 ? sendNow(this.#fd, bytes) : 0;
    if (taken === bytes.length) {
      sent();
      return;
    }
    this.#queued++;
    this.socket.write(bytes.subarray(taken), (error) => {
      this.#queued--;
      if (!error) sent();
    });
  }

  #take(bytes: number): boolean {
    const receiver = this.#receiver;
    if (receiver === undefined) return false;
    this.#poll.woken(receiver.missesCache);
    for (let count = bytes; count > 0; count = this.#next(receiver)) this.#takeChunks(receiver, count);
    return !receiver.isFull;
  }

  #takeChunks(receiver: DirectReceiver, bytes: number): void {
    let count = bytes;
    for (let chunk = 1; count > 0; chunk++) {
      receiver.take(this.#buffer.subarray(0, count));
      this.#flushAfter(receiver, count);
      count = chunk < CHUNKS_MAX && this.#fillPayload(receiver) ? receiveNow(this.#fd, this.#buffer) : 0;
    }
    receiver.flush();
    this.#unflushed = 0;
  }

  /** Whether the client has sent something, or the disk has answered: that leaves at once. */
  #lookOnce(): number {
    if (this.#readsDisk() && (this.#reads?.land() ?? 0) > 0) this.#receiver?.flush();
    return this.#receiver?.isFull === true || this.socket.destroyed ? 0 : receiveNow(this.#fd, this.#buffer);
  }

  /** The client may be about to send the next request: one that sends many at once is never waited for. */
  #next(receiver: DirectReceiver): number {
    if (receiver.isPipelined || receiver.isFull || this.socket.destroyed) return 0;
    return this.#poll.next(this.#look, this.#readsDisk);
  }

  /** The rest of a large write goes where it is wanted. Whether it is worth looking for more behind it. */
  #fillPayload(receiver: DirectReceiver): boolean {
    let room = receiver.payloadRoom;
    for (let part = 1; room !== undefined; room = receiver.payloadRoom, part++) {
      const count = part > PARTS_MAX || this.socket.destroyed ? 0 : receiveNow(this.#fd, room);
      if (count === 0) return false;
      receiver.filled(count);
      this.#flushAfter(receiver, count);
    }
    return receiver.isPipelined && !receiver.isFull && !this.socket.destroyed;
  }

  #flushAfter(receiver: DirectReceiver, bytes: number): void {
    this.#unflushed += bytes;
    if (this.#unflushed < UNFLUSHED_BYTES_MAX) return;
    receiver.flush();
    this.#unflushed = 0;
  }
}

function descriptorOf(handle: unknown): number {
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined;
  if (typeof fd !== 'number' || fd < 0) throw new Error('an accepted connection has no descriptor');
  return fd;
}
