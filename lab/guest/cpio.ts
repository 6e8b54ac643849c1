// Writes the archive format of a Linux initramfs ("newc"). It must hold bytes only: no file system, no clock, so that equal inputs give equal archives.

export interface CpioEntry {
  /** Path without a leading slash; its folders must stand before it. */
  readonly path: string;
  readonly kind: 'directory' | 'file' | 'link' | 'characters';
  /** Permission bits; for links Linux ignores them. */
  readonly mode: number;
  /** What a file holds, or where a link points. */
  readonly content?: Uint8Array;
  /** Major and minor number of a character device. */
  readonly device?: readonly [number, number];
}

/** File type bits of st_mode (inode(7)). */
const TYPE_BITS = { directory: 0o040000, file: 0o100000, link: 0o120000, characters: 0o020000 } as const;
/** Linux, Documentation/driver-api/early-userspace/buffer-format.rst: magic of "newc", and the name of the last entry. */
const MAGIC = '070701';
const TRAILER = 'TRAILER!!!';
/** Headers and contents each start on such a boundary. */
const ALIGN_BYTES = 4;

/** The archive of `entries`, in their order, owned by root, with time stamp 0. */
export function cpioArchive(entries: readonly CpioEntry[]): Buffer {
  const parts = entries.flatMap((entry, index) => entryParts(entry, index + 1));
  return Buffer.concat([...parts, ...entryParts({ path: TRAILER, kind: 'file', mode: -TYPE_BITS.file }, 0)]);
}

function entryParts(entry: CpioEntry, inode: number): Uint8Array[] {
  const content = entry.content ?? new Uint8Array(0);
  const name = Buffer.from(`${entry.path}\0`);
  const links = entry.kind === 'directory' ? 2 : 1;
  const [major, minor] = entry.device ?? [0, 0];
  // inode, mode, uid, gid, links, mtime, size, device of the archive (2), own device (2), length of the name, checksum (unused)
  const fields = [
    inode,
    TYPE_BITS[entry.kind] + entry.mode,
    0,
    0,
    links,
    0,
    content.length,
    0,
    0,
    major,
    minor,
    name.length,
    0,
  ];
  const header = Buffer.from(MAGIC + fields.map(hex).join(''));
  return [header, name, padding(header.length + name.length), content, padding(content.length)];
}

function hex(field: number): string {
  return field.toString(16).padStart(8, '0');
}

function padding(bytes: number): Uint8Array {
  return new Uint8Array(-bytes & (ALIGN_BYTES - 1));
}
