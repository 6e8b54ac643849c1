// Instructions: what a flow entry does with a packet that matched, around the actions. Must not know flow-mods.

import type { Action } from './action-types.ts';
import { readActions, writeActions } from './actions.ts';
import { readAll } from './codec.ts';
import type { Cursor } from './cursor.ts';
import type { Writer } from './writer.ts';

/** Goes on in a later table, after the other instructions. */
export interface GotoTable {
  readonly type: 'goto-table';
  readonly tableId: number;
}

/** Writes the bits of `metadata` that are set in `mask` into the metadata field. */
export interface WriteMetadata {
  readonly type: 'write-metadata';
  readonly metadata: bigint;
  readonly mask: bigint;
}

/** `apply-actions` does its actions at once, in order; `write-actions` merges them into the action set. */
export interface ActionsInstruction {
  readonly type: 'write-actions' | 'apply-actions';
  readonly actions: readonly Action[];
}

/** Empties the action set. */
export interface ClearActions {
  readonly type: 'clear-actions';
}

/** Sends the packet through a meter first. */
export interface MeterInstruction {
  readonly type: 'meter';
  readonly meterId: number;
}

/** An experimenter's instruction, uninterpreted. `body` follows the experimenter id. */
export interface ExperimenterInstruction {
  readonly type: 'experimenter';
  readonly experimenter: number;
  /** A multiple of 8 bytes. */
  readonly body: Uint8Array;
}

/** One instruction (OpenFlow 1.3.5, 7.2.4). A flow entry has each type at the most once. */
export type Instruction =
  | GotoTable
  | WriteMetadata
  | ActionsInstruction
  | ClearActions
  | MeterInstruction
  | ExperimenterInstruction;

/** The name of an instruction, such as 'goto-table'. */
export type InstructionType = Instruction['type'];

// enum ofp_instruction_type (7.2.4).
export const INSTRUCTION_NUMBER: { readonly [T in InstructionType]: number } = {
  'goto-table': 1,
  'write-metadata': 2,
  'write-actions': 3,
  'apply-actions': 4,
  'clear-actions': 5,
  meter: 6,
  experimenter: 0xffff,
};

export const INSTRUCTION_OF_NUMBER: ReadonlyMap<number, InstructionType> = new Map(
  (Object.keys(INSTRUCTION_NUMBER) as InstructionType[]).map((type) => [INSTRUCTION_NUMBER[type], type]),
);

/** The instruction that does `actions` at once. */
export function applyActions(...actions: readonly Action[]): ActionsInstruction {
  return { type: 'apply-actions', actions };
}

/** The instruction to go on in table `tableId`. */
export function gotoTable(tableId: number): GotoTable {
  return { type: 'goto-table', tableId };
}

/** Writes a list of instructions, which reaches to the end of its structure. */
export function writeInstructions(writer: Writer, instructions: readonly Instruction[]): void {
  for (const instruction of instructions) {
    const start = writer.at;
    writer.u16(INSTRUCTION_NUMBER[instruction.type], 'instruction type');
    const length = writer.length();
    writeInstructionBody(writer, instruction);
    writer.pad8(start);
    writer.setLength(length, start);
  }
}

function writeInstructionBody(writer: Writer, instruction: Instruction): void {
  switch (instruction.type) {
    case 'goto-table':
      writer.u8(instruction.tableId, 'goto tableId');
      break;
    case 'write-metadata':
      writer.pad(4);
      writer.u64(instruction.metadata, 'metadata');
      writer.u64(instruction.mask, 'metadata mask');
      break;
    case 'write-actions':
    case 'apply-actions':
      writer.pad(4);
      writeActions(writer, instruction.actions);
      break;
    case 'clear-actions':
      writer.pad(4);
      break;
    case 'meter':
      writer.u32(instruction.meterId, 'meterId');
      break;
    case 'experimenter':
      writer.u32(instruction.experimenter, 'experimenter');
      writer.bytes(instruction.body);
      break;
  }
}

/** Reads instructions up to the cursor's end. */
export function readInstructions(cursor: Cursor): Instruction[] {
  return readAll(cursor.as('instruction'), readInstruction);
}

function readInstruction(cursor: Cursor): Instruction {
  const number = cursor.u16();
  const length = cursor.u16();
  if (length < 8 || length % 8 !== 0) throw cursor.fault('bad-size', `instruction ${number} is ${length} bytes long`);
  const body = cursor.part(length - 4);
  const instruction = readInstructionBody(number, body);
  body.close(`instruction ${instruction.type}`);
  return instruction;
}

function readInstructionBody(number: number, body: Cursor): Instruction {
  const type = INSTRUCTION_OF_NUMBER.get(number);
  switch (type) {
    case 'goto-table':
      return readGotoTable(body);
    case 'write-metadata':
      body.skip(4);
      return { type, metadata: body.u64(), mask: body.u64() };
    case 'write-actions':
    case 'apply-actions':
      body.skip(4);
      return { type, actions: readActions(body) };
    case 'clear-actions':
      body.skip(4);
      return { type };
    case 'meter':
      return { type, meterId: body.u32() };
    case 'experimenter':
      return { type, experimenter: body.u32(), body: body.rest() };
    case undefined:
      throw body.fault('unknown-instruction', `there is no instruction type ${number}`);
  }
}

function readGotoTable(body: Cursor): GotoTable {
  const tableId = body.u8();
  body.skip(3);
  return { type: 'goto-table', tableId };
}
