// Buffers for messages from the kernel. Most are free again at once; a write's is in use until the server has answered it.
import { MESSAGE_BYTES_MAX } from './fuse-protocol.ts';

/** Writes that may wait for their server at once, 1 MiB each at most; the kernel keeps the rest. */
const BUFFERS_MAX = 64;

export class MessagePool {
  readonly #free: Buffer[] = [];
  readonly #inUse = new Map<ArrayBufferLike, Buffer>();

  get isEmpty(): boolean {
    return this.#inUse.size >= BUFFERS_MAX;
  }

  /** Undefined while all are in use. */
  take(): Buffer | undefined {
    if (this.isEmpty) return undefined;
    // Pages that no message reached take no memory.
    const buffer = this.#free.pop() ?? Buffer.allocUnsafeSlow(MESSAGE_BYTES_MAX);
    this.#inUse.set(buffer.buffer, buffer);
    return buffer;
  }

  /** Takes a buffer back, by any part of it. */
  release(part: Buffer): void {
    const buffer = this.#inUse.get(part.buffer);
    if (buffer === undefined) return;
    this.#inUse.delete(part.buffer);
    this.#free.push(buffer);
  }

  /** Gives a buffer away: whoever has it keeps it, and another may be taken for it. */
  abandon(part: Buffer): void {
    this.#inUse.delete(part.buffer);
  }
}
