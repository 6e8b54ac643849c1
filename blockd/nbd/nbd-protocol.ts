// The numbers of the NBD protocol (NetworkBlockDevice/nbd, doc/proto.md; section names in quotes). Facts only.

/** "Fixed newstyle negotiation": what the server says first. */
export const INIT_MAGIC = 0x4e42444d41474943n; // "NBDMAGIC"
export const OPTION_MAGIC = 0x49484156454f5054n; // "IHAVEOPT"
export const OPTION_REPLY_MAGIC = 0x3e889045565a9n;
export const REQUEST_MAGIC = 0x25609513; // "Request message"
export const SIMPLE_REPLY_MAGIC = 0x67446698; // "Simple reply message"

/** "Handshake flags". */
export const HANDSHAKE = { FIXED_NEWSTYLE: 1, NO_ZEROES: 2 } as const;
/** "Client flags": the same bits. */
export const CLIENT_FLAGS_KNOWN = 3;

/** "Option types". */
export const OPTION = { EXPORT_NAME: 1, ABORT: 2, LIST: 3, STARTTLS: 5, INFO: 6, GO: 7 } as const;

/** "Option reply types"; errors have bit 31. */
export const OPTION_REPLY = {
  ACK: 1,
  SERVER: 2,
  INFO: 3,
  ERR_UNSUP: 0x80000001,
  ERR_POLICY: 0x80000002,
  ERR_INVALID: 0x80000003,
  ERR_UNKNOWN: 0x80000006,
  ERR_TOO_BIG: 0x80000009,
} as const;

/** "NBD_OPT_INFO" and "NBD_OPT_GO": what is told of an export. */
export const INFO = { EXPORT: 0, NAME: 1, BLOCK_SIZE: 3 } as const;

/** "Transmission flags". */
export const TRANSMISSION = {
  HAS_FLAGS: 1 << 0,
  SEND_FLUSH: 1 << 2,
  SEND_FUA: 1 << 3,
  SEND_TRIM: 1 << 5,
  SEND_WRITE_ZEROES: 1 << 6,
  SEND_CACHE: 1 << 10,
} as const;

/** "Request types". */
export const COMMAND = { READ: 0, WRITE: 1, DISC: 2, FLUSH: 3, TRIM: 4, CACHE: 5, WRITE_ZEROES: 6 } as const;

/** "Command flags". */
export const COMMAND_FLAG = { FUA: 1 << 0, NO_HOLE: 1 << 1 } as const;

/** "Error values". */
export const NBD_ERROR = { EPERM: 1, EIO: 5, ENOMEM: 12, EINVAL: 22, ENOSPC: 28, ESHUTDOWN: 108 } as const;

export const REQUEST_BYTES = 28;
export const SIMPLE_REPLY_BYTES = 16;
/** Magic, option, length of its data. */
export const OPTION_HEADER_BYTES = 16;

/** "Block size constraints": any alignment works, whole blocks are best, 32 MiB is what clients may send unasked. */
export const BLOCK_SIZE = { minimum: 1, preferred: 4096, maximum: 32 * 2 ** 20 } as const;
/** "Values": a string is at most 4096 bytes; an option of ours has one and a few numbers. Longer data is refused. */
export const OPTION_DATA_BYTES_MAX = 8192;
/** Refused data up to this is skipped, beyond it the connection ends. */
export const OPTION_SKIP_BYTES_MAX = 2 ** 20;

const E = TRANSMISSION;
/** What every export of ours can do. */
export const EXPORT_FLAGS = E.HAS_FLAGS | E.SEND_FLUSH | E.SEND_FUA | E.SEND_TRIM | E.SEND_WRITE_ZEROES | E.SEND_CACHE;
