// What the sandboxed program may read, as a device: a stranger's file, or an image that stands still. Nothing can be changed through
// it, and beyond the content there are zeros.
import { OperationError } from '../../common/errors.ts';
import type { StillImage } from '../image/still-image.ts';
import type { NbdDevice } from '../nbd/nbd-device.ts';
import type { ForeignBytes } from './foreign-bytes.ts';

type Read = (offset: number, length: number) => Promise<Uint8Array>;

/** The bytes of a file that was opened before: what was inspected is what is read. */
export function deviceOfFile(source: ForeignBytes): NbdDevice {
  return new ReadOnlyDevice(async (offset, length) => {
    const into = Buffer.alloc(length);
    (await source.read(offset, length)).copy(into);
    return into;
  });
}

/** An image that does not change, up to a size that may be larger than its own. */
export function deviceOfImage(image: StillImage): NbdDevice {
  return new ReadOnlyDevice(async (offset, length) => {
    const into = new Uint8Array(length);
    const inside = Math.max(0, Math.min(length, image.bytes - offset));
    image.read(offset, into.subarray(0, inside));
    return into;
  });
}

/** Each read waits for its bytes, which are then there for that read alone. All of it is data by its status. */
class ReadOnlyDevice implements NbdDevice {
  readonly #read: Read;
  readonly #come = new Map<string, Uint8Array>();
  readonly hasStatus = true;

  constructor(read: Read) {
    this.#read = read;
  }

  tryRead(offset: number, into: Uint8Array): boolean {
    return this.readNow(offset, into);
  }

  tryBeginRead(offset: number, length: number): boolean {
    return this.#come.has(`${offset} ${length}`);
  }

  readNow(offset: number, into: Uint8Array): boolean {
    const name = `${offset} ${into.length}`;
    const data = this.#come.get(name);
    if (data === undefined) return false;
    this.#come.delete(name);
    into.set(data);
    return true;
  }

  async makeReadable(offset: number, length: number): Promise<void> {
    this.#come.set(`${offset} ${length}`, await this.#read(offset, length));
  }

  write = refuse;
  zero = refuse;
  trim = refuse;
  cache = async (): Promise<void> => undefined;
  flush = async (): Promise<void> => undefined;
  untilStatus = async (): Promise<void> => undefined;
  statusOf = (): number => 0;
  endOfStatus = (_kind: string, _offset: number, end: number): number => end;
}

async function refuse(): Promise<void> {
  throw new OperationError('EPERM', 'this device is only to be read');
}
