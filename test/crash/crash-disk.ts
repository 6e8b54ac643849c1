// A disk in memory that stops before a chosen step and then shows what a power cut may have left: any unsynced write
// kept, lost or torn at its sectors, names only as far as their directory was synced.
import type { Disk, DiskFile, OpenMode } from '../../common/disk/disk.ts';
import { BadPages } from './bad-pages.ts';
import { type Change, contentAfter, Inode, type Loss, truncation, writing } from './inode.ts';
import { replaceBySteps } from './replaced-file.ts';

const SECTOR_BYTES = 512;
/** A kernel takes a write page by page. */
const PAGE_BYTES = 4096;

/** The step at which the power failed. */
export class PowerCut extends Error {
  readonly code = 'POWER_CUT';
}

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
  /** What each step that does not block its caller waits for before it is taken; others may overtake it then. */
  turn: (() => Promise<void> | undefined) | undefined;
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

  /** The disk after its daemon was killed: the kernel runs on with all that it had taken. */
  afterKill(): CrashDisk {
    const disk = new CrashDisk(this.kernelRun);
    const copies = new Map<Inode, Inode>();
    const copyOf = (inode: Inode): Inode => {
      const copy = copies.get(inode) ?? inode.copy();
      copies.set(inode, copy);
      return copy;
    };
    for (const [name, inode] of this.#names) disk.#names.set(name, copyOf(inode));
    for (const [name, inode] of this.#durableNames) disk.#durableNames.set(name, copyOf(inode));
    return disk;
  }

  /** The kernel forgets the clean pages of a file. */
  readonly dropCached = async (path: string): Promise<void> => {
    this.#names.get(path)?.dropCached();
  };

  /** A byte of a file turns into another one, on the platter and in the page cache. */
  rot(path: string, offset: number): void {
    this.#names.get(path)?.rot(offset);
  }

  /** What rotted in a file between these offsets, and was not written since, is as it was. */
  unrot(path: string, from: number, end: number): void {
    this.#names.get(path)?.unrot(from, end);
  }

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
      return inode.content.read(buffer, offset);
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
      size: async () => inode.content.size,
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
    const turn = this.turn?.();
    if (turn !== undefined) await turn;
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
