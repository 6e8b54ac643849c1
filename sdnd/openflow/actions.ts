// Lists of actions on the wire. Nicira's own actions live in the folder `nicira`; actions of other experimenters pass
// through uninterpreted.

import type { Action, BareAction, ExperimenterAction, SetField, SetRawField, StandardAction } from './action-types.ts';
import type { Cursor } from './cursor.ts';
import { wireError } from './error-codes.ts';
import { NX_EXPERIMENTER } from './experimenter-errors.ts';
import { EncodeError } from './faults.ts';
import { IN_CT, SETTABLE } from './field-rows.ts';
import { FIELDS } from './fields.ts';
import type { ActionLists } from './nicira/action-codec.ts';
import type { CtNested, NiciraAction, NxNat, SetCtField } from './nicira/action-types.ts';
import { readNiciraAction, writeNiciraAction } from './nicira/actions.ts';
import {
  readFieldHeader,
  readRawField,
  readValue,
  type Value,
  writeFieldHeader,
  writeRawField,
  writeValue,
} from './oxm.ts';
import type { Writer } from './writer.ts';

/** How deep actions may lie within actions (Nicira's ct and clone). Open vSwitch itself nests no deeper than a few. */
export const NESTED_ACTIONS_MAX = 8;

// enum ofp_action_type (7.2.5).
export const ACTION_NUMBER: { readonly [T in Exclude<StandardAction, SetRawField>['type']]: number } = {
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

/** The name of an action of the specification, such as 'push-vlan'. */
export type ActionType = keyof typeof ACTION_NUMBER;

export const ACTION_OF_NUMBER: ReadonlyMap<number, ActionType> = new Map(
  (Object.keys(ACTION_NUMBER) as ActionType[]).map((type) => [ACTION_NUMBER[type], type]),
);

/** Writes a list of actions; its length is the caller's to announce. */
export function writeActions(writer: Writer, actions: readonly Action[]): void {
  for (const action of actions) writeAction(writer, action, 0);
}

type AnyAction = Action | CtNested;
type NumberAction = Exclude<StandardAction, SetField | SetRawField | ExperimenterAction>;

/** The lists within an action that lies `depth` deep. */
function listsWithin(depth: number): ActionLists {
  return {
    write(writer, actions) {
      if (depth >= NESTED_ACTIONS_MAX) {
        throw new EncodeError('too-deep', `actions lie over ${NESTED_ACTIONS_MAX} deep within actions`);
      }
      for (const action of actions) writeAction(writer, action, depth + 1);
    },
    read(cursor) {
      if (depth >= NESTED_ACTIONS_MAX) {
        throw cursor.fault('too-deep', `actions lie over ${NESTED_ACTIONS_MAX} deep within actions`);
      }
      return readList(cursor, depth + 1, SETTABLE) as Action[];
    },
    readInCt(cursor) {
      if (depth >= NESTED_ACTIONS_MAX) {
        throw cursor.fault('too-deep', `actions lie over ${NESTED_ACTIONS_MAX} deep within actions`);
      }
      return readList(cursor, depth + 1, IN_CT);
    },
  };
}

const LISTS: readonly ActionLists[] = Array.from({ length: NESTED_ACTIONS_MAX + 1 }, (_, depth) => listsWithin(depth));

function listsAt(depth: number): ActionLists {
  const lists = LISTS[depth];
  if (lists === undefined) throw new Error(`no action lies ${depth} deep`);
  return lists;
}

function writeAction(writer: Writer, action: AnyAction, depth: number): void {
  const start = writer.at;
  writer.u16(actionNumber(action), 'action type');
  const length = writer.length();
  writeActionBody(writer, action, depth);
  writer.pad8(start);
  writer.setLength(length, start);
}

function actionNumber(action: AnyAction): number {
  if (action.type === 'set-raw-field') return ACTION_NUMBER['set-field'];
  return isNicira(action) ? ACTION_NUMBER.experimenter : ACTION_NUMBER[action.type];
}

function isNicira(action: AnyAction): action is NiciraAction | NxNat {
  return action.type.startsWith('nx-');
}

function writeActionBody(writer: Writer, action: AnyAction, depth: number): void {
  if (isNicira(action)) {
    writeNiciraAction(writer, action, listsAt(depth));
    return;
  }
  switch (action.type) {
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
    default:
      writeNumbers(writer, action);
  }
}

/** Actions of a number or two, or none. */
function writeNumbers(writer: Writer, action: NumberAction): void {
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

function writeSetField(writer: Writer, action: SetField | SetCtField): void {
  writeFieldHeader(writer, action.field, false, FIELDS[action.field].bytes);
  writeValue(writer, action.field, action.value);
}

/** Reads actions up to the cursor's end. */
export function readActions(cursor: Cursor): Action[] {
  return readList(cursor.as('action'), 0, SETTABLE) as Action[];
}

/** Where the actions of a list stand, which decides what a set-field among them may write. */
type Scope = typeof SETTABLE | typeof IN_CT;

function readList(cursor: Cursor, depth: number, scope: Scope): AnyAction[] {
  const actions: AnyAction[] = [];
  while (cursor.left > 0) actions.push(readAction(cursor, depth, scope));
  return actions;
}

function readAction(cursor: Cursor, depth: number, scope: Scope): AnyAction {
  const number = cursor.u16();
  const length = cursor.u16();
  if (length < 8 || length % 8 !== 0) {
    throw cursor.fault('bad-size', `action ${number} has a length of ${length} bytes`);
  }
  const body = cursor.part(length - 4);
  const type = ACTION_OF_NUMBER.get(number);
  if (type === undefined) throw cursor.fault('unknown-action', `there is no action type ${number}`);
  const action = readActionBody(type, body, depth, scope);
  body.close(`action ${action.type}`);
  return action;
}

function readActionBody(type: ActionType, body: Cursor, depth: number, scope: Scope): AnyAction {
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
      return readSetField(body, scope);
    case 'experimenter':
      return readExperimenterAction(body, depth, scope);
    default:
      return padded(body, 4, { type } satisfies BareAction);
  }
}

function padded<A extends Action>(body: Cursor, bytes: number, action: A): A {
  body.skip(bytes);
  return action;
}

const BAD_SET_LEN = wireError('BAD_ACTION', 'BAD_SET_LEN');

function readSetField(body: Cursor, scope: Scope): SetField | SetCtField | SetRawField {
  const whole = body.fork();
  const { name, hasMask, bytes } = readFieldHeader(body);
  if (bytes > body.left) throw body.fault('truncated', `set-field has ${bytes} bytes of payload`, BAD_SET_LEN);
  const payload = body.part(bytes);
  // Whatever the field, what is left is padding up to the action's length, which is a multiple of 8.
  if (body.left >= 8) throw body.fault('bad-size', `set-field has ${body.left} bytes too many`, BAD_SET_LEN);
  body.skip(body.left);
  if (name === undefined || hasMask || FIELDS[name].settable !== scope) {
    return { type: 'set-raw-field', raw: readRawField(whole) };
  }
  if (bytes !== FIELDS[name].bytes) {
    throw payload.fault('bad-size', `set-field ${name} has ${bytes} bytes of payload`, BAD_SET_LEN);
  }
  const value: Value = readValue(payload, name);
  return { type: 'set-field', field: name, value } as SetField;
}

function readExperimenterAction(body: Cursor, depth: number, scope: Scope): AnyAction {
  const experimenter = body.u32();
  const attempt = body.fork();
  const known = experimenter === NX_EXPERIMENTER ? readNiciraAction(attempt, listsAt(depth)) : undefined;
  // A translation outside of nx-ct has no meaning, so it has no type there.
  if (known === undefined || (known.type === 'nx-nat' && scope !== IN_CT)) {
    return { type: 'experimenter', experimenter, body: body.rest() };
  }
  body.skip(body.left);
  return known;
}
