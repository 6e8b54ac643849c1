// Nicira's connection tracking action, the translation of addresses within it, and what else may stand there.

import type { Action } from '../action-types.ts';
import type { Cursor } from '../cursor.ts';
import { EncodeError } from '../faults.ts';
import { IN_CT } from '../field-rows.ts';
import { FIELDS, type FieldName } from '../fields.ts';
import type { Writer } from '../writer.ts';
import {
  bitsOf,
  type NiciraCodec,
  readFieldId,
  readOffsetAndBits,
  writeOffsetAndBits,
  writeShortFieldId,
} from './action-codec.ts';
import type { CtNested, CtZone, NatRange, NxCt, NxNat } from './action-types.ts';

/** Bits of nx-ct's flags, NX_CT_F_*: remember the connection; take it over in this packet's direction. */
export const CtFlag = { commit: 1 << 0, force: 1 << 1 } as const;

/** `recircTable` of an nx-ct after which the packet does not go on, NX_CT_RECIRC_NONE. */
export const NX_CT_NO_TABLE = 0xff;

/** Bits of nx-nat's flags, NX_NAT_F_*: which address is translated, and how the port of a range is chosen. */
export const NatFlag = {
  source: 1 << 0,
  destination: 1 << 1,
  persistent: 1 << 2,
  protocolHash: 1 << 3,
  protocolRandom: 1 << 4,
} as const;

/** Bits of connection states in `ctState`, CS_* (ovs-fields(7), ct_state). */
export const CtState = {
  new: 1 << 0,
  established: 1 << 1,
  related: 1 << 2,
  reply: 1 << 3,
  invalid: 1 << 4,
  tracked: 1 << 5,
  sourceNat: 1 << 6,
  destinationNat: 1 << 7,
} as const;

/** Width of a zone. */
const ZONE_BITS = 16;

export const ctCodec: NiciraCodec<NxCt> = {
  subtype: 35,
  write(writer, action, lists) {
    writer.u16(action.flags, 'ct flags');
    writeZone(writer, action.zone);
    writer.u8(action.recircTable, 'ct recircTable');
    writer.pad(3);
    writer.u16(action.alg, 'ct alg');
    lists.write(writer, action.actions);
  },
  read(body, lists) {
    const flags = body.u16();
    const zone = readZone(body);
    const recircTable = body.u8();
    body.skip(3);
    const alg = body.u16();
    const actions = lists.readInCt(body.part(body.left));
    if (zone === undefined || !actions.every(isCtNested)) return undefined;
    return { type: 'nx-ct', flags, zone, recircTable, alg, actions };
  },
};

function writeZone(writer: Writer, zone: CtZone): void {
  if (typeof zone === 'number') {
    writer.u32(0, 'ct zone field');
    writer.u16(zone, 'ct zone');
    return;
  }
  if (zone.bits !== ZONE_BITS)
    throw new EncodeError('out-of-range', `a ct zone has ${ZONE_BITS} bits, not ${zone.bits}`);
  writeShortFieldId(writer, zone.field, 'ct');
  writeOffsetAndBits(writer, zone);
}

function readZone(body: Cursor): CtZone | undefined {
  if (body.fork().u32() === 0) {
    body.skip(4);
    return body.u16();
  }
  // The header has 4 bytes of room: that of an experimenter's field would take what follows for its id.
  const field = readFieldId(body.part(4));
  const zone = bitsOf(field, readOffsetAndBits(body));
  return zone?.bits === ZONE_BITS ? zone : undefined;
}

function isCtNested(action: Action | CtNested): action is CtNested {
  switch (action.type) {
    case 'nx-nat':
    case 'set-raw-field':
    case 'experimenter':
      return true;
    case 'set-field':
    case 'nx-reg-load2':
      return inCtOnly(action.field);
    case 'nx-reg-move':
    case 'nx-reg-load':
      return inCtOnly(action.to);
    default:
      return false;
  }
}

function inCtOnly(field: FieldName): boolean {
  return FIELDS[field].settable === IN_CT;
}

/** Bits that say which ends of the ranges follow, NX_NAT_RANGE_*, in the order in which they do. */
const RangePart = { ipv4Min: 1, ipv4Max: 2, ipv6Min: 4, ipv6Max: 8, portMin: 16, portMax: 32 } as const;

export const natCodec: NiciraCodec<NxNat> = {
  subtype: 36,
  write(writer, { flags, addresses, ports }) {
    writer.pad(2);
    writer.u16(flags, 'nat flags');
    writer.u16(partsOf(addresses, ports), 'nat range parts');
    if (addresses?.family === 'ipv4') {
      writer.u32(addresses.min, 'nat address');
      if (addresses.max !== undefined) writer.u32(addresses.max, 'nat address');
    } else if (addresses?.family === 'ipv6') {
      writer.u128(addresses.min, 'nat address');
      if (addresses.max !== undefined) writer.u128(addresses.max, 'nat address');
    }
    if (ports !== undefined) {
      writer.u16(ports.min, 'nat port');
      if (ports.max !== undefined) writer.u16(ports.max, 'nat port');
    }
  },
  read(body) {
    body.skip(2);
    const flags = body.u16();
    const parts = body.u16();
    if (!areSensible(parts)) return undefined;
    const addresses = readAddresses(body, parts);
    const ports = readPorts(body, parts);
    return { type: 'nx-nat', flags, ...(addresses && { addresses }), ...(ports && { ports }) };
  },
};

function partsOf(addresses: NatRange | undefined, ports: NxNat['ports']): number {
  const [min, max] =
    addresses?.family === 'ipv6' ? [RangePart.ipv6Min, RangePart.ipv6Max] : [RangePart.ipv4Min, RangePart.ipv4Max];
  return (
    (addresses === undefined ? 0 : min) +
    (addresses?.max === undefined ? 0 : max) +
    (ports === undefined ? 0 : RangePart.portMin) +
    (ports?.max === undefined ? 0 : RangePart.portMax)
  );
}

/** An upper end needs its lower one, and a translation has addresses of one family. */
function areSensible(parts: number): boolean {
  const lower = parts & (RangePart.ipv4Min | RangePart.ipv6Min | RangePart.portMin);
  const upper = parts & (RangePart.ipv4Max | RangePart.ipv6Max | RangePart.portMax);
  const bothFamilies = RangePart.ipv4Min | RangePart.ipv6Min;
  return (lower | upper) === parts && ((upper >> 1) & lower) === upper >> 1 && (lower & bothFamilies) !== bothFamilies;
}

function readAddresses(body: Cursor, parts: number): NatRange | undefined {
  if ((parts & RangePart.ipv4Min) !== 0) {
    const min = body.u32();
    return { family: 'ipv4', min, ...((parts & RangePart.ipv4Max) !== 0 && { max: body.u32() }) };
  }
  if ((parts & RangePart.ipv6Min) === 0) return undefined;
  const min = body.u128();
  return { family: 'ipv6', min, ...((parts & RangePart.ipv6Max) !== 0 && { max: body.u128() }) };
}

function readPorts(body: Cursor, parts: number): NxNat['ports'] | undefined {
  if ((parts & RangePart.portMin) === 0) return undefined;
  const min = body.u16();
  return { min, ...((parts & RangePart.portMax) !== 0 && { max: body.u16() }) };
}
