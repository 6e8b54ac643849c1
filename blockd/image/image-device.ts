// An image, or what an image was, as NBD wants to see a device. Adapts names and nothing else.
import { OperationError } from '../../common/errors.ts';
import type { NbdDevice } from '../nbd/nbd-device.ts';
import type { Image } from './image.ts';
import type { ImageReads } from './image-reads.ts';
import { endOfStatus, statusOf } from './image-status.ts';
import type { StillReads } from './still-reads.ts';

/** The device of one image. */
export function deviceOf(image: Image): NbdDevice {
  return {
    ...readsOf(image),
    write: (offset, data, fua, isGone) => image.write(offset, data, fua, isGone),
    zero: (offset, length, fua, keepRoom, isGone) => image.zero(offset, length, fua, keepRoom, isGone),
    trim: (offset, length, fua, isGone) => image.trim(offset, length, fua, isGone),
    flush: () => image.flush(),
    get hasStatus() {
      return image.gate.mayRead;
    },
  };
}

/** The device of what nobody changes. */
export function readOnlyDeviceOf(image: StillReads): NbdDevice {
  return {
    ...readsOf(image),
    ...{ write: refuse, zero: refuse, trim: refuse, flush: () => undefined },
    get hasStatus() {
      return image.isStill;
    },
  };
}

function readsOf(image: ImageReads): Omit<NbdDevice, 'write' | 'zero' | 'trim' | 'flush' | 'hasStatus'> {
  return {
    tryRead: (offset, into, mayWait) => image.tryRead(offset, into, mayWait),
    tryBeginRead: (offset, length) => image.tryBeginRead(offset, length),
    readNow: (offset, into, mayWait) => image.readNow(offset, into, mayWait),
    direct: image,
    makeReadable: (offset, length) => image.makeReadable(offset, length),
    cache: (offset, length) => image.cache(offset, length),
    untilStatus: () => image.gate.changed(),
    statusOf: (kind, offset) => statusOf(image.stack, kind, offset),
    endOfStatus: (kind, offset, end) => endOfStatus(image.stack, kind, offset, end),
  };
}

async function refuse(): Promise<void> {
  throw new OperationError('EPERM', 'a snapshot is only to be read');
}
