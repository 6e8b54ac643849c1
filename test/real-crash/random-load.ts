// A client's load on a real export: writes, zeroes, trims and flushes at random, several at once, never two over the same
// range; each sector that it writes is like no other. It waits out a full disk, as a virtual machine does, and ends when
// the server dies or a request fails for good. Not a test itself.
import { NBD_ERROR } from '../../blockd/nbd/nbd-protocol.ts';
import type { Prng } from '../sim/prng.ts';
import type { DiskEvent } from './disk-events.ts';
import { type NbdConnection, NbdFault } from './nbd-connection.ts';

const SECTOR_BYTES = 512;
const BLOCK_BYTES = 4096;
const REQUESTS_AT_ONCE = 4;
const SMALL_SECTORS_MAX = 40;
const LARGE_SECTORS = 512;
const LARGE_CHANCE = 0.05;
/** Most requests meet in this part of the disk: overwrites are what breaks. */
const HOT_BYTES = 256 * 1024;
const HOT_CHANCE = 0.7;
/** A disk that is full for longer than this is a fault of the test. */
const RETRIES_MAX = 500;

const KINDS = ['read', 'write', 'write', 'write', 'write', 'fua', 'zero', 'trim', 'flush'] as const;

interface Request {
  readonly kind: (typeof KINDS)[number];
  readonly offset: number;
  readonly data: Uint8Array;
}

export interface LoadParts {
  readonly prng: Prng;
  readonly bytes: number;
  readonly tell: (event: DiskEvent) => void;
  /** What a read should have answered, of a range that nobody changes. */
  readonly judge?: (offset: number, read: Uint8Array) => void;
}

/** One client's load; `run` may be called again with the next life's connection. */
export class RandomLoad {
  answered = 0;
  /** Requests that were asked again because the disk was full. */
  retries = 0;
  /** Whether a flush failed in the last run. */
  hasFailedFlush = false;
  readonly #parts: LoadParts;
  readonly #open = new Set<Request>();
  #marks = 0;
  #flushes = 0;

  constructor(parts: LoadParts) {
    this.#parts = parts;
  }

  /** Asks for so many; answers why it ended before: the connection was lost, or a request failed. */
  async run(disk: NbdConnection, count: number): Promise<unknown> {
    this.#open.clear();
    this.hasFailedFlush = false;
    let left = count;
    let end: unknown;
    const worker = async (): Promise<void> => {
      while (left-- > 0 && end === undefined) {
        const request = this.#draw();
        if (request === undefined) continue;
        this.#open.add(request);
        try {
          await this.#ask(disk, request);
        } catch (error) {
          end ??= error;
          this.hasFailedFlush ||= request.kind === 'flush' && error instanceof NbdFault;
        }
        this.#open.delete(request);
      }
    };
    await Promise.all(Array.from({ length: REQUESTS_AT_ONCE }, worker));
    return end;
  }

  /** Undefined when it would meet another one. */
  #draw(): Request | undefined {
    const { prng, bytes } = this.#parts;
    const kind = prng.pick(KINDS);
    const isHot = prng.chance(HOT_CHANCE);
    const unit = kind === 'trim' ? BLOCK_BYTES : SECTOR_BYTES;
    const sectors = prng.chance(LARGE_CHANCE) ? LARGE_SECTORS : 1 + prng.integer(SMALL_SECTORS_MAX);
    const offset = prng.integer((isHot ? HOT_BYTES : bytes) / unit) * unit;
    const length = Math.min(Math.ceil((sectors * SECTOR_BYTES) / unit) * unit, bytes - offset);
    const request = { kind, offset, data: new Uint8Array(kind === 'flush' ? 0 : length) };
    if (this.#meets(request)) return undefined;
    if (kind === 'write' || kind === 'fua') this.#fill(request.data);
    return request;
  }

  #meets({ offset, data }: Request): boolean {
    const end = offset + data.length;
    return [...this.#open].some((other) => offset < other.offset + other.data.length && other.offset < end);
  }

  #fill(data: Uint8Array): void {
    const mark = ++this.#marks;
    data.fill(1 + (mark % 255));
    const view = new DataView(data.buffer);
    for (let at = 0; at < data.length; at += SECTOR_BYTES) {
      view.setUint32(at, mark);
      view.setUint32(at + 4, at);
    }
  }

  async #ask(disk: NbdConnection, request: Request): Promise<void> {
    const { kind, offset, data } = request;
    const { tell, judge } = this.#parts;
    if (kind === 'read') {
      const read = await disk.read(offset, data.length);
      judge?.(offset, read);
    } else if (kind === 'flush') {
      const flush = ++this.#flushes;
      tell({ kind: 'flush asked', flush });
      await this.#untilRoom(() => disk.flush());
      tell({ kind: 'flush answered', flush });
    } else {
      tell({ kind: 'asked', offset, data });
      await this.#untilRoom(() => this.#change(disk, request));
      tell({ kind: 'answered', offset, length: data.length, fua: kind === 'fua' });
    }
    this.answered++;
  }

  #change(disk: NbdConnection, { kind, offset, data }: Request): Promise<void> {
    if (kind === 'zero') return disk.zero(offset, data.length);
    if (kind === 'trim') return disk.trim(offset, data.length);
    return disk.write(offset, data, kind === 'fua');
  }

  async #untilRoom(act: () => Promise<void>): Promise<void> {
    for (let tries = 0; ; tries++) {
      try {
        return await act();
      } catch (error) {
        if (!(error instanceof NbdFault) || error.error !== NBD_ERROR.ENOSPC || tries === RETRIES_MAX) throw error;
        this.retries++;
      }
    }
  }
}
