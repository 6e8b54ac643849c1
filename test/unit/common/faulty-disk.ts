// A disk in memory that writes down what was done to it, in order, keeps what is durable apart from what is not, and
// fails where a test says so.
import type { Disk, DiskFile, OpenMode } from '../../../common/disk/disk.ts';

interface Content {
  /** What a reader sees now. */
  bytes: Buffer;
  /** What is left after a power cut. */
  durable: Buffer;
}

export class FaultyDisk implements Disk {
  readonly kernelRun = 'test';
  readonly done: string[] = [];
  /** Called before each operation; throw to make it fail. */
  before: (operation: string) => void = () => undefined;
  #names = new Map<string, Content>();
  #durableNames = new Map<string, Content>();

  async open(path: string, mode: OpenMode): Promise<DiskFile> {
    this.#step(`open ${path} ${mode}`);
    const known = this.#names.get(path);
    if (mode === 'read' && known === undefined) throw Object.assign(new Error(`ENOENT ${path}`), { code: 'ENOENT' });
    if (mode === 'create' && known !== undefined) throw Object.assign(new Error(`EEXIST ${path}`), { code: 'EEXIST' });
    const content = known ?? { bytes: Buffer.alloc(0), durable: Buffer.alloc(0) };
    this.#names.set(path, content);
    return this.#file(path, content);
  }

  async readWhole(path: string): Promise<Uint8Array> {
    const file = await this.open(path, 'read');
    const bytes = new Uint8Array(await file.size());
    await file.read(bytes, 0);
    return bytes;
  }

  async replace(path: string, bytes: Uint8Array): Promise<void> {
    this.#step(`replace ${path}`);
    const content = { bytes: Buffer.from(bytes), durable: Buffer.from(bytes) };
    this.#names.set(path, content);
    this.#durableNames.set(path, content);
  }

  async rename(from: string, to: string): Promise<void> {
    this.#step(`rename ${from} ${to}`);
    const content = this.#names.get(from);
    if (content === undefined) throw Object.assign(new Error(`ENOENT ${from}`), { code: 'ENOENT' });
    this.#names.delete(from);
    this.#names.set(to, content);
  }

  async dropCached(): Promise<void> {
    // Nothing here is taken for clean that is not.
  }

  async remove(path: string): Promise<void> {
    this.#step(`remove ${path}`);
    this.#names.delete(path);
  }

  async list(directory: string): Promise<string[]> {
    const prefix = `${directory}/`;
    return [...this.#names.keys()].filter((path) => path.startsWith(prefix)).map((path) => path.slice(prefix.length));
  }

  async makeDirectory(directory: string): Promise<void> {
    this.#step(`mkdir ${directory}`);
  }

  async syncDirectory(directory: string): Promise<void> {
    this.#step(`syncdir ${directory}`);
    this.#durableNames = new Map(this.#names);
  }

  /** What is in a file now. */
  bytesOf(path: string): Buffer {
    return this.#names.get(path)?.bytes ?? Buffer.alloc(0);
  }

  /** Puts a file there, durably. */
  put(path: string, bytes: Uint8Array): void {
    const content = { bytes: Buffer.from(bytes), durable: Buffer.from(bytes) };
    this.#names.set(path, content);
    this.#durableNames.set(path, content);
  }

  /** The disk as it is after a power cut that lost everything that was not durable. */
  powerCut(): FaultyDisk {
    const after = new FaultyDisk();
    for (const [path, content] of this.#durableNames) after.put(path, content.durable);
    return after;
  }

  #step(operation: string): void {
    this.before(operation);
    this.done.push(operation);
  }

  #file(path: string, content: Content): DiskFile {
    const read = (buffer: Uint8Array, offset: number): number => content.bytes.copy(buffer, 0, offset);
    const write = (buffer: Uint8Array, offset: number): void => {
      const size = Math.max(content.bytes.length, offset + buffer.length);
      content.bytes = Buffer.concat([content.bytes, Buffer.alloc(size - content.bytes.length)]);
      content.bytes.set(buffer, offset);
    };
    const step = (operation: string): void => this.#step(`${operation} ${path}`);
    return {
      path,
      read: async (buffer, offset) => read(buffer, offset),
      readSync: read,
      tryReadSync: read,
      warm: async () => undefined,
      async write(buffer, offset) {
        try {
          step('write');
        } catch (error) {
          // A write that fails has often written a part.
          write(buffer.subarray(0, buffer.length >> 1), offset);
          throw error;
        }
        write(buffer, offset);
      },
      writeSync: write,
      async datasync() {
        step('datasync');
        content.durable = Buffer.from(content.bytes);
      },
      allocate: async () => step('allocate'),
      punch: async () => step('punch'),
      async truncate(bytes) {
        step('truncate');
        content.bytes = Buffer.from(content.bytes.subarray(0, bytes));
      },
      size: async () => content.bytes.length,
      close: async () => step('close'),
    };
  }
}
