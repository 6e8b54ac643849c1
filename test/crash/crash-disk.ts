// A disk in memory that stops before a chosen step and then shows what a power cut may have left: any unsynced write
// kept, lost or torn at its sectors, names only as far as their directory was synced.
import type { Disk, DiskFile, OpenMode } from '../../common/disk.ts';
import { BadPages } from './bad-pages.ts';
import { FileContent } from './file-content.ts';
import { replaceBySteps } from './replaced-file.ts';

const SECTOR_BYTES = 512;
/** A kernel takes a write page by page. */
const PAGE_BYTES = 4096;

/** One change of a file's content since its last sync. */
interface Change {
  apply(content: FileContent): void;
  /** The bytes that it changes; undefined for a change of size. */
  readonly range: { readonly start: number; readonly end: number } | undefined;
}

class Inode {
  readonly durable: FileContent;
  #content: FileContent;
  pending: Change[] = [];

  constructor(durable = new FileContent()) {
    this.durable = durable;
    this.#content = durable.copy();
  }

  get content(): FileContent {
    return this.#content;
  }

  change(change: Change): void {
    this.pending.push(change);
    change.apply(this.#content);
  }

  /** What the platter has once so many of `pending` reached it: not what a sync that failed has lost. */
  written(changes = this.pending.length): FileContent {
    const content = this.durable.copy();
    for (const change of this.pending.slice(0, changes)) change.apply(content);
    return content;
  }

  sync(): void {
    for (const change of this.pending) change.apply(this.durable);
    this.pending = [];
  }

  /** A sync that fails: Linux takes the pages for clean, shows them still and writes them never. */
  loseSync(): void {
    this.pending = [];
  }

  dropCached(): void {
    this.#content = this.written();
  }
}

/** The step at which the power failed. */
export class PowerCut extends Error {
  readonly code = 'POWER_CUT';
}

/** What became of the unsynced changes: all lost, all kept, or all kept but (a part of) one. */
export type Loss =
  | { readonly kind: 'lose-all' }
  | { readonly kind: 'keep-all' }
  | { readonly kind: 'lose-part'; readonly index: number; readonly start: number; readonly end: number };

/** A tree of files with one directory level that matters: names and contents have their own durability. */
export class CrashDisk implements Disk {
  #names = new Map<string, Inode>();
  #durableNames = new Map<string, Inode>();
  #stepsLeft = Number.POSITIVE_INFINITY;
  #cut = Promise.withResolvers<void>();
  steps = 0;
  /** Another one after each power cut. */
  readonly kernelRun: string;
  /** No write finds room; some pages of it get in. */
  isFull = false;
  /** Whether the page cache has forgotten what is asked of a file. */
  forgets: (path: string) => boolean = () => false;
  /** What a read of the platter waits for, or fails with. */
  warming: (path: string) => Promise<void> = async () => undefined;
  readonly badPages = new BadPages();
  /** Syncs of these files fail. */
  failsSync: (path: string) => boolean = () => false;

  constructor(kernelRun = '0') {
    this.kernelRun = kernelRun;
  }

  /** Settles when the power fails. */
  get cut(): Promise<void> {
    return this.#cut.promise;
  }

  /** The power fails before the step after so many more. */
  cutAfter(steps: number): void {
    this.#stepsLeft = steps;
  }

  /** The losses worth trying for what is unsynced now. */
  losses(): Loss[] {
    const pending = this.#pending();
    const single = pending.flatMap(({ change }, index): Loss[] => {
      if (change.range === undefined) return [];
      const { start, end } = change.range;
      const middle = Math.floor((start + end) / 2 / SECTOR_BYTES) * SECTOR_BYTES;
      const torn: Loss[] = middle > start ? [{ kind: 'lose-part', index, start: middle, end }] : [];
      return [{ kind: 'lose-part', index, start, end }, ...torn];
    });
    return pending.length === 0 ? [{ kind: 'keep-all' }] : [{ kind: 'lose-all' }, { kind: 'keep-all' }, ...single];
  }

  /** The disk after the power came back. */
  afterCut(loss: Loss): CrashDisk {
    const disk = new CrashDisk(`${Number(this.kernelRun) + 1}`);
    const names = loss.kind === 'lose-all' ? this.#durableNames : this.#names;
    const pending = this.#pending();
    const copies = new Map<Inode, Inode>();
    for (const [name, inode] of names) {
      const copy = copies.get(inode) ?? new Inode(contentAfter(inode, pending, loss));
      copies.set(inode, copy);
      disk.#names.set(name, copy);
      disk.#durableNames.set(name, copy);
    }
    return disk;
  }

  /** The disk as a process finds it whose forerunner was killed at the step before which the power would have gone. */
  afterKill(): CrashDisk {
    const disk = new CrashDisk(this.kernelRun);
    disk.#names = this.#names;
    disk.#durableNames = this.#durableNames;
    return disk;
  }

  /** The kernel forgets the clean pages of a file. */
  readonly dropCached = async (path: string): Promise<void> => {
    this.#names.get(path)?.dropCached();
  };

  async open(path: string, mode: OpenMode): Promise<DiskFile> {
    const known = this.#names.get(path);
    if (known === undefined && mode === 'read') throw Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' });
    const inode = known ?? new Inode();
    if (known === undefined) await this.#step(() => this.#names.set(path, inode));
    return this.#file(path, inode);
  }

  async readWhole(path: string): Promise<Uint8Array> {
    const inode = this.#names.get(path);
    if (inode === undefined) throw Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' });
    return Buffer.from(inode.content.bytes);
  }

  replace(path: string, bytes: Uint8Array): Promise<void> {
    return replaceBySteps(this, path, bytes);
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#step(() => {
      const inode = this.#names.get(from);
      if (inode === undefined) throw Object.assign(new Error(`ENOENT: ${from}`), { code: 'ENOENT' });
      this.#names.delete(from);
      this.#names.set(to, inode);
    });
  }

  async remove(path: string): Promise<void> {
    if (this.#names.has(path)) await this.#step(() => this.#names.delete(path));
  }

  async list(directory: string): Promise<string[]> {
    const prefix = `${directory}/`;
    return [...this.#names.keys()]
      .filter((name) => name.startsWith(prefix))
      .map((name) => name.slice(prefix.length))
      .sort();
  }

  async makeDirectory(): Promise<void> {
    // Every directory is there: only what is in them can be lost.
  }

  async syncDirectory(_directory: string): Promise<void> {
    await this.#step(() => {
      this.#durableNames = new Map(this.#names);
    });
  }

  #file(path: string, inode: Inode): DiskFile {
    const read = (buffer: Uint8Array, offset: number): number => {
      this.badPages.read(path, offset, buffer.length);
      const part = inode.content.bytes.subarray(offset, offset + buffer.length);
      buffer.set(part);
      return part.length;
    };
    return {
      path,
      read: async (buffer, offset) => read(buffer, offset),
      readSync: read,
      tryReadSync: (buffer, offset) => (this.forgets(path) ? undefined : read(buffer, offset)),
      warm: async (offset, bytes) => {
        await this.warming(path);
        this.badPages.read(path, offset, bytes);
      },
      write: (buffer, offset) => this.#step(() => this.#write(inode, buffer, offset)),
      writeSync: (buffer, offset) => this.#stepSync(() => this.#write(inode, buffer, offset)),
      datasync: () => this.#step(() => this.#sync(path, inode)),
      allocate: async () => this.#throwIfFull(),
      punch: (offset, bytes) => this.#step(() => inode.change(writing(Buffer.alloc(bytes), offset))),
      truncate: (bytes) => this.#step(() => inode.change(truncation(bytes))),
      size: async () => inode.content.bytes.length,
      close: async () => undefined,
    };
  }

  #write(inode: Inode, buffer: Uint8Array, offset: number): void {
    const end = Math.floor((offset + buffer.length / 2) / PAGE_BYTES) * PAGE_BYTES;
    const bytes = this.isFull ? buffer.subarray(0, Math.max(0, end - offset)) : buffer;
    inode.change(writing(bytes, offset));
    if (!this.isFull) this.badPages.wrote(offset, bytes.length);
    this.#throwIfFull();
  }

  #throwIfFull(): void {
    if (this.isFull) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
  }

  #sync(path: string, inode: Inode): void {
    if (!this.failsSync(path)) {
      inode.sync();
      return;
    }
    inode.loseSync();
    throw Object.assign(new Error(`EIO: ${path}`), { code: 'EIO' });
  }

  #pending(): { inode: Inode; change: Change }[] {
    const inodes = new Set([...this.#names.values(), ...this.#durableNames.values()]);
    return [...inodes].flatMap((inode) => inode.pending.map((change) => ({ inode, change })));
  }

  /** Takes a step, or never answers: after a power cut nothing goes on. */
  async #step(act: () => void): Promise<void> {
    if (this.#isCut()) return new Promise(() => undefined);
    act();
  }

  #stepSync(act: () => void): void {
    if (this.#isCut()) throw new PowerCut('the power is off');
    act();
  }

  #isCut(): boolean {
    if (this.#stepsLeft === 0) {
      this.#cut.resolve();
      return true;
    }
    this.#stepsLeft--;
    this.steps++;
    return false;
  }
}

/**
 * What the platter has. A page cache writes a sector as it is at that moment: where a write did not reach the disk, no
 * later one of the same sector did.
 */
function contentAfter(inode: Inode, pending: readonly { inode: Inode; change: Change }[], loss: Loss): FileContent {
  if (loss.kind === 'lose-all') return inode.durable.copy();
  const lost = loss.kind === 'lose-part' ? pending[loss.index] : undefined;
  const written = inode.written();
  if (loss.kind !== 'lose-part' || lost?.inode !== inode) return written;
  const before = inode.written(inode.pending.indexOf(lost.change)).bytes;
  const start = Math.floor(loss.start / SECTOR_BYTES) * SECTOR_BYTES;
  const end = Math.min(Math.ceil(loss.end / SECTOR_BYTES) * SECTOR_BYTES, written.bytes.length);
  const left = Buffer.alloc(Math.max(0, end - start));
  left.set(before.subarray(start, end));
  written.write(left, start);
  return written;
}

function writing(buffer: Uint8Array, offset: number): Change {
  const bytes = new Uint8Array(buffer);
  return {
    range: { start: offset, end: offset + bytes.length },
    apply: (content) => content.write(bytes, offset),
  };
}

function truncation(size: number): Change {
  return { apply: (content) => content.resize(size), range: undefined };
}
