// What a session serves: an image, or a fake. Only the interface; nothing here moves a byte.

/** What is known of each byte: the contexts of metadata ("Metadata querying"), which a client may choose. */
export type StatusKind = 'allocation' | 'version';

/** A file that has a range's bytes at the same offsets. */
export interface DirectFile {
  readonly descriptor: number;
}

/** Reads that others do for the device: it says where, and whether what came is what the range is. */
export interface DirectDevice {
  /** The file that has the whole range at this moment; undefined when a read takes more than that. */
  fileOf(offset: number, length: number): DirectFile | undefined;
  /** Whether the bytes that were read from the file, a while ago or just now, are the range's now. Counts a read if so. */
  isRead(file: DirectFile, offset: number, bytes: Uint8Array): boolean;
}

/** A disk of bytes. `undefined` is done, a promise is done when it is. All offsets and lengths lie within the disk. */
export interface NbdDevice {
  /**
   * False when something has to be waited for: an opening, another node, the disk; then nothing was done. With `mayWait`
   * the disk is waited for in this call.
   */
  tryRead(offset: number, into: Uint8Array, mayWait: boolean): boolean;
  /** Whether the range can be read at this moment; counts as a read that `readNow` then does in parts. */
  tryBeginRead(offset: number, length: number): boolean;
  /** A part of a range of which `tryBeginRead` said yes in the same step; false when it cannot be read after all. */
  readNow(offset: number, into: Uint8Array, mayWait: boolean): boolean;
  /** Present: most of its reads need none of the above. */
  readonly direct?: DirectDevice;
  /** Settles when it is worth to try the read again. */
  makeReadable(offset: number, length: number): Promise<void>;
  /** May not keep `data`. */
  write(offset: number, data: Uint8Array, fua: boolean, isGone?: () => boolean): Promise<void> | undefined;
  zero(
    offset: number,
    length: number,
    fua: boolean,
    keepRoom: boolean,
    isGone?: () => boolean,
  ): Promise<void> | undefined;
  trim(offset: number, length: number, fua: boolean, isGone?: () => boolean): Promise<void> | undefined;
  cache(offset: number, length: number): Promise<void> | undefined;
  /** Covers every change of the device that was answered, whoever asked for it. */
  flush(): Promise<void> | undefined;
  /** Whether `statusOf` may be told to a client now; false while the table is still on its way. */
  readonly hasStatus: boolean;
  /** Settles when `hasStatus` may have become true. */
  untilStatus(): Promise<void>;
  /** The 32 bits of status at an offset. */
  statusOf(kind: StatusKind, offset: number): number;
  /** Where the status of `offset` ends, at most at `end`. */
  endOfStatus(kind: StatusKind, offset: number, end: number): number;
}
