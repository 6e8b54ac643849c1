// An image as NBD wants to see a device. Adapts names and nothing else.

import type { NbdDevice } from '../nbd/nbd-device.ts';
import type { Image } from './image.ts';
import { endOfStatus, statusOf } from './image-status.ts';

/** The device of one image. */
export function deviceOf(image: Image): NbdDevice {
  return {
    tryRead: (offset, into, mayWait) => image.tryRead(offset, into, mayWait),
    tryBeginRead: (offset, length) => image.tryBeginRead(offset, length),
    readNow: (offset, into, mayWait) => image.readNow(offset, into, mayWait),
    direct: image,
    makeReadable: (offset, length) => image.makeReadable(offset, length),
    write: (offset, data, fua) => image.write(offset, data, fua),
    zero: (offset, length, fua, keepRoom) => image.zero(offset, length, fua, keepRoom),
    trim: (offset, length, fua) => image.trim(offset, length, fua),
    cache: (offset, length) => image.cache(offset, length),
    flush: () => image.flush(),
    get hasStatus() {
      return image.gate.mayRead;
    },
    untilStatus: () => image.gate.changed(),
    statusOf: (kind, offset) => statusOf(image.stack, kind, offset),
    endOfStatus: (kind, offset, end) => endOfStatus(image.stack, kind, offset, end),
  };
}
