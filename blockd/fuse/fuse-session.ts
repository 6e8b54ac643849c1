// The kernel's file system requests: the tree is one directory with a file per image, and nothing in it can be made,
// removed, renamed or resized. Messages in, answers out; it opens nothing.
import { fileAttributes, type Owner, rootAttributes } from './file-attributes.ts';
import {
  type Attributes,
  attributesAnswer,
  type DirectoryEntry,
  directoryAnswer,
  emptyAnswer,
  entryAnswer,
  initAnswer,
  openAnswer,
  readLong,
  statfsAnswer,
  type Unique,
} from './fuse-answer.ts';
import {
  ATTRIBUTE,
  FILE_TYPE,
  FUSE_ERROR,
  IN_HEADER_BYTES,
  KERNEL_MAJOR,
  KERNEL_MINOR_MIN,
  OPCODE,
  OPEN_FLAG,
  OPEN_MODE,
  ROOT_NODE,
  TREE_CHANGES,
  WRITE_IN_BYTES,
} from './fuse-protocol.ts';
import type { ImageDirectory, ImageFile } from './image-directory.ts';
import { ImageRequests, type OpenImage } from './image-requests.ts';
import { ImageSeeks } from './image-seeks.ts';
import { ImageSpace } from './image-space.ts';

/** What a session tells and asks its owner. */
export interface SessionEvents {
  /** One message to the kernel, to be handed over in the call. */
  answer(bytes: Buffer): void;
  /** A message that `handle` kept is free. */
  release(message: Buffer): void;
  /** One is given away: who has it may look at it at any time. */
  abandon(message: Buffer): void;
  nowSeconds(): number;
}

/** "fuse_in_header", and what follows it. */
interface Request extends Unique {
  readonly opcode: number;
  readonly node: number;
  readonly body: Buffer;
}

/** One mount. */
export class FuseSession {
  readonly #directory: ImageDirectory;
  readonly #owner: Owner;
  readonly #events: SessionEvents;
  readonly #images: ImageRequests;
  readonly #seeks: ImageSeeks;
  readonly #space: ImageSpace;
  readonly #openFiles = new Map<number, OpenImage>();
  readonly #openDirectories = new Map<number, readonly DirectoryEntry[]>();
  #lastHandle = 0;
  #underWay = 0;

  constructor(directory: ImageDirectory, owner: Owner, events: SessionEvents) {
    this.#directory = directory;
    this.#owner = owner;
    this.#events = events;
    this.#space = new ImageSpace(() => events.nowSeconds());
    this.#seeks = new ImageSeeks((bytes) => this.#answer(bytes));
    this.#images = new ImageRequests(
      (bytes) => this.#answer(bytes),
      () => events.nowSeconds(),
    );
  }

  /** Requests that were not answered yet. */
  get underWay(): number {
    return this.#underWay;
  }

  /** Gives up connections that nobody has used for a while, to images of which nobody has a file open. */
  rest(nowMs: number): void {
    const open = new Set(Array.from(this.#openFiles.values(), ({ file }) => file));
    for (const file of this.#directory.known) {
      if (open.has(file)) continue;
      for (const link of this.#directory.linksOf(file)) {
        if ((link.restMs ?? Number.POSITIVE_INFINITY) <= nowMs) link.rest();
      }
    }
  }

  /** Takes one message; true when it is kept until it is released. */
  handle(message: Buffer): boolean {
    const request: Request = {
      opcode: message.readUInt32LE(4),
      uniqueLow: message.readUInt32LE(8),
      uniqueHigh: message.readUInt32LE(12),
      node: readLong(message, 16),
      body: message.subarray(IN_HEADER_BYTES),
    };
    const { opcode } = request;
    // These have no answer.
    if (opcode === OPCODE.FORGET || opcode === OPCODE.BATCH_FORGET) return false;
    this.#underWay++;
    const answer = opcode === OPCODE.WRITE ? this.#write(request, message) : this.#begin(request);
    if (answer !== undefined) this.#answer(answer);
    return opcode === OPCODE.WRITE && answer === undefined;
  }

  #answer(bytes: Buffer): void {
    this.#underWay--;
    this.#events.answer(bytes);
  }

  /** The answer, or undefined when it comes later. */
  #begin(request: Request): Buffer | undefined {
    switch (request.opcode) {
      case OPCODE.READ:
        return this.#read(request);
      case OPCODE.GETATTR:
        return this.#getAttributes(request);
      case OPCODE.LOOKUP:
        return this.#lookup(request);
      case OPCODE.FSYNC:
        return this.#sync(request);
      case OPCODE.FALLOCATE:
        return this.#allocate(request);
      case OPCODE.LSEEK:
        return this.#seek(request);
      default:
        return this.#answerNow(request);
    }
  }

  #answerNow(request: Request): Buffer {
    switch (request.opcode) {
      case OPCODE.INIT:
        return init(request);
      case OPCODE.SETATTR:
        return this.#setAttributes(request);
      case OPCODE.OPEN:
        return this.#open(request);
      case OPCODE.OPENDIR:
        return this.#openDirectory(request);
      case OPCODE.READDIR:
        return this.#readDirectory(request);
      case OPCODE.STATFS:
        return this.#statfs(request);
      case OPCODE.RELEASE:
        this.#openFiles.delete(readLong(request.body, 0));
        return emptyAnswer(request);
      case OPCODE.RELEASEDIR:
        this.#openDirectories.delete(readLong(request.body, 0));
        return emptyAnswer(request);
      case OPCODE.FSYNCDIR:
      case OPCODE.DESTROY:
        return emptyAnswer(request);
      default:
        // Of the others the kernel does some in its own way, or tells the caller, and mostly does not ask again.
        return emptyAnswer(request, TREE_CHANGES.has(request.opcode) ? FUSE_ERROR.EPERM : FUSE_ERROR.ENOSYS);
    }
  }

  #lookup(request: Request): Buffer | undefined {
    const name = request.body.toString('utf8', 0, request.body.indexOf(0));
    const file = request.node === ROOT_NODE ? this.#directory.find(name) : undefined;
    if (file === undefined) return emptyAnswer(request, FUSE_ERROR.ENOENT);
    // Its size is the server's to tell.
    file.link.reach((facts) => {
      const isThere = facts !== undefined;
      this.#answer(isThere ? entryAnswer(request, this.#fileAttributes(file)) : emptyAnswer(request, FUSE_ERROR.EIO));
    });
    return undefined;
  }

  /** Only the first one of an image waits until it is known how much of it is no hole. */
  #getAttributes(request: Request): Buffer | undefined {
    const file = this.#directory.get(request.node);
    if (file === undefined) return this.#attributes(request);
    const isKnown = this.#space.knows(file);
    const seen = isKnown ? undefined : (): void => this.#answer(this.#attributes(request));
    this.#space.look(file, () => this.#directory.statusLinkOf(file), seen);
    return isKnown ? this.#attributes(request) : undefined;
  }

  #attributes(request: Request): Buffer {
    const attributes = this.#attributesOf(request.node);
    return attributes === undefined ? emptyAnswer(request, FUSE_ERROR.ENOENT) : attributesAnswer(request, attributes);
  }

  /** "fuse_setattr_in". Times are the server's: setting them is heard and forgotten. */
  #setAttributes(request: Request): Buffer {
    const file = this.#directory.get(request.node);
    const what = request.body.readUInt32LE(0);
    const isOwners = (what & (ATTRIBUTE.MODE | ATTRIBUTE.UID | ATTRIBUTE.GID)) !== 0;
    if (file === undefined || isOwners) return emptyAnswer(request, FUSE_ERROR.EPERM);
    const isSize = (what & ATTRIBUTE.SIZE) !== 0;
    if (isSize && file.link.isReadOnly) return emptyAnswer(request, FUSE_ERROR.EROFS);
    const { bytes } = this.#fileAttributes(file);
    const wanted = isSize ? readLong(request.body, 16) : bytes;
    if (wanted !== bytes) return emptyAnswer(request, wanted > bytes ? FUSE_ERROR.EFBIG : FUSE_ERROR.EPERM);
    return this.#attributes(request);
  }

  /**
   * Past the kernel's page cache: the image may have other clients, and its blocks are in the server's page cache
   * already. The kernel need not send a FLUSH at each close, and writes of one file may overtake each other, as on a disk.
   */
  #open(request: Request): Buffer {
    const file = this.#directory.get(request.node);
    if (file === undefined) return emptyAnswer(request, FUSE_ERROR.EISDIR);
    const isForReading = (request.body.readUInt32LE(0) & OPEN_MODE.ACCESS) === OPEN_MODE.READ_ONLY;
    if (file.link.isReadOnly && !isForReading) return emptyAnswer(request, FUSE_ERROR.EROFS);
    const handle = ++this.#lastHandle;
    this.#openFiles.set(handle, { file, seenLosses: file.toldLosses });
    const flags = OPEN_FLAG.DIRECT_IO | OPEN_FLAG.NOFLUSH | OPEN_FLAG.PARALLEL_DIRECT_WRITES;
    return openAnswer(request, handle, flags);
  }

  /** What is listed is what was there now: a listing in parts neither skips nor repeats. */
  #openDirectory(request: Request): Buffer {
    const handle = ++this.#lastHandle;
    const dots = ['.', '..'].map((name) => ({ name, node: ROOT_NODE, type: FILE_TYPE.DIRECTORY }));
    const images = this.#directory.list().map(({ name, node }) => ({ name, node, type: FILE_TYPE.REGULAR }));
    this.#openDirectories.set(handle, [...dots, ...images]);
    return openAnswer(request, handle, 0);
  }

  /** "fuse_read_in": handle, offset, size. */
  #readDirectory(request: Request): Buffer {
    const entries = this.#openDirectories.get(readLong(request.body, 0));
    if (entries === undefined) return emptyAnswer(request, FUSE_ERROR.EBADF);
    return directoryAnswer(request, entries, readLong(request.body, 8), request.body.readUInt32LE(16));
  }

  #statfs(request: Request): Buffer {
    const files = this.#directory.list();
    const bytes = files.reduce((sum, { link }) => sum + (link.facts?.bytes ?? 0), 0);
    return statfsAnswer(request, bytes, files.length);
  }

  #read(request: Request): Buffer | undefined {
    const open = this.#openFiles.get(readLong(request.body, 0));
    if (open === undefined) return emptyAnswer(request, FUSE_ERROR.EBADF);
    return this.#images.read(request, open.file, readLong(request.body, 8), request.body.readUInt32LE(16));
  }

  /** "fuse_write_in": handle, offset, size, flags, lock owner, the file's flags. */
  #write(request: Request, message: Buffer): Buffer | undefined {
    const { body } = request;
    const open = this.#openFiles.get(readLong(body, 0));
    if (open === undefined) return emptyAnswer(request, FUSE_ERROR.EBADF);
    const write = {
      offset: readLong(body, 8),
      length: body.readUInt32LE(16),
      isDurable: (body.readUInt32LE(32) & OPEN_MODE.DSYNC) !== 0,
      message,
      dataAt: IN_HEADER_BYTES + WRITE_IN_BYTES,
    };
    return this.#images.write(request, open.file, write, (isGivenUp) => {
      if (isGivenUp) this.#events.abandon(message);
      else this.#events.release(message);
    });
  }

  #sync(request: Request): Buffer | undefined {
    const open = this.#openFiles.get(readLong(request.body, 0));
    return open === undefined ? emptyAnswer(request, FUSE_ERROR.EBADF) : this.#images.sync(request, open);
  }

  /** "fuse_fallocate_in": handle, offset, length, mode. */
  #allocate(request: Request): Buffer | undefined {
    const { body } = request;
    const open = this.#openFiles.get(readLong(body, 0));
    if (open === undefined) return emptyAnswer(request, FUSE_ERROR.EBADF);
    return this.#images.allocate(request, open.file, body.readUInt32LE(24), readLong(body, 8), readLong(body, 16));
  }

  /** "fuse_lseek_in": handle, offset, whence. */
  #seek(request: Request): Buffer | undefined {
    const { body } = request;
    const open = this.#openFiles.get(readLong(body, 0));
    if (open === undefined) return emptyAnswer(request, FUSE_ERROR.EBADF);
    const wanted = { whence: body.readUInt32LE(16), offset: readLong(body, 8) };
    return this.#seeks.seek(request, open.file, this.#directory.statusLinkOf(open.file), wanted);
  }

  #fileAttributes(file: ImageFile): Attributes {
    return fileAttributes(file, this.#owner, this.#space.usedBytes(file));
  }

  #attributesOf(node: number): Attributes | undefined {
    if (node === ROOT_NODE) return rootAttributes(this.#directory.startedSeconds, this.#owner);
    const file = this.#directory.get(node);
    return file === undefined ? undefined : this.#fileAttributes(file);
  }
}

function init(request: Request): Buffer {
  const { body } = request;
  const isSpoken = body.readUInt32LE(0) === KERNEL_MAJOR && body.readUInt32LE(4) >= KERNEL_MINOR_MIN;
  return isSpoken ? initAnswer(request, body.readUInt32LE(12)) : emptyAnswer(request, FUSE_ERROR.EPROTO);
}
