// A client of NBD in bytes and a device in memory, for tests of sessions. Not a test itself.
import * as assert from 'uvu/assert';
import type { NbdDevice, StatusKind } from '../../../blockd/nbd/nbd-device.ts';
import type { ExportDescription } from '../../../blockd/nbd/nbd-handshake.ts';
import { type NbdConnection, NbdSession } from '../../../blockd/nbd/nbd-session.ts';
import type { BatchReads } from '../../../common/disk/file-reads.ts';
import type { Others } from '../../../common/disk/later-reads.ts';

export const SIZE = 1 << 20;
const BLOCK = 4096;
export const FLAGS = { fixed: 1, noZeroes: 2 };

/** A device of bytes in memory whose answers the test may hold back. */
export class FakeDevice implements NbdDevice {
  readonly bytes = Buffer.alloc(SIZE);
  readonly calls: string[] = [];
  held: PromiseWithResolvers<void> | undefined;
  /** Blocks that are zeros by their status. */
  readonly zeros = new Set<number>();
  /** Blocks that cannot be read. */
  readonly broken = new Set<number>();
  /** Blocks that turn out to be missing when they are read, once. */
  readonly spoilt = new Set<number>();

  tryRead(offset: number, into: Uint8Array): boolean {
    if (this.held !== undefined) return false;
    this.bytes.copy(into, 0, offset, offset + into.length);
    return true;
  }

  tryBeginRead(): boolean {
    return this.held === undefined;
  }

  readNow(offset: number, into: Uint8Array): boolean {
    const block = Math.floor(offset / BLOCK);
    if (this.broken.has(block)) throw Object.assign(new Error('EIO'), { code: 'EIO' });
    this.bytes.copy(into, 0, offset, offset + into.length);
    return !this.spoilt.delete(block);
  }

  async makeReadable(): Promise<void> {
    await this.held?.promise;
  }

  get hasStatus(): boolean {
    return this.held === undefined;
  }

  async untilStatus(): Promise<void> {
    await this.held?.promise;
  }

  statusOf(kind: StatusKind, offset: number): number {
    const isZero = this.zeros.has(Math.floor(offset / BLOCK));
    if (kind === 'allocation') return isZero ? 3 : 0;
    return isZero ? 2 : 0x0700;
  }

  endOfStatus(kind: StatusKind, offset: number, end: number): number {
    let next = (Math.floor(offset / BLOCK) + 1) * BLOCK;
    while (next < end && this.statusOf(kind, next) === this.statusOf(kind, offset)) next += BLOCK;
    return Math.min(next, end);
  }

  write(offset: number, data: Uint8Array, fua: boolean): Promise<void> | undefined {
    this.bytes.set(data, offset);
    return this.#note(`write ${offset} ${data.length} ${fua}`);
  }

  zero(offset: number, length: number, fua: boolean, keepRoom: boolean): Promise<void> | undefined {
    return this.#note(`zero ${offset} ${length} ${fua} ${keepRoom}`);
  }

  trim(offset: number, length: number): Promise<void> | undefined {
    return this.#note(`trim ${offset} ${length}`);
  }

  cache(offset: number, length: number): Promise<void> | undefined {
    return this.#note(`cache ${offset} ${length}`);
  }

  flush(): Promise<void> | undefined {
    return this.#note('flush');
  }

  #note(call: string): Promise<void> | undefined {
    this.calls.push(call);
    return this.held?.promise;
  }
}

export class Wire implements NbdConnection {
  sentBytes = 0;
  writes = 0;
  ended = false;
  dropped = false;
  /** Why it was let go. */
  readonly refusals: string[] = [];
  resumed = 0;
  reads: BatchReads | undefined;
  /** Who else waits for the thread. */
  beside: Others = 'none';
  /** While the client reads nothing: what is told once it does. */
  unread: (() => void)[] | undefined;

  #sent: Buffer[] = [];

  send = (bytes: Buffer, done: () => void): void => {
    this.#sent.push(Buffer.from(bytes));
    this.sentBytes += bytes.length;
    this.writes++;
    if (this.unread === undefined) done();
    else this.unread.push(done);
  };

  end(): void {
    this.ended = true;
  }

  drop(): void {
    this.dropped = true;
  }

  refused(why: string): void {
    this.refusals.push(why);
  }

  resume(): void {
    this.resumed++;
  }

  others(): Others {
    return this.beside;
  }

  take(): Buffer {
    this.sentBytes = 0;
    return Buffer.concat(this.#sent.splice(0));
  }
}

export function clientFlags(flags = FLAGS.fixed | FLAGS.noZeroes): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(flags);
  return bytes;
}

export function option(type: number, data: Buffer = Buffer.alloc(0), length = data.length): Buffer {
  const header = Buffer.alloc(16);
  header.write('IHAVEOPT', 0);
  header.writeUInt32BE(type, 8);
  header.writeUInt32BE(length, 12);
  return Buffer.concat([header, data]);
}

export function go(name: string, ...infos: number[]): Buffer {
  const data = Buffer.alloc(6 + name.length + 2 * infos.length);
  data.writeUInt32BE(name.length, 0);
  data.write(name, 4);
  data.writeUInt16BE(infos.length, 4 + name.length);
  for (const [index, info] of infos.entries()) data.writeUInt16BE(info, 6 + name.length + 2 * index);
  return data;
}

export function request(
  type: number,
  offset: number,
  length: number,
  flags = 0,
  data: Buffer = Buffer.alloc(0),
): Buffer {
  const header = Buffer.alloc(28);
  header.writeUInt32BE(0x25609513, 0);
  header.writeUInt16BE(flags, 4);
  header.writeUInt16BE(type, 6);
  header.writeBigUInt64BE(BigInt(type * 1000 + length), 8);
  header.writeBigUInt64BE(BigInt(offset), 16);
  header.writeUInt32BE(length, 24);
  return Buffer.concat([header, data]);
}

export interface Started {
  readonly session: NbdSession;
  readonly device: FakeDevice;
  readonly wire: Wire;
}

/** A session in its transmission phase, after the given options, with a device of its own. */
export function started(options: readonly Buffer[] = [], description: Partial<ExportDescription> = {}): Started {
  const device = new FakeDevice();
  return { device, ...connected(device, SIZE, options, description) };
}

/** One more client of a device. */
export function connected(
  device: NbdDevice,
  bytes: number,
  options: readonly Buffer[] = [],
  description: Partial<ExportDescription> = {},
  reads?: BatchReads,
): { session: NbdSession; wire: Wire } {
  const wire = new Wire();
  wire.reads = reads;
  const session = new NbdSession(device, { name: 'web', bytes, ...description }, wire);
  session.receive(Buffer.concat([clientFlags(), ...options, option(7, go('web'))]));
  wire.take();
  return { session, wire };
}

/** From here on the types of option replies are errors, whose data is text. */
const OPTION_ERROR = 0x80000000;

/** The option replies in what was sent: option, type, data in hexadecimal digits. An error always says why. */
export function optionReplies(sent: Buffer): [number, number, string][] {
  const replies: [number, number, string][] = [];
  for (let at = 0; at < sent.length; ) {
    assert.is(sent.readBigUInt64BE(at), 0x3e889045565a9n);
    const length = sent.readUInt32BE(at + 16);
    const type = sent.readUInt32BE(at + 12);
    const isError = type >= OPTION_ERROR;
    if (isError) assert.match(sent.toString('utf8', at + 20, at + 20 + length), /^[a-zA-Z0-9 ]{10,}$/);
    replies.push([sent.readUInt32BE(at + 8), type, isError ? '' : sent.toString('hex', at + 20, at + 20 + length)]);
    at += 20 + length;
  }
  return replies;
}

/** Error numbers of the simple replies in what was sent; none of them carries data. */
export function errors(sent: Buffer): number[] {
  const list: number[] = [];
  for (let at = 0; at < sent.length; at += 16) {
    assert.is(sent.readUInt32BE(at), 0x67446698);
    list.push(sent.readUInt32BE(at + 4));
  }
  return list;
}

/** The data of NBD_OPT_LIST_META_CONTEXT and NBD_OPT_SET_META_CONTEXT. */
export function metaQuery(exportName: string, ...queries: string[]): Buffer {
  const count = Buffer.alloc(4);
  count.writeUInt32BE(queries.length);
  return Buffer.concat([text(exportName), count, ...queries.map(text)]);
}

function text(value: string): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(value.length);
  return Buffer.concat([length, Buffer.from(value)]);
}

/** One chunk of a structured reply. */
export interface Chunk {
  readonly done: boolean;
  readonly type: number;
  readonly payload: string;
}

/** The chunks in what was sent, which holds nothing else. */
export function chunks(sent: Buffer): Chunk[] {
  const list: Chunk[] = [];
  for (let at = 0; at < sent.length; ) {
    assert.is(sent.readUInt32BE(at), 0x668e33ef);
    const end = at + 20 + sent.readUInt32BE(at + 16);
    list.push({
      done: sent.readUInt16BE(at + 4) === 1,
      type: sent.readUInt16BE(at + 6),
      payload: sent.toString('hex', at + 20, end),
    });
    at = end;
  }
  return list;
}
