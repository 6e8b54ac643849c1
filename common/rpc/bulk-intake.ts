// What comes on a stream, in one buffer that is used again and again: a buffer of its own for each TLS record costs more
// than its decryption, most of it for collecting them. Holds a first line's rest until somebody takes the stream over.
import type { SocketConstructorOpts } from 'node:net';

/** A TLS record has 16 KiB at most, and each is handed on by itself. */
const BUFFER_BYTES = 16 * 1024;

/** The receiving side of one stream. */
export class BulkIntake {
  /** For the socket's making; it gives out no data otherwise. */
  readonly onread: NonNullable<SocketConstructorOpts['onread']>;
  #take: ((chunk: Uint8Array) => void) | undefined;
  #held: Buffer[] = [];

  constructor() {
    const buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
    this.onread = {
      buffer,
      callback: (bytes) => {
        // Most records are full, and a view costs as much as a record's copy.
        const chunk = bytes === BUFFER_BYTES ? buffer : buffer.subarray(0, bytes);
        if (this.#take === undefined) this.#held.push(Buffer.from(chunk));
        else this.#take(chunk);
        return true;
      },
    };
  }

  /** From here on whatever comes goes to `take`, what was held first. A chunk is valid only during the call. */
  deliver(take: (chunk: Uint8Array) => void): void {
    this.#take = take;
    while (this.#take === take) {
      const chunk = this.#held.shift();
      if (chunk === undefined) return;
      take(chunk);
    }
  }

  /** Holds these bytes, which were handed on too early, and whatever comes behind them. */
  hold(rest: Buffer): void {
    this.#take = undefined;
    if (rest.length > 0) this.#held.unshift(rest);
  }
}
