// One request as it stands in the stream, and whether it may reach the device. A codec: it keeps nothing.
import type { MetaContext } from './meta-contexts.ts';
import { BLOCK_SIZE, COMMAND, COMMAND_FLAG, NBD_ERROR, REQUEST_MAGIC } from './nbd-protocol.ts';

const WORD = 2 ** 32;

/** "Request message". The cookie is the client's, in two words. */
export interface Request {
  readonly flags: number;
  readonly type: number;
  readonly cookieHigh: number;
  readonly cookieLow: number;
  readonly offset: number;
  readonly length: number;
}

/** What was agreed on before the first request. */
export interface Agreement {
  readonly bytes: number;
  readonly isReadOnly: boolean;
  readonly isStructured: boolean;
  readonly contexts: readonly MetaContext[];
}

/** The request at `at`, where a whole header is; undefined when something else stands there. */
export function readRequest(input: Buffer, at: number): Request | undefined {
  if (input.readUInt32BE(at) !== REQUEST_MAGIC) return undefined;
  return {
    flags: input.readUInt16BE(at + 4),
    type: input.readUInt16BE(at + 6),
    cookieHigh: input.readUInt32BE(at + 8),
    cookieLow: input.readUInt32BE(at + 12),
    offset: input.readUInt32BE(at + 16) * WORD + input.readUInt32BE(at + 20),
    length: input.readUInt32BE(at + 24),
  };
}

/** The error of a request that must not reach the device ("Error values"), else 0. */
export function faultOf(request: Request, agreement: Agreement): number {
  const { type, flags, offset, length } = request;
  if (agreement.isReadOnly && isChange(type)) return NBD_ERROR.EPERM;
  if (!isKnown(type, agreement) || (flags & ~allowedFlags(type, agreement)) !== 0) return NBD_ERROR.EINVAL;
  if (type === COMMAND.FLUSH) return offset === 0 && length === 0 ? 0 : NBD_ERROR.EINVAL;
  // The protocol leaves open what it means ("Request types"), so a client that asks for nothing has miscounted.
  if (length === 0) return NBD_ERROR.EINVAL;
  const carriesData = type === COMMAND.READ || type === COMMAND.WRITE;
  if (carriesData && length > BLOCK_SIZE.maximum) return NBD_ERROR.EINVAL;
  if (offset + length > agreement.bytes) return isGrowth(type) ? NBD_ERROR.ENOSPC : NBD_ERROR.EINVAL;
  const slowZeros = COMMAND_FLAG.FAST_ZERO | COMMAND_FLAG.NO_HOLE;
  return (flags & slowZeros) === slowZeros ? NBD_ERROR.ENOTSUP : 0;
}

function isKnown(type: number, { contexts }: Agreement): boolean {
  return type < COMMAND.BLOCK_STATUS || (type === COMMAND.BLOCK_STATUS && contexts.length > 0);
}

/** FUA is allowed with every command where it was offered ("Command flags"). */
function allowedFlags(type: number, { isStructured, isReadOnly }: Agreement): number {
  const fua = isReadOnly ? 0 : COMMAND_FLAG.FUA;
  switch (type) {
    case COMMAND.READ:
      return fua | (isStructured ? COMMAND_FLAG.DF : 0);
    case COMMAND.WRITE_ZEROES:
      return fua | COMMAND_FLAG.NO_HOLE | COMMAND_FLAG.FAST_ZERO;
    case COMMAND.BLOCK_STATUS:
      return fua | COMMAND_FLAG.REQ_ONE;
    default:
      return fua;
  }
}

function isChange(type: number): boolean {
  return type === COMMAND.WRITE || type === COMMAND.WRITE_ZEROES || type === COMMAND.TRIM;
}

function isGrowth(type: number): boolean {
  return type === COMMAND.WRITE || type === COMMAND.WRITE_ZEROES;
}
