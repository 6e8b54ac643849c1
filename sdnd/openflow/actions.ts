// Actions: the union of what a switch may do to a packet, and its list form on the wire. Nicira's own actions live in
// the room `nicira`; actions of other experimenters pass through uninterpreted.

import type { Cursor } from './cursor.ts';
import { Malformed } from './faults.ts';
import { FIELDS, type FieldValue, type SettableField } from './fields.ts';
import {
  type RawField,
  readFieldHeader,
  readValue,
  toRawField,
  type Value,
  writeFieldHeader,
  writeRawField,
  writeValue,
} from './match.ts';
import { type NiciraAction, NX_EXPERIMENTER, readNiciraAction, writeNiciraAction } from './nicira.ts';
import type { Writer } from './writer.ts';

/** `maxBytes` of an output to the controller that sends the whole packet and buffers nothing, OFPCML_NO_BUFFER (7.2.5). */
export const CONTROLLER_WHOLE_PACKET = 0xffff;

/** Largest `maxBytes` that asks for the first bytes of a packet, OFPCML_MAX (7.2.5). */
export const CONTROLLER_BYTES_MAX = 0xffe5;

/** Sends the packet to a port. `maxBytes` counts only where the port is the controller. */
export interface Output {
  readonly type: 'output';
  readonly port: number;
  readonly maxBytes: number;
}

/** Actions that carry nothing but their name. */
export interface BareAction {
  readonly type: 'copy-ttl-out' | 'copy-ttl-in' | 'dec-mpls-ttl' | 'pop-vlan' | 'dec-nw-ttl' | 'pop-pbb';
}

/** Pushes a header of the given Ethernet type, or pops MPLS and leaves the given type. */
export interface EthTypeAction {
  readonly type: 'push-vlan' | 'push-mpls' | 'pop-mpls' | 'push-pbb';
  readonly ethType: number;
}

/** Sets a time-to-live to a fixed number. */
export interface TtlAction {
  readonly type: 'set-mpls-ttl' | 'set-nw-ttl';
  readonly ttl: number;
}

export interface SetQueue {
  readonly type: 'set-queue';
  readonly queueId: number;
}

export interface GroupAction {
  readonly type: 'group';
  readonly groupId: number;
}

/** Writes a match field; the value's type follows from the field. */
export type SetField = {
  [F in SettableField]: { readonly type: 'set-field'; readonly field: F; readonly value: FieldValue<F> };
}[SettableField];

/** A set-field of a field that has no row here or that the specification does not let be set; kept as it came. */
export interface SetRawField {
  readonly type: 'set-raw-field';
  readonly raw: RawField;
}

/** Another experimenter's action, or one of Nicira's without a type here. `body` follows the experimenter id. */
export interface ExperimenterAction {
  readonly type: 'experimenter';
  readonly experimenter: number;
  /** A multiple of 8 bytes. */
  readonly body: Uint8Array;
}

/** One action (OpenFlow 1.3.5, 7.2.5). */
export type Action =
  | Output
  | BareAction
  | EthTypeAction
  | TtlAction
  | SetQueue
  | GroupAction
  | SetField
  | SetRawField
  | ExperimenterAction
  | NiciraAction;

/** Sends to a port; to the controller the whole packet, unless `maxBytes` says less. */
export function output(port: number, maxBytes: number = CONTROLLER_WHOLE_PACKET): Output {
  return { type: 'output', port, maxBytes };
}

/** Writes `value` into `field`; a value of another field's type does not compile. */
export function setField<F extends SettableField>(field: F, value: FieldValue<F>): SetField {
  return { type: 'set-field', field, value } as SetField;
}

type StandardAction = Exclude<Action, NiciraAction | SetRawField>;

// enum ofp_action_type (7.2.5).
const ACTION_NUMBER: { readonly [T in StandardAction['type']]: number } = {
  output: 0,
  'copy-ttl-out': 11,
  'copy-ttl-in': 12,
  'set-mpls-ttl': 15,
  'dec-mpls-ttl': 16,
  'push-vlan': 17,
  'pop-vlan': 18,
  'push-mpls': 19,
  'pop-mpls': 20,
  'set-queue': 21,
  group: 22,
  'set-nw-ttl': 23,
  'dec-nw-ttl': 24,
  'set-field': 25,
  'push-pbb': 26,
  'pop-pbb': 27,
  experimenter: 0xffff,
};

const ACTION_OF_NUMBER: ReadonlyMap<number, StandardAction['type']> = new Map(
  (Object.keys(ACTION_NUMBER) as StandardAction['type'][]).map((type) => [ACTION_NUMBER[type], type]),
);

/** Writes a list of actions; its length is the caller's to announce. */
export function writeActions(writer: Writer, actions: readonly Action[]): void {
  for (const action of actions) writeAction(writer, action);
}

function writeAction(writer: Writer, action: Action): void {
  const start = writer.at;
  writer.u16(actionNumber(action), 'action type');
  const length = writer.length();
  writeActionBody(writer, action);
  writer.pad8(start);
  writer.setLength(length, start);
}

function actionNumber(action: Action): number {
  if (action.type === 'set-raw-field') return ACTION_NUMBER['set-field'];
  return isNicira(action) ? ACTION_NUMBER.experimenter : ACTION_NUMBER[action.type];
}

function isNicira(action: Action): action is NiciraAction {
  return action.type.startsWith('nx-');
}

function writeActionBody(writer: Writer, action: Action): void {
  switch (action.type) {
    case 'output':
      writer.u32(action.port, 'output port');
      writer.u16(action.maxBytes, 'output maxBytes');
      writer.pad(6);
      break;
    case 'push-vlan':
    case 'push-mpls':
    case 'pop-mpls':
    case 'push-pbb':
      writer.u16(action.ethType, 'ethType');
      break;
    case 'set-mpls-ttl':
    case 'set-nw-ttl':
      writer.u8(action.ttl, 'ttl');
      break;
    case 'set-queue':
      writer.u32(action.queueId, 'queueId');
      break;
    case 'group':
      writer.u32(action.groupId, 'groupId');
      break;
    case 'set-field':
      writeSetField(writer, action);
      break;
    case 'set-raw-field':
      writeRawField(writer, action.raw);
      break;
    case 'experimenter':
      writer.u32(action.experimenter, 'experimenter');
      writer.bytes(action.body);
      break;
    case 'nx-reg-move':
    case 'nx-reg-load':
    case 'nx-resubmit':
    case 'nx-resubmit-table':
    case 'nx-note':
      writeNiciraAction(writer, action);
      break;
    case 'copy-ttl-out':
    case 'copy-ttl-in':
    case 'dec-mpls-ttl':
    case 'pop-vlan':
    case 'dec-nw-ttl':
    case 'pop-pbb':
      writer.pad(4);
      break;
  }
}

function writeSetField(writer: Writer, action: SetField): void {
  writeFieldHeader(writer, action.field, false, FIELDS[action.field].bytes);
  writeValue(writer, action.field, action.value);
}

/** Reads actions up to the cursor's end. */
export function readActions(cursor: Cursor): Action[] {
  const actions: Action[] = [];
  while (cursor.left > 0) actions.push(readAction(cursor));
  return actions;
}

function readAction(cursor: Cursor): Action {
  const number = cursor.u16();
  const length = cursor.u16();
  if (length < 8 || length % 8 !== 0)
    throw new Malformed('bad-size', `action ${number} has a length of ${length} bytes`);
  const body = cursor.part(length - 4);
  const action = readActionBody(ACTION_OF_NUMBER.get(number), number, body);
  body.close(`action ${action.type}`);
  return action;
}

function readActionBody(type: StandardAction['type'] | undefined, number: number, body: Cursor): Action {
  switch (type) {
    case 'output':
      return padded(body, 6, { type, port: body.u32(), maxBytes: body.u16() });
    case 'push-vlan':
    case 'push-mpls':
    case 'pop-mpls':
    case 'push-pbb':
      return padded(body, 2, { type, ethType: body.u16() });
    case 'set-mpls-ttl':
    case 'set-nw-ttl':
      return padded(body, 3, { type, ttl: body.u8() });
    case 'set-queue':
      return { type, queueId: body.u32() };
    case 'group':
      return { type, groupId: body.u32() };
    case 'set-field':
      return readSetField(body);
    case 'experimenter':
      return readExperimenterAction(body);
    case undefined:
      throw new Malformed('unknown-action', `there is no action type ${number}`);
    default:
      return padded(body, 4, { type });
  }
}

function padded<A extends Action>(body: Cursor, bytes: number, action: A): A {
  body.skip(bytes);
  return action;
}

function readSetField(body: Cursor): SetField | SetRawField {
  const header = readFieldHeader(body);
  const { name, hasMask, bytes } = header;
  const payload = body.part(bytes);
  body.skip((8 - ((8 + bytes) % 8)) % 8);
  if (name === undefined || hasMask || !FIELDS[name].settable) {
    return { type: 'set-raw-field', raw: toRawField(header, payload) };
  }
  if (bytes !== FIELDS[name].bytes) throw new Malformed('bad-size', `set-field ${name} has ${bytes} bytes of payload`);
  const value: Value = readValue(payload, name);
  return { type: 'set-field', field: name, value } as SetField;
}

function readExperimenterAction(body: Cursor): NiciraAction | ExperimenterAction {
  const experimenter = body.u32();
  const known = experimenter === NX_EXPERIMENTER ? readNiciraAction(body) : undefined;
  return known ?? { type: 'experimenter', experimenter, body: body.rest() };
}
