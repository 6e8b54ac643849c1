// Nicira's messages that set up a controller's connection: packet-in format, controller id, asynchronous messages; and
// what else of Open vSwitch's has no room of its own.

import { EXPERIMENTER_TYPE, type Extension, type MessageCodec, numberOf, wordOf } from '../codec.ts';
import { NX_EXPERIMENTER } from '../experimenter-errors.ts';
import { readProperties, writeProperty } from '../properties.ts';
import { type AsyncReasons, readReasons, writeReasons } from '../roles.ts';

/** One of Nicira's messages by its number, enum ofpraw of Open vSwitch (NXT). */
export function niciraMessage(experimenterType: number): { readonly wireType: number; readonly extension: Extension } {
  return { wireType: EXPERIMENTER_TYPE, extension: { experimenter: NX_EXPERIMENTER, experimenterType } };
}

// enum ofputil_packet_in_format.
const PACKET_IN_FORMATS = ['standard', 'nxt-packet-in', 'nxt-packet-in2'] as const;

/** The form in which a switch sends packets to this controller. */
export type PacketInFormat = (typeof PACKET_IN_FORMATS)[number];

/** NXT_SET_PACKET_IN_FORMAT. */
export interface NxSetPacketInFormat {
  readonly type: 'nx-set-packet-in-format';
  readonly format: PacketInFormat;
}

export const setPacketInFormatCodec: MessageCodec<NxSetPacketInFormat> = {
  ...niciraMessage(16),
  write: (writer, message) => writer.u32(numberOf(PACKET_IN_FORMATS, message.format, 'packet-in format'), 'format'),
  read: (cursor) => ({
    type: 'nx-set-packet-in-format',
    format: wordOf(PACKET_IN_FORMATS, cursor.u32(), 'packet-in format'),
  }),
};

/** Gives this controller an id for nx-controller and its like; every controller begins as 0. NXT_SET_CONTROLLER_ID. */
export interface NxSetControllerId {
  readonly type: 'nx-set-controller-id';
  readonly controllerId: number;
}

export const setControllerIdCodec: MessageCodec<NxSetControllerId> = {
  ...niciraMessage(20),
  write(writer, message) {
    writer.pad(6);
    writer.u16(message.controllerId, 'controllerId');
  },
  read(cursor) {
    cursor.skip(6);
    return { type: 'nx-set-controller-id', controllerId: cursor.u16() };
  },
};

/** As set-async, in Nicira's message. NXT_SET_ASYNC_CONFIG. */
export interface NxSetAsyncConfig extends AsyncReasons {
  readonly type: 'nx-set-async-config';
}

export const setAsyncConfigCodec: MessageCodec<NxSetAsyncConfig> = {
  ...niciraMessage(19),
  write: writeReasons,
  read: (cursor) => ({ type: 'nx-set-async-config', ...readReasons(cursor) }),
};

// enum ofp14_async_config_prop_type (OpenFlow 1.4, 7.3.10), by pairs: as slave, as master.
const ASYNC_MESSAGES = [
  'packet-in',
  'port-status',
  'flow-removed',
  'role-status',
  'table-status',
  'requestforward',
] as const;

/** The reasons of one asynchronous message that are wanted in one role; bit n for the reason numbered n. */
export interface AsyncWish {
  readonly message: (typeof ASYNC_MESSAGES)[number];
  readonly role: 'slave' | 'master';
  readonly reasons: number;
}

/** Which asynchronous messages this connection gets, in 1.4's form; what is not named stays. NXT_SET_ASYNC_CONFIG2. */
export interface NxSetAsyncConfig2 {
  readonly type: 'nx-set-async-config2';
  readonly wishes: readonly AsyncWish[];
}

export const setAsyncConfig2Codec: MessageCodec<NxSetAsyncConfig2> = {
  ...niciraMessage(27),
  write(writer, message) {
    for (const wish of message.wishes) {
      const number =
        numberOf(ASYNC_MESSAGES, wish.message, 'asynchronous message') * 2 + (wish.role === 'master' ? 1 : 0);
      writeProperty(writer, number, () => writer.u32(wish.reasons, 'reasons'));
    }
  },
  read(cursor) {
    const wishes: AsyncWish[] = [];
    readProperties(cursor, (number, body) => {
      const message = wordOf(ASYNC_MESSAGES, number >> 1, 'asynchronous message');
      wishes.push({ message, role: (number & 1) === 1 ? 'master' : 'slave', reasons: body.u32() });
    });
    return { type: 'nx-set-async-config2', wishes };
  },
};

/** Forgets the connections of a zone. NXT_CT_FLUSH_ZONE. */
export interface NxCtFlushZone {
  readonly type: 'nx-ct-flush-zone';
  readonly zone: number;
}

export const ctFlushZoneCodec: MessageCodec<NxCtFlushZone> = {
  ...niciraMessage(29),
  write(writer, message) {
    writer.pad(6);
    writer.u16(message.zone, 'zone');
  },
  read(cursor) {
    cursor.skip(6);
    return { type: 'nx-ct-flush-zone', zone: cursor.u16() };
  },
};
