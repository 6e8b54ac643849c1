// The numbers and structures of the kernel's FUSE protocol (Linux include/uapi/linux/fuse.h, version 7.31 and later;
// structure names in quotes). Facts only. All values have the machine's byte order, which is little-endian on both of ours.

export const KERNEL_MAJOR = 7;
/** 7.28 (Linux 4.20) brought requests of more than 128 KiB; a kernel that is older is refused. */
export const KERNEL_MINOR_MIN = 28;
/** What this side speaks. */
export const OWN_MINOR = 38;

/** "enum fuse_opcode". */
export const OPCODE = {
  LOOKUP: 1,
  FORGET: 2,
  GETATTR: 3,
  SETATTR: 4,
  SYMLINK: 6,
  MKNOD: 8,
  MKDIR: 9,
  UNLINK: 10,
  RMDIR: 11,
  RENAME: 12,
  LINK: 13,
  OPEN: 14,
  READ: 15,
  WRITE: 16,
  STATFS: 17,
  RELEASE: 18,
  FSYNC: 20,
  INIT: 26,
  OPENDIR: 27,
  READDIR: 28,
  RELEASEDIR: 29,
  FSYNCDIR: 30,
  CREATE: 35,
  DESTROY: 38,
  BATCH_FORGET: 42,
  FALLOCATE: 43,
  RENAME2: 45,
  LSEEK: 46,
  TMPFILE: 51,
} as const;

/** What would change the tree. */
export const TREE_CHANGES: ReadonlySet<number> = new Set([
  OPCODE.CREATE,
  OPCODE.MKNOD,
  OPCODE.MKDIR,
  OPCODE.SYMLINK,
  OPCODE.LINK,
  OPCODE.UNLINK,
  OPCODE.RMDIR,
  OPCODE.RENAME,
  OPCODE.RENAME2,
  OPCODE.TMPFILE,
]);

/** Flags of "fuse_init_in" and "fuse_init_out". */
export const INIT_FLAG = {
  ASYNC_READ: 1 << 0,
  BIG_WRITES: 1 << 5,
  ASYNC_DIO: 1 << 15,
  PARALLEL_DIROPS: 1 << 18,
  MAX_PAGES: 1 << 22,
} as const;

/** Flags of "fuse_open_out". */
export const OPEN_FLAG = { DIRECT_IO: 1 << 0, NOFLUSH: 1 << 5, PARALLEL_DIRECT_WRITES: 1 << 6 } as const;

/** "fuse_setattr_in": what is to be set. */
export const ATTRIBUTE = { MODE: 1 << 0, UID: 1 << 1, GID: 1 << 2, SIZE: 1 << 3 } as const;

/** linux/falloc.h */
export const FALLOCATE = { KEEP_SIZE: 1, PUNCH_HOLE: 2, ZERO_RANGE: 16 } as const;

/** unistd.h: what the kernel does not find by itself. */
export const SEEK = { DATA: 3, HOLE: 4 } as const;

/** fcntl.h, as in "fuse_open_in" and "fuse_write_in". O_SYNC has O_DSYNC's bit. */
export const OPEN_MODE = { ACCESS: 3, READ_ONLY: 0, DSYNC: 0o10000 } as const;

/** stat.h */
export const FILE_TYPE = { DIRECTORY: 0o040000, REGULAR: 0o100000 } as const;

/** errno.h, the same numbers on both machines. */
export const FUSE_ERROR = {
  EPERM: 1,
  ENOENT: 2,
  EIO: 5,
  ENXIO: 6,
  EBADF: 9,
  ENOMEM: 12,
  EISDIR: 21,
  EINVAL: 22,
  EFBIG: 27,
  ENOSPC: 28,
  EROFS: 30,
  ENOSYS: 38,
  EPROTO: 71,
  EOVERFLOW: 75,
  EOPNOTSUPP: 95,
  ESHUTDOWN: 108,
} as const;

export const ROOT_NODE = 1;

/** "fuse_in_header" and "fuse_out_header". */
export const IN_HEADER_BYTES = 40;
export const OUT_HEADER_BYTES = 16;
/** "fuse_write_in", which stands before the data. */
export const WRITE_IN_BYTES = 40;

/** The largest read and write, in pages: what the kernel grants by default at most (fs.fuse.max_pages_limit). */
export const PAGES_MAX = 256;
const PAGE_BYTES = 4096;
export const DATA_BYTES_MAX = PAGES_MAX * PAGE_BYTES;
/** What one message from the kernel can have; a smaller buffer is an error (EINVAL). */
export const MESSAGE_BYTES_MAX = DATA_BYTES_MAX + PAGE_BYTES;
