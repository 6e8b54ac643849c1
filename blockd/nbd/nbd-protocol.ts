// The numbers of the NBD protocol (NetworkBlockDevice/nbd, doc/proto.md; section names in quotes). Facts only.

/** "Fixed newstyle negotiation": what the server says first. */
export const INIT_MAGIC = 0x4e42444d41474943n; // "NBDMAGIC"
export const OPTION_MAGIC = 0x49484156454f5054n; // "IHAVEOPT"
export const OPTION_REPLY_MAGIC = 0x3e889045565a9n;
export const REQUEST_MAGIC = 0x25609513; // "Request message"
export const SIMPLE_REPLY_MAGIC = 0x67446698; // "Simple reply message"
export const STRUCTURED_REPLY_MAGIC = 0x668e33ef; // "Structured reply chunk message"

/** "Handshake flags". */
export const HANDSHAKE = { FIXED_NEWSTYLE: 1, NO_ZEROES: 2 } as const;
/** "Client flags": the same bits. */
export const CLIENT_FLAGS_KNOWN = 3;

/** "Option types". */
export const OPTION = {
  EXPORT_NAME: 1,
  ABORT: 2,
  LIST: 3,
  STARTTLS: 5,
  INFO: 6,
  GO: 7,
  STRUCTURED_REPLY: 8,
  LIST_META_CONTEXT: 9,
  SET_META_CONTEXT: 10,
} as const;

/** "Option reply types"; errors have bit 31. */
export const OPTION_REPLY = {
  ACK: 1,
  SERVER: 2,
  INFO: 3,
  META_CONTEXT: 4,
  ERR_UNSUP: 0x80000001,
  ERR_POLICY: 0x80000002,
  ERR_INVALID: 0x80000003,
  ERR_TLS_REQD: 0x80000005,
  ERR_UNKNOWN: 0x80000006,
  ERR_TOO_BIG: 0x80000009,
} as const;

/** "NBD_OPT_INFO" and "NBD_OPT_GO": what is told of an export. */
export const INFO = { EXPORT: 0, NAME: 1, BLOCK_SIZE: 3 } as const;

/** "Transmission flags". */
export const TRANSMISSION = {
  HAS_FLAGS: 1 << 0,
  READ_ONLY: 1 << 1,
  SEND_FLUSH: 1 << 2,
  SEND_FUA: 1 << 3,
  SEND_TRIM: 1 << 5,
  SEND_WRITE_ZEROES: 1 << 6,
  SEND_DF: 1 << 7,
  CAN_MULTI_CONN: 1 << 8,
  SEND_CACHE: 1 << 10,
  SEND_FAST_ZERO: 1 << 11,
} as const;

/** "Request types". */
export const COMMAND = {
  READ: 0,
  WRITE: 1,
  DISC: 2,
  FLUSH: 3,
  TRIM: 4,
  CACHE: 5,
  WRITE_ZEROES: 6,
  BLOCK_STATUS: 7,
} as const;

/** "Command flags". */
export const COMMAND_FLAG = { FUA: 1 << 0, NO_HOLE: 1 << 1, DF: 1 << 2, REQ_ONE: 1 << 3, FAST_ZERO: 1 << 4 } as const;

/** "Structured reply types"; errors have bit 15. */
export const CHUNK = {
  NONE: 0,
  OFFSET_DATA: 1,
  OFFSET_HOLE: 2,
  BLOCK_STATUS: 5,
  ERROR: 0x8001,
  ERROR_OFFSET: 0x8002,
} as const;
/** "Structured reply flags". */
export const CHUNK_DONE = 1;

/** "Error values". */
export const NBD_ERROR = { EPERM: 1, EIO: 5, EINVAL: 22, ENOSPC: 28, ENOTSUP: 95, ESHUTDOWN: 108 } as const;

export const REQUEST_BYTES = 28;
export const SIMPLE_REPLY_BYTES = 16;
/** Magic, flags, type, cookie, length of the payload. */
export const CHUNK_HEADER_BYTES = 20;
/** Magic, option, length of its data. */
export const OPTION_HEADER_BYTES = 16;

/** "Block size constraints": any alignment works, whole blocks are best, 32 MiB is what clients may send unasked. */
export const BLOCK_SIZE = { minimum: 1, preferred: 4096, maximum: 32 * 2 ** 20 } as const;
/** "Values": a string is at most 4096 bytes; an option of ours has one and a few numbers. Longer data is refused. */
export const OPTION_DATA_BYTES_MAX = 8192;
/** Refused data up to this is skipped, beyond it the connection ends. */
export const OPTION_SKIP_BYTES_MAX = 2 ** 20;

const T = TRANSMISSION;
/**
 * What every export of ours can do. CAN_MULTI_CONN holds because all connections of an export share one device: a change
 * is in its table and file before it is answered, and a flush makes durable whatever these hold, whoever put it there.
 */
const COMMON_FLAGS = T.HAS_FLAGS | T.SEND_FLUSH | T.SEND_CACHE | T.CAN_MULTI_CONN;
/**
 * Zeros are an entry in a table where the client does not insist on room, never slower than a write; with NO_HOLE the
 * disk may have to write, so that FAST_ZERO and NO_HOLE together are refused (ENOTSUP).
 */
const CHANGE_FLAGS = T.SEND_FUA | T.SEND_TRIM | T.SEND_WRITE_ZEROES | T.SEND_FAST_ZERO;

/** "Transmission flags" of an export; DF only makes sense, and is only allowed, with structured replies. */
export function exportFlags(isReadOnly: boolean, isStructured: boolean): number {
  return COMMON_FLAGS | (isReadOnly ? T.READ_ONLY : CHANGE_FLAGS) | (isStructured ? T.SEND_DF : 0);
}

/** One reply to an option. */
export function optionReply(option: number, type: number, data: Uint8Array = new Uint8Array(0)): Buffer {
  const header = Buffer.alloc(20);
  header.writeBigUInt64BE(OPTION_REPLY_MAGIC, 0);
  header.writeUInt32BE(option, 8);
  header.writeUInt32BE(type, 12);
  header.writeUInt32BE(data.length, 16);
  return Buffer.concat([header, data]);
}
