// The extents of one status request as the descriptors of a reply. Never says more than a limit's worth: a client asks
// again from where the answer ended.
import type { NbdDevice, StatusKind } from './nbd-device.ts';
import { COMMAND_FLAG } from './nbd-protocol.ts';
import type { Request } from './nbd-request.ts';

/** Length and status, both u32. */
const EXTENT_BYTES = 8;
/** 32 KiB of reply per context: about what one read of a client costs. */
const EXTENTS_MAX = 4096;
/** 2 GiB: half a million table entries are read in some milliseconds, during which nothing else runs. */
const STATUS_BYTES_MAX = 2 ** 31;

export class StatusExtents {
  readonly #device: NbdDevice;
  /** Used again for each answer. */
  readonly #bytes = Buffer.alloc(EXTENTS_MAX * EXTENT_BYTES);

  constructor(device: NbdDevice) {
    this.#device = device;
  }

  /** Valid until the next call. */
  of(kind: StatusKind, { offset, length, flags }: Request): Buffer {
    const end = offset + Math.min(length, STATUS_BYTES_MAX);
    const extentsMax = (flags & COMMAND_FLAG.REQ_ONE) === 0 ? EXTENTS_MAX : 1;
    let used = 0;
    for (let at = offset; at < end && used < extentsMax * EXTENT_BYTES; used += EXTENT_BYTES) {
      const next = this.#device.endOfStatus(kind, at, end);
      this.#bytes.writeUInt32BE(next - at, used);
      this.#bytes.writeUInt32BE(this.#device.statusOf(kind, at), used + 4);
      at = next;
    }
    return this.#bytes.subarray(0, used);
  }
}
