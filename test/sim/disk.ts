// A node's disk in the simulated world: what was written and not synced may be lost or torn by a power cut, in any
// subset of sectors; a killed process loses nothing that it had written.
import { crc32 } from 'node:zlib';
import type { SimClock } from './clock.ts';
import type { Prng } from './prng.ts';

/** What a disk writes at once. */
const SECTOR_BYTES = 512;
/** Length and checksum in front of each record of a log. */
const FRAME_BYTES = 8;

interface PendingWrite {
  readonly offset: number;
  readonly bytes: Buffer;
}

class SimFile {
  durable: Buffer = Buffer.alloc(0);
  cached: Buffer = Buffer.alloc(0);
  pending: PendingWrite[] = [];
}

function place(file: Buffer, write: PendingWrite): Buffer {
  const end = write.offset + write.bytes.length;
  const grown = end > file.length ? Buffer.concat([file, Buffer.alloc(end - file.length)]) : Buffer.from(file);
  write.bytes.copy(grown, write.offset);
  return grown;
}

export class SimDisk {
  readonly #clock: SimClock;
  readonly #prng: Prng;
  readonly #files = new Map<string, SimFile>();
  /** How long a sync takes, in ms; a fault may raise it (a stall). */
  syncMs = 1;

  constructor(clock: SimClock, prng: Prng) {
    this.#clock = clock;
    this.#prng = prng;
  }

  #file(name: string): SimFile {
    const file = this.#files.get(name) ?? new SimFile();
    this.#files.set(name, file);
    return file;
  }

  read(name: string): Buffer {
    return this.#file(name).cached;
  }

  write(name: string, offset: number, bytes: Buffer): void {
    const file = this.#file(name);
    file.pending.push({ offset, bytes });
    file.cached = place(file.cached, { offset, bytes });
  }

  truncate(name: string, bytes: number): void {
    const file = this.#file(name);
    file.cached = file.durable = file.cached.subarray(0, bytes);
    file.pending = [];
  }

  /** `done` runs when all that was written before is durable; after a power cut meanwhile it promises nothing. */
  sync(name: string, done: () => void): void {
    const file = this.#file(name);
    const written = [...file.pending];
    this.#clock.after(this.#prng.between(0.2, 2) * this.syncMs, () => {
      for (const write of written.filter((entry) => file.pending.includes(entry)))
        file.durable = place(file.durable, write);
      file.pending = file.pending.filter((entry) => !written.includes(entry));
      done();
    });
  }

  /** The power fails: of each unsynced write any subset of its sectors is on the disk. */
  powerCut(): void {
    for (const file of this.#files.values()) {
      for (const write of file.pending) this.#tear(file, write);
      file.pending = [];
      file.cached = file.durable;
    }
  }

  #tear(file: SimFile, write: PendingWrite): void {
    for (let from = 0; from < write.bytes.length; from += SECTOR_BYTES) {
      const bytes = write.bytes.subarray(from, from + SECTOR_BYTES);
      const keptBytes = this.#prng.pick([0, bytes.length, bytes.length, this.#prng.integer(bytes.length)]);
      file.durable = place(file.durable, { offset: write.offset + from, bytes: bytes.subarray(0, keptBytes) });
    }
  }
}

/** An append-only log of JSON records on a simulated disk; a torn tail is cut at the opening. */
export class SimLog<T> {
  readonly #disk: SimDisk;
  readonly #name: string;
  #endOffset = 0;

  constructor(disk: SimDisk, name: string) {
    this.#disk = disk;
    this.#name = name;
  }

  /** What is readable now, durable or not. */
  records(): T[] {
    return this.#scan().records;
  }

  /** To be called at each start, before the first append. */
  open(): T[] {
    const { records, endOffset } = this.#scan();
    this.#disk.truncate(this.#name, endOffset);
    this.#endOffset = endOffset;
    return records;
  }

  append(record: T, done: () => void): void {
    const text = Buffer.from(JSON.stringify(record));
    const frame = Buffer.alloc(FRAME_BYTES + text.length);
    frame.writeUInt32BE(text.length, 0);
    frame.writeUInt32BE(crc32(text), 4);
    text.copy(frame, FRAME_BYTES);
    this.#disk.write(this.#name, this.#endOffset, frame);
    this.#endOffset += frame.length;
    this.#disk.sync(this.#name, done);
  }

  #scan(): { records: T[]; endOffset: number } {
    const bytes = this.#disk.read(this.#name);
    const records: T[] = [];
    let offset = 0;
    while (offset + FRAME_BYTES <= bytes.length) {
      const text = bytes.subarray(offset + FRAME_BYTES, offset + FRAME_BYTES + bytes.readUInt32BE(offset));
      if (text.length === 0 || crc32(text) !== bytes.readUInt32BE(offset + 4)) break;
      records.push(JSON.parse(text.toString()) as T);
      offset += FRAME_BYTES + text.length;
    }
    return { records, endOffset: offset };
  }
}
