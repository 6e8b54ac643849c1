// Nicira's actions that send the packet to a controller of choice.

import type { Cursor } from '../cursor.ts';
import { readProperties, writeOptional } from '../properties.ts';
import type { Writer } from '../writer.ts';
import type { NiciraCodec } from './action-codec.ts';
import type { NxController, NxController2, NxDecTtl } from './action-types.ts';

export const controllerCodec: NiciraCodec<NxController> = {
  subtype: 20,
  write(writer, action) {
    writer.u16(action.maxBytes, 'controller maxBytes');
    writer.u16(action.controllerId, 'controllerId');
    writer.u8(action.reason, 'controller reason');
    writer.pad(1);
  },
  read: (body) => ({
    type: 'nx-controller',
    maxBytes: body.u16(),
    controllerId: body.u16(),
    reason: body.u8(),
  }),
};

// enum nx_action_controller2_prop_type.
const ControllerProperty = { maxBytes: 0, controllerId: 1, reason: 2, userdata: 3, pause: 4 } as const;

export const controller2Codec: NiciraCodec<NxController2> = {
  subtype: 37,
  write(writer, { maxBytes, controllerId, reason, userdata, pause }) {
    const put = <T>(property: number, value: T | undefined, write: (value: T) => void): void =>
      writeOptional(writer, property, value, write);
    writer.pad(6);
    put(ControllerProperty.maxBytes, maxBytes, (bytes) => writePadded16(writer, bytes, 'controller maxBytes'));
    put(ControllerProperty.controllerId, controllerId, (id) => writePadded16(writer, id, 'controllerId'));
    put(ControllerProperty.reason, reason, (number) => writer.u8(number, 'controller reason'));
    put(ControllerProperty.userdata, userdata, (bytes) => writer.bytes(bytes));
    put(ControllerProperty.pause, pause, () => undefined);
  },
  read(body) {
    body.skip(6);
    let action: NxController2 | undefined = { type: 'nx-controller2' };
    readProperties(body.part(body.left), (type, value) => {
      const part = readControllerPart(type, value);
      action = action === undefined || part === undefined ? undefined : { ...action, ...part };
    });
    return action;
  },
};

/** 16 bits in room for 32, which the property's length counts. */
function writePadded16(writer: Writer, value: number, name: string): void {
  writer.u16(value, name);
  writer.pad(2);
}

function readControllerPart(type: number, value: Cursor): Partial<NxController2> | undefined {
  switch (type) {
    case ControllerProperty.maxBytes:
      return { maxBytes: value.u16() };
    case ControllerProperty.controllerId:
      return { controllerId: value.u16() };
    case ControllerProperty.reason:
      return { reason: value.u8() };
    case ControllerProperty.userdata:
      return { userdata: value.rest() };
    case ControllerProperty.pause:
      return { pause: true };
    default:
      return undefined;
  }
}

export const decTtlCodec: NiciraCodec<NxDecTtl> = {
  subtype: 21,
  write(writer, { controllerIds }) {
    writer.u16(controllerIds.length, 'number of controllers');
    writer.pad(4);
    for (const id of controllerIds) writer.u16(id, 'controllerId');
  },
  read(body) {
    const count = body.u16();
    body.skip(4);
    return { type: 'nx-dec-ttl', controllerIds: Array.from({ length: count }, () => body.u16()) };
  },
};
