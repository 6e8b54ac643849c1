// What a session serves: an image, or a fake. Only the interface; nothing here moves a byte.

/** What is known of each byte: the contexts of metadata ("Metadata querying"), which a client may choose. */
export type StatusKind = 'allocation' | 'version';

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
  /** Settles when it is worth to try the read again. */
  makeReadable(offset: number, length: number): Promise<void>;
  /** May not keep `data`. */
  write(offset: number, data: Uint8Array, fua: boolean): Promise<void> | undefined;
  zero(offset: number, length: number, fua: boolean, keepRoom: boolean): Promise<void> | undefined;
  trim(offset: number, length: number, fua: boolean): Promise<void> | undefined;
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
