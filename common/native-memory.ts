// Where a buffer's bytes are in memory, for system calls that node:fs and node:net lack. Only as good as the reference to
// the buffer that the caller holds meanwhile.
import koffi from 'koffi';

/** Buffers are used again and again, and V8 never moves the memory of one. */
const addresses = new WeakMap<ArrayBufferLike, number>();
const names = new Map(Object.entries(koffi.os.errno).map(([name, number]) => [number, name]));

/** The one that was asked for last: a buffer's blocks are asked for one after the other. */
let last: Uint8Array | Uint32Array | Int32Array = new Uint8Array(0);
let lastAddress = 0;

/** The address of the buffer's first byte. */
export function addressOf(bytes: Uint8Array | Uint32Array | Int32Array): number {
  if (bytes === last) return lastAddress;
  last = bytes;
  lastAddress = lookedUp(bytes);
  return lastAddress;
}

function lookedUp(bytes: Uint8Array | Uint32Array | Int32Array): number {
  const { buffer } = bytes;
  let base = addresses.get(buffer);
  if (base === undefined) {
    base = Number(koffi.address(buffer));
    addresses.set(buffer, base);
  }
  return base + bytes.byteOffset;
}

/** The error of a system call that has just failed on this thread, with its `code` as Node's own have it. */
export function systemError(syscall: string, what: string): Error {
  const errno = koffi.errno();
  const code = names.get(errno) ?? `ERRNO_${errno}`;
  return Object.assign(new Error(`${code}: ${syscall}, ${what}`), { code, syscall });
}
