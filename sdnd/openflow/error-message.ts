// The error message, and which error answers which fault of a peer's message.

import type { MessageCodec } from './codec.ts';
import type { Cursor } from './cursor.ts';
import { type ErrorCodeName, type ErrorName, EXPERIMENTER_ERROR, type WireError, wireError } from './error-codes.ts';
import type { BadCode, Malformed, Place } from './faults.ts';
import type { Writer } from './writer.ts';

/** A request that failed (OpenFlow 1.3.5, 7.4.4). */
export interface ErrorMessage {
  readonly type: 'error';
  readonly errorType: number;
  /** Code within the type; of an experimenter error its own type number. */
  readonly errorCode: number;
  /** Present only when `errorType` is 0xffff: whose error it is. */
  readonly experimenter?: number;
  /** At least the first 64 bytes of the failed request; of HELLO_FAILED a text. */
  readonly data: Uint8Array;
}

/** How much of a failed request an error carries at the least (7.4.4). */
export const ERROR_DATA_BYTES = 64;

export const errorCodec: MessageCodec<ErrorMessage> = {
  wireType: 1,
  write(writer: Writer, message: ErrorMessage) {
    writer.u16(message.errorType, 'errorType');
    writer.u16(message.errorCode, 'errorCode');
    if (message.errorType === EXPERIMENTER_ERROR) writer.u32(message.experimenter ?? 0, 'experimenter');
    writer.bytes(message.data);
  },
  read(cursor: Cursor): ErrorMessage {
    const errorType = cursor.u16();
    const errorCode = cursor.u16();
    if (errorType !== EXPERIMENTER_ERROR) return { type: 'error', errorType, errorCode, data: cursor.rest() };
    return { type: 'error', errorType, errorCode, experimenter: cursor.u32(), data: cursor.rest() };
  },
};

/** An error by name, with the beginning of the failed request; a code that is not of the type does not compile. */
export function errorMessage<N extends ErrorName>(name: N, code: ErrorCodeName<N>, request: Uint8Array): ErrorMessage {
  return { type: 'error', ...wireError(name, code), data: request.subarray(0, ERROR_DATA_BYTES) };
}

const BAD_LEN: { readonly [P in Place]: WireError } = {
  message: wireError('BAD_REQUEST', 'BAD_LEN'),
  match: wireError('BAD_MATCH', 'BAD_LEN'),
  action: wireError('BAD_ACTION', 'BAD_LEN'),
  instruction: wireError('BAD_INSTRUCTION', 'BAD_LEN'),
  'table-features': wireError('TABLE_FEATURES_FAILED', 'BAD_LEN'),
};

// The specification has no general code for a number without a meaning; BAD_TYPE comes nearest.
const BAD_VALUE: { readonly [P in Place]: WireError } = {
  message: wireError('BAD_REQUEST', 'BAD_TYPE'),
  match: wireError('BAD_MATCH', 'BAD_VALUE'),
  action: wireError('BAD_ACTION', 'BAD_ARGUMENT'),
  instruction: wireError('BAD_INSTRUCTION', 'UNSUP_INST'),
  'table-features': wireError('TABLE_FEATURES_FAILED', 'BAD_ARGUMENT'),
};

const ANSWERS: { readonly [C in BadCode]: WireError | { readonly [P in Place]: WireError } } = {
  'bad-version': wireError('BAD_REQUEST', 'BAD_VERSION'),
  'bad-length': wireError('BAD_REQUEST', 'BAD_LEN'),
  'unknown-type': wireError('BAD_REQUEST', 'BAD_TYPE'),
  truncated: BAD_LEN,
  'bad-size': BAD_LEN,
  'bad-value': BAD_VALUE,
  'bad-match': wireError('BAD_MATCH', 'BAD_VALUE'),
  'unknown-action': wireError('BAD_ACTION', 'BAD_TYPE'),
  'unknown-instruction': wireError('BAD_INSTRUCTION', 'UNKNOWN_INST'),
  'too-deep': wireError('BAD_ACTION', 'TOO_MANY'),
};

/** The error that answers a fault of a peer's message. */
export function answerTo(code: BadCode, fault?: Malformed): WireError {
  if (fault?.answer !== undefined) return fault.answer;
  const answer = ANSWERS[code];
  return 'errorType' in answer ? answer : answer[fault?.place ?? 'message'];
}
