// Nicira's actions on bits of fields: move, load, stack and output by register.

import { EncodeError } from '../faults.ts';
import { FIELDS, type FieldName } from '../fields.ts';
import { readField, readFieldHeader, writeField } from '../oxm.ts';
import {
  bitsOf,
  checkBits,
  type NiciraCodec,
  readFieldId,
  readOffsetAndBits,
  writeFieldId,
  writeOffsetAndBits,
  writeShortFieldId,
} from './action-codec.ts';
import type { NxCheckPacketLarger, NxOutputReg, NxRegLoad, NxRegLoad2, NxRegMove, NxStack } from './action-types.ts';

/** Copies the whole of a field, or `bits` of it, into another; refuses what does not fit, with EncodeError. */
export function regMove(from: FieldName, to: FieldName, bits: number, fromBit = 0, toBit = 0): NxRegMove {
  const action: NxRegMove = { type: 'nx-reg-move', from, fromBit, to, toBit, bits };
  checkMove(action);
  return action;
}

function checkMove({ from, fromBit, to, toBit, bits }: NxRegMove): void {
  checkBits(from, fromBit, bits);
  checkBits(to, toBit, bits);
}

export const regMoveCodec: NiciraCodec<NxRegMove> = {
  subtype: 6,
  write(writer, action) {
    checkMove(action);
    writer.u16(action.bits, 'reg-move bits');
    writer.u16(action.fromBit, 'reg-move fromBit');
    writer.u16(action.toBit, 'reg-move toBit');
    writeFieldId(writer, action.from);
    writeFieldId(writer, action.to);
  },
  read(body) {
    const bits = body.u16();
    const from = { bit: body.u16(), bits };
    const to = { bit: body.u16(), bits };
    const source = bitsOf(readFieldId(body), from);
    const target = bitsOf(readFieldId(body), to);
    if (source === undefined || target === undefined) return undefined;
    return {
      type: 'nx-reg-move',
      from: source.field,
      fromBit: source.bit,
      to: target.field,
      toBit: target.bit,
      bits,
    };
  },
};

export const regLoadCodec: NiciraCodec<NxRegLoad> = {
  subtype: 7,
  write(writer, { to, toBit, bits, value }) {
    writeOffsetAndBits(writer, { field: to, bit: toBit, bits });
    if (BigInt.asUintN(bits, value) !== value) {
      throw new EncodeError('out-of-range', `reg-load value ${value} has over ${bits} bits`);
    }
    writeShortFieldId(writer, to, 'reg-load');
    writer.u64(value, 'reg-load value');
  },
  read(body) {
    const place = readOffsetAndBits(body);
    const target = bitsOf(readFieldId(body), place);
    const value = body.u64();
    if (target === undefined || BigInt.asUintN(target.bits, value) !== value) return undefined;
    if (FIELDS[target.field].experimenter !== undefined) return undefined;
    return { type: 'nx-reg-load', to: target.field, toBit: target.bit, bits: target.bits, value };
  },
};

export const regLoad2Codec: NiciraCodec<NxRegLoad2> = {
  subtype: 33,
  write: (writer, { field, value }) => writeField(writer, field, value),
  read(body) {
    const header = readFieldHeader(body);
    if (header.name === undefined) return undefined;
    const value = readField(header.name, header, body.part(header.bytes));
    return { type: 'nx-reg-load2', field: header.name, value } as NxRegLoad2;
  },
};

export function stackCodec(type: NxStack['type'], subtype: number): NiciraCodec<NxStack> {
  return {
    subtype,
    write(writer, { field, bit, bits }) {
      checkBits(field, bit, bits);
      const start = writer.at;
      writer.u16(bit, 'stack bit');
      writeFieldId(writer, field);
      writer.u16(bits, 'stack bits');
      writer.pad(STACK_BYTES - (writer.at - start));
    },
    read(body) {
      const bit = body.u16();
      const field = readFieldId(body);
      const bits = body.u16();
      const found = bitsOf(field, { bit, bits });
      return found && { type, ...found };
    },
  };
}

/** Bytes of a stack action behind its subtype. */
const STACK_BYTES = 14;

export const outputRegCodec: NiciraCodec<NxOutputReg> = {
  subtype: 15,
  write(writer, action) {
    writeOffsetAndBits(writer, action);
    writeShortFieldId(writer, action.field, 'output-reg');
    writer.u16(action.maxBytes, 'output-reg maxBytes');
    writer.pad(6);
  },
  read(body) {
    const place = readOffsetAndBits(body);
    const source = bitsOf(readFieldId(body), place);
    const maxBytes = body.u16();
    body.skip(6);
    if (source === undefined || FIELDS[source.field].experimenter !== undefined) return undefined;
    return { type: 'nx-output-reg', ...source, maxBytes };
  },
};

/** Bytes of an output-reg2, check-pkt-larger or delete-field behind the subtype, with room for the longer field header. */
const ROOMY_BYTES = 14;

export const outputReg2Codec: NiciraCodec<NxOutputReg> = {
  subtype: 32,
  write(writer, action) {
    const start = writer.at;
    writeOffsetAndBits(writer, action);
    writer.u16(action.maxBytes, 'output-reg maxBytes');
    writeFieldId(writer, action.field);
    writer.pad(ROOMY_BYTES - (writer.at - start));
  },
  read(body) {
    const place = readOffsetAndBits(body);
    const maxBytes = body.u16();
    const source = bitsOf(readFieldId(body), place);
    return source && { type: 'nx-output-reg2', ...source, maxBytes };
  },
};

export const checkPacketLargerCodec: NiciraCodec<NxCheckPacketLarger> = {
  subtype: 49,
  write(writer, { packetBytes, field, bit }) {
    checkBits(field, bit, 1);
    const start = writer.at;
    writer.u16(packetBytes, 'check-pkt-larger packetBytes');
    writer.u16(bit, 'check-pkt-larger bit');
    writeFieldId(writer, field);
    writer.pad(ROOMY_BYTES - (writer.at - start));
  },
  read(body) {
    const packetBytes = body.u16();
    const bit = body.u16();
    const target = bitsOf(readFieldId(body), { bit, bits: 1 });
    return target && { type: 'nx-check-pkt-larger', packetBytes, field: target.field, bit };
  },
};
