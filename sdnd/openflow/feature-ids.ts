// The names of instructions, actions and fields without their contents, as table features list them (OpenFlow 1.3.5,
// 7.3.5.5.2). What has no name here is kept by its number.

import { ACTION_NUMBER, ACTION_OF_NUMBER, type ActionType } from './actions.ts';
import { readAll } from './codec.ts';
import type { Cursor } from './cursor.ts';
import { OXM_CLASS } from './field-rows.ts';
import { FIELDS, type FieldName } from './fields.ts';
import { INSTRUCTION_NUMBER, INSTRUCTION_OF_NUMBER, type InstructionType } from './instructions.ts';
import { readFieldHeader, writeFieldHeader } from './oxm.ts';
import type { Writer } from './writer.ts';

/** An experimenter's instruction or action. `data` is what the experimenter tells of it. */
export interface ExperimenterId {
  readonly experimenter: number;
  readonly data: Uint8Array;
}

/** An instruction or action outside the specification, by number. */
export interface UnknownId {
  readonly number: number;
  readonly data: Uint8Array;
}

export type InstructionId = Exclude<InstructionType, 'experimenter'> | ExperimenterId | UnknownId;
export type ActionId = Exclude<ActionType, 'experimenter'> | ExperimenterId | UnknownId;

/** A field; `masked`: also under a mask. */
export interface NamedFieldId {
  readonly field: FieldName;
  readonly masked: boolean;
  /** What its header announces as its length, where that is not the field's (and its mask's): some switches say 0. */
  readonly bytes?: number;
}

/** A field without a row here, as its header says it. */
export interface RawFieldId {
  readonly oxmClass: number;
  readonly id: number;
  readonly hasMask: boolean;
  /** Bytes of payload that the header announces. */
  readonly bytes: number;
  /** Of class 0xffff only. */
  readonly experimenter?: number;
}

export type FieldId = NamedFieldId | RawFieldId;

/** OFPIT_EXPERIMENTER and OFPAT_EXPERIMENTER. */
const EXPERIMENTER_NUMBER = 0xffff;

/** Bytes of an instruction's or action's type and length. */
const ID_BYTES = 4;

export function writeInstructionIds(writer: Writer, ids: readonly InstructionId[]): void {
  for (const id of ids) writeId(writer, typeof id === 'string' ? INSTRUCTION_NUMBER[id] : id);
}

export function writeActionIds(writer: Writer, ids: readonly ActionId[]): void {
  for (const id of ids) writeId(writer, typeof id === 'string' ? ACTION_NUMBER[id] : id);
}

function writeId(writer: Writer, id: number | ExperimenterId | UnknownId): void {
  const start = writer.at;
  if (typeof id === 'number') {
    writer.u16(id, 'id');
    writer.u16(ID_BYTES, 'id length');
    return;
  }
  writer.u16('number' in id ? id.number : EXPERIMENTER_NUMBER, 'id');
  const length = writer.length();
  if ('experimenter' in id) writer.u32(id.experimenter, 'experimenter');
  writer.bytes(id.data);
  writer.setLength(length, start);
}

export function readInstructionIds(cursor: Cursor): InstructionId[] {
  return readAll(cursor, (ids) => readId(ids, INSTRUCTION_OF_NUMBER));
}

export function readActionIds(cursor: Cursor): ActionId[] {
  return readAll(cursor, (ids) => readId(ids, ACTION_OF_NUMBER));
}

function readId<T extends string>(
  cursor: Cursor,
  names: ReadonlyMap<number, T>,
): Exclude<T, 'experimenter'> | ExperimenterId | UnknownId {
  const number = cursor.u16();
  const length = cursor.u16();
  if (length < ID_BYTES) throw cursor.fault('bad-size', `an id of ${length} bytes is shorter than its header`);
  const body = cursor.part(length - ID_BYTES);
  if (number === EXPERIMENTER_NUMBER) return { experimenter: body.u32(), data: body.rest() };
  const name = names.get(number);
  if (name === undefined || body.left > 0) return { number, data: body.rest() };
  return name as Exclude<T, 'experimenter'>;
}

export function writeFieldIds(writer: Writer, ids: readonly FieldId[]): void {
  for (const id of ids) {
    if ('field' in id) writeFieldHeader(writer, id.field, id.masked, id.bytes ?? announcedBytes(id.field, id.masked));
    else writeRawFieldId(writer, id);
  }
}

function announcedBytes(field: FieldName, masked: boolean): number {
  return FIELDS[field].bytes * (masked ? 2 : 1);
}

function writeRawFieldId(writer: Writer, id: RawFieldId): void {
  writer.u16(id.oxmClass, 'field class');
  writer.u8(id.id * 2 + (id.hasMask ? 1 : 0), 'field id');
  writer.u8(id.bytes, 'field length');
  if (id.experimenter !== undefined) writer.u32(id.experimenter, 'field experimenter');
}

export function readFieldIds(cursor: Cursor): FieldId[] {
  return readAll(cursor, readFieldId);
}

function readFieldId(cursor: Cursor): FieldId {
  const attempt = cursor.fork();
  const { name, hasMask, bytes } = readFieldHeader(attempt);
  if (name === undefined) return readRawFieldId(cursor);
  cursor.skip(cursor.left - attempt.left);
  return { field: name, masked: hasMask, ...(bytes !== announcedBytes(name, hasMask) && { bytes }) };
}

function readRawFieldId(cursor: Cursor): RawFieldId {
  const oxmClass = cursor.u16();
  const idAndMask = cursor.u8();
  const id = { oxmClass, id: idAndMask >> 1, hasMask: (idAndMask & 1) === 1, bytes: cursor.u8() };
  return oxmClass === OXM_CLASS.experimenter ? { ...id, experimenter: cursor.u32() } : id;
}
