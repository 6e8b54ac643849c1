// The error message and the names of its types and codes.

import type { MessageCodec } from './codec.ts';
import type { Cursor } from './cursor.ts';
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

/** OFPET_EXPERIMENTER. */
const EXPERIMENTER_ERROR = 0xffff;

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

interface ErrorRow {
  readonly name: string;
  /** A code's place is its number; '' where the specification leaves a gap. */
  readonly codes: readonly string[];
}

// enum ofp_error_type and the enum of each type's codes (7.4.4); a row's place is the type's number.
const ERRORS: readonly ErrorRow[] = [
  { name: 'HELLO_FAILED', codes: ['INCOMPATIBLE', 'EPERM'] },
  {
    name: 'BAD_REQUEST',
    codes: [
      'BAD_VERSION',
      'BAD_TYPE',
      'BAD_MULTIPART',
      'BAD_EXPERIMENTER',
      'BAD_EXP_TYPE',
      'EPERM',
      'BAD_LEN',
      'BUFFER_EMPTY',
      'BUFFER_UNKNOWN',
      'BAD_TABLE_ID',
      'IS_SLAVE',
      'BAD_PORT',
      'BAD_PACKET',
      'MULTIPART_BUFFER_OVERFLOW',
    ],
  },
  {
    name: 'BAD_ACTION',
    codes: [
      'BAD_TYPE',
      'BAD_LEN',
      'BAD_EXPERIMENTER',
      'BAD_EXP_TYPE',
      'BAD_OUT_PORT',
      'BAD_ARGUMENT',
      'EPERM',
      'TOO_MANY',
      'BAD_QUEUE',
      'BAD_OUT_GROUP',
      'MATCH_INCONSISTENT',
      'UNSUPPORTED_ORDER',
      'BAD_TAG',
      'BAD_SET_TYPE',
      'BAD_SET_LEN',
      'BAD_SET_ARGUMENT',
    ],
  },
  {
    name: 'BAD_INSTRUCTION',
    codes: [
      'UNKNOWN_INST',
      'UNSUP_INST',
      'BAD_TABLE_ID',
      'UNSUP_METADATA',
      'UNSUP_METADATA_MASK',
      'BAD_EXPERIMENTER',
      'BAD_EXP_TYPE',
      'BAD_LEN',
      'EPERM',
    ],
  },
  {
    name: 'BAD_MATCH',
    codes: [
      'BAD_TYPE',
      'BAD_LEN',
      'BAD_TAG',
      'BAD_DL_ADDR_MASK',
      'BAD_NW_ADDR_MASK',
      'BAD_WILDCARDS',
      'BAD_FIELD',
      'BAD_VALUE',
      'BAD_MASK',
      'BAD_PREREQ',
      'DUP_FIELD',
      'EPERM',
    ],
  },
  {
    name: 'FLOW_MOD_FAILED',
    codes: ['UNKNOWN', 'TABLE_FULL', 'BAD_TABLE_ID', 'OVERLAP', 'EPERM', 'BAD_TIMEOUT', 'BAD_COMMAND', 'BAD_FLAGS'],
  },
  {
    name: 'GROUP_MOD_FAILED',
    codes: [
      'GROUP_EXISTS',
      'INVALID_GROUP',
      'WEIGHT_UNSUPPORTED',
      'OUT_OF_GROUPS',
      'OUT_OF_BUCKETS',
      'CHAINING_UNSUPPORTED',
      'WATCH_UNSUPPORTED',
      'LOOP',
      'UNKNOWN_GROUP',
      'CHAINED_GROUP',
      'BAD_TYPE',
      'BAD_COMMAND',
      'BAD_BUCKET',
      'BAD_WATCH',
      'EPERM',
    ],
  },
  { name: 'PORT_MOD_FAILED', codes: ['BAD_PORT', 'BAD_HW_ADDR', 'BAD_CONFIG', 'BAD_ADVERTISE', 'EPERM'] },
  { name: 'TABLE_MOD_FAILED', codes: ['BAD_TABLE', 'BAD_CONFIG', 'EPERM'] },
  { name: 'QUEUE_OP_FAILED', codes: ['BAD_PORT', 'BAD_QUEUE', 'EPERM'] },
  { name: 'SWITCH_CONFIG_FAILED', codes: ['BAD_FLAGS', 'BAD_LEN', 'EPERM'] },
  { name: 'ROLE_REQUEST_FAILED', codes: ['STALE', 'UNSUP', 'BAD_ROLE'] },
  {
    name: 'METER_MOD_FAILED',
    codes: [
      'UNKNOWN',
      'METER_EXISTS',
      'INVALID_METER',
      'UNKNOWN_METER',
      'BAD_COMMAND',
      'BAD_FLAGS',
      'BAD_RATE',
      'BAD_BURST',
      'BAD_BAND',
      'BAD_BAND_VALUE',
      'OUT_OF_METERS',
      'OUT_OF_BANDS',
    ],
  },
  {
    name: 'TABLE_FEATURES_FAILED',
    codes: ['BAD_TABLE', 'BAD_METADATA', 'BAD_TYPE', 'BAD_LEN', 'BAD_ARGUMENT', 'EPERM'],
  },
];

/** An error's name for a person, 'FLOW_MOD_FAILED TABLE_FULL'; numbers stand where the specification has no name. */
export function errorName(errorType: number, errorCode: number): string {
  if (errorType === EXPERIMENTER_ERROR) return `EXPERIMENTER ${errorCode}`;
  const row = ERRORS[errorType];
  return `${row?.name ?? errorType} ${row?.codes[errorCode] ?? errorCode}`;
}

/** Types and codes that a controller acts on, by number (7.4.4). */
export const ErrorType = {
  helloFailed: 0,
  badRequest: 1,
  badAction: 2,
  badInstruction: 3,
  badMatch: 4,
  flowModFailed: 5,
  groupModFailed: 6,
  portModFailed: 7,
  tableModFailed: 8,
  queueOpFailed: 9,
  switchConfigFailed: 10,
  roleRequestFailed: 11,
  meterModFailed: 12,
  tableFeaturesFailed: 13,
  experimenter: EXPERIMENTER_ERROR,
} as const;
