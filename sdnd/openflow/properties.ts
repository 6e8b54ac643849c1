// Lists of properties, each of a type, a length and a body, filled up to a multiple of 8 bytes: the form of table features
// and of Nicira's newer structures. Must not know any single property.

import type { Cursor } from './cursor.ts';
import type { Writer } from './writer.ts';

/** Bytes of a property in front of its body. */
const PROPERTY_HEADER_BYTES = 4;

/** Writes one property; its length leaves the filling out. */
export function writeProperty(writer: Writer, type: number, writeBody: () => void): void {
  const start = writer.at;
  writer.u16(type, 'property type');
  const length = writer.length();
  writeBody();
  writer.setLength(length, start);
  writer.pad8(start);
}

/** Writes a property whose value is there; one that is absent is not written. */
export function writeOptional<T>(writer: Writer, type: number, value: T | undefined, write: (value: T) => void): void {
  if (value !== undefined) writeProperty(writer, type, () => write(value));
}

/** Reads properties up to the cursor's end. */
export function readProperties(cursor: Cursor, read: (type: number, body: Cursor) => void): void {
  while (cursor.left > 0) {
    const type = cursor.u16();
    const length = cursor.u16();
    if (length < PROPERTY_HEADER_BYTES) throw cursor.fault('bad-size', `property ${type} is ${length} bytes long`);
    const body = cursor.part(length - PROPERTY_HEADER_BYTES);
    // Of the last property, some senders leave the filling out.
    cursor.skip(Math.min(cursor.left, (8 - (length % 8)) % 8));
    read(type, body);
  }
}
