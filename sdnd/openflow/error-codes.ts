// The names and numbers of errors: a table of facts, and the types that follow from it. Holds no message.

import { experimenterErrorName } from './experimenter-errors.ts';

// enum ofp_error_type and the enum of each type's codes (OpenFlow 1.3.5, 7.4.4). A row's place is the type's number, a
// code's place its own; the words are the specification's without their prefixes.
export const ERRORS = [
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
] as const;

type ErrorRow = (typeof ERRORS)[number];

/** The name of an error type, such as 'BAD_MATCH'. */
export type ErrorName = ErrorRow['name'];

/** The names of an error type's codes, such as 'BAD_PREREQ' of 'BAD_MATCH'. */
export type ErrorCodeName<N extends ErrorName> = Extract<ErrorRow, { readonly name: N }>['codes'][number];

/** An error's numbers as they stand in an OFPT_ERROR. */
export interface WireError {
  readonly errorType: number;
  readonly errorCode: number;
}

/** The numbers of an error; a code that is not of the type does not compile. */
export function wireError<N extends ErrorName>(name: N, code: ErrorCodeName<N>): WireError {
  const errorType = ERRORS.findIndex((row) => row.name === name);
  const codes: readonly string[] = ERRORS[errorType]?.codes ?? [];
  return { errorType, errorCode: codes.indexOf(code) };
}

/** OFPET_EXPERIMENTER (7.4.4). */
export const EXPERIMENTER_ERROR = 0xffff;

/** Types of errors by number (7.4.4); `wireError` gives a type and code by name. */
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

/**
 * An error's name for a person, 'FLOW_MOD_FAILED TABLE_FULL'; numbers stand where the specification has no name. Of an
 * experimenter's error, its id finds the name that ONF or Open vSwitch gives it.
 */
export function errorName(errorType: number, errorCode: number, experimenter?: number): string {
  if (errorType === EXPERIMENTER_ERROR) {
    return experimenterErrorName(errorCode, experimenter) ?? `EXPERIMENTER ${errorCode}`;
  }
  const row: { readonly name: string; readonly codes: readonly string[] } | undefined = ERRORS[errorType];
  return `${row?.name ?? errorType} ${row?.codes[errorCode] ?? errorCode}`;
}
