// What a controller is to a switch: its role and the asynchronous messages it wants.

import { type MessageCodec, numberOf, wordOf } from './codec.ts';
import type { Cursor } from './cursor.ts';
import { wireError } from './error-codes.ts';
import type { Writer } from './writer.ts';

// enum ofp_controller_role (OpenFlow 1.3.5, 7.3.9); the words are the specification's.
export const ROLES = ['no-change', 'equal', 'master', 'slave'] as const;

/** A controller's role; at most one connection of a switch is master. */
export type ControllerRole = (typeof ROLES)[number];

/** Asks for a role, or tells the role in force (7.3.9). */
export interface RoleMessage {
  readonly type: 'role-request' | 'role-reply';
  readonly role: ControllerRole;
  /** Election term: a switch refuses one that is behind the newest it has seen, with ROLE_REQUEST_FAILED STALE. */
  readonly generationId: bigint;
}

const BAD_ROLE = wireError('ROLE_REQUEST_FAILED', 'BAD_ROLE');

function roleCodec(type: RoleMessage['type'], wireType: number): MessageCodec<RoleMessage> {
  return {
    wireType,
    write(writer: Writer, message: RoleMessage) {
      writer.u32(numberOf(ROLES, message.role, 'role'), 'role');
      writer.pad(4);
      writer.u64(message.generationId, 'generationId');
    },
    read(cursor: Cursor): RoleMessage {
      const role = wordOf(ROLES, cursor.u32(), 'role', BAD_ROLE);
      cursor.skip(4);
      return { type, role, generationId: cursor.u64() };
    },
  };
}

export const roleRequestCodec = roleCodec('role-request', 24);
export const roleReplyCodec = roleCodec('role-reply', 25);

/** Bits of reasons (bit n for the reason numbered n) wanted as master or equal, and as slave. */
export interface ReasonMasks {
  readonly master: number;
  readonly slave: number;
}

/** Which asynchronous messages this connection gets (7.3.10). */
export interface AsyncConfig extends AsyncReasons {
  readonly type: 'get-async-reply' | 'set-async';
}

function writeMasks(writer: Writer, masks: ReasonMasks): void {
  writer.u32(masks.master, 'reasons as master');
  writer.u32(masks.slave, 'reasons as slave');
}

function readMasks(cursor: Cursor): ReasonMasks {
  return { master: cursor.u32(), slave: cursor.u32() };
}

/** The reasons wanted of each asynchronous message, by number, in the order in which they stand on the wire. */
export interface AsyncReasons {
  readonly packetIn: ReasonMasks;
  readonly portStatus: ReasonMasks;
  readonly flowRemoved: ReasonMasks;
}

export function writeReasons(writer: Writer, reasons: AsyncReasons): void {
  writeMasks(writer, reasons.packetIn);
  writeMasks(writer, reasons.portStatus);
  writeMasks(writer, reasons.flowRemoved);
}

export function readReasons(cursor: Cursor): AsyncReasons {
  return { packetIn: readMasks(cursor), portStatus: readMasks(cursor), flowRemoved: readMasks(cursor) };
}

function asyncCodec(type: AsyncConfig['type'], wireType: number): MessageCodec<AsyncConfig> {
  return { wireType, write: writeReasons, read: (cursor) => ({ type, ...readReasons(cursor) }) };
}

export const getAsyncReplyCodec = asyncCodec('get-async-reply', 27);
export const setAsyncCodec = asyncCodec('set-async', 28);
