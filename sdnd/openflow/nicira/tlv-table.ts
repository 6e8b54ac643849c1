// Nicira's messages that map options of a tunnel's header, such as Geneve's, to the fields tun_metadata0 to 63.

import { type MessageCodec, numberOf, readAll, wordOf } from '../codec.ts';
import type { Cursor } from '../cursor.ts';
import type { Writer } from '../writer.ts';
import { niciraMessage } from './messages.ts';

/** An option and the number of the field that it is seen in. */
export interface TlvMapping {
  readonly optionClass: number;
  readonly optionType: number;
  /** A multiple of 4. */
  readonly optionBytes: number;
  /** n of NXM_NX_TUN_METADATAn. */
  readonly index: number;
}

// enum nx_tlv_table_mod_command.
const TLV_COMMANDS = ['add', 'delete', 'clear'] as const;

/** Adds or deletes mappings, or deletes them all. NXT_TLV_TABLE_MOD. */
export interface NxTlvTableMod {
  readonly type: 'nx-tlv-table-mod';
  readonly command: (typeof TLV_COMMANDS)[number];
  readonly mappings: readonly TlvMapping[];
}

/** The mappings in force and how much room is left to them. NXT_TLV_TABLE_REPLY. */
export interface NxTlvTableReply {
  readonly type: 'nx-tlv-table-reply';
  readonly maxOptionBytes: number;
  readonly maxFields: number;
  readonly mappings: readonly TlvMapping[];
}

export const tlvTableModCodec: MessageCodec<NxTlvTableMod> = {
  ...niciraMessage(24),
  write(writer, message) {
    writer.u16(numberOf(TLV_COMMANDS, message.command, 'tlv-table command'), 'command');
    writer.pad(6);
    for (const mapping of message.mappings) writeMapping(writer, mapping);
  },
  read(cursor) {
    const command = wordOf(TLV_COMMANDS, cursor.u16(), 'tlv-table command');
    cursor.skip(6);
    return { type: 'nx-tlv-table-mod', command, mappings: readAll(cursor, readMapping) };
  },
};

export const tlvTableRequestCodec: MessageCodec<{ readonly type: 'nx-tlv-table-request' }> = {
  ...niciraMessage(25),
  write: () => undefined,
  read: () => ({ type: 'nx-tlv-table-request' }),
};

export const tlvTableReplyCodec: MessageCodec<NxTlvTableReply> = {
  ...niciraMessage(26),
  write(writer, message) {
    writer.u32(message.maxOptionBytes, 'maxOptionBytes');
    writer.u16(message.maxFields, 'maxFields');
    writer.pad(10);
    for (const mapping of message.mappings) writeMapping(writer, mapping);
  },
  read(cursor) {
    const maxOptionBytes = cursor.u32();
    const maxFields = cursor.u16();
    cursor.skip(10);
    return { type: 'nx-tlv-table-reply', maxOptionBytes, maxFields, mappings: readAll(cursor, readMapping) };
  },
};

function writeMapping(writer: Writer, mapping: TlvMapping): void {
  writer.u16(mapping.optionClass, 'optionClass');
  writer.u8(mapping.optionType, 'optionType');
  writer.u8(mapping.optionBytes, 'optionBytes');
  writer.u16(mapping.index, 'index');
  writer.pad(2);
}

function readMapping(cursor: Cursor): TlvMapping {
  const mapping = {
    optionClass: cursor.u16(),
    optionType: cursor.u8(),
    optionBytes: cursor.u8(),
    index: cursor.u16(),
  };
  cursor.skip(2);
  return mapping;
}
