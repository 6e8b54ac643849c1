// The union of what a switch may do to a packet, and the short ways to write the usual ones. Holds no bytes.

import type { FieldValue, SettableField } from './fields.ts';
import type { NiciraAction } from './nicira/action-types.ts';
import type { RawField } from './oxm.ts';

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

/** One action of the specification (OpenFlow 1.3.5, 7.2.5). */
export type StandardAction =
  | Output
  | BareAction
  | EthTypeAction
  | TtlAction
  | SetQueue
  | GroupAction
  | SetField
  | SetRawField
  | ExperimenterAction;

/** One action, of the specification or of Nicira's. */
export type Action = StandardAction | NiciraAction;

/** Sends to a port; to the controller the whole packet, unless `maxBytes` says less. */
export function output(port: number, maxBytes: number = CONTROLLER_WHOLE_PACKET): Output {
  return { type: 'output', port, maxBytes };
}

/** Writes `value` into `field`; a value of another field's type does not compile. */
export function setField<F extends SettableField>(field: F, value: FieldValue<F>): SetField {
  return { type: 'set-field', field, value } as SetField;
}
