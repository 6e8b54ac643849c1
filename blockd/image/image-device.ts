// An image as NBD wants to see a device. Adapts names and nothing else.

import type { NbdDevice } from '../nbd/nbd-session.ts';
import type { Image } from './image.ts';

/** The device of one image. */
export function deviceOf(image: Image): NbdDevice {
  return {
    tryRead: (offset, into) => image.tryRead(offset, into),
    readLater: (offset, length) => image.readLater(offset, length),
    write: (offset, data, fua) => image.write(offset, data, fua),
    zero: (offset, length, fua, keepRoom) => image.zero(offset, length, fua, keepRoom),
    trim: (offset, length, fua) => image.trim(offset, length, fua),
    cache: (offset, length) => image.cache(offset, length),
    flush: () => image.flush(),
  };
}
