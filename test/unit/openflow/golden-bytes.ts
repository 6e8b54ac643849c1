// A message beside its bytes, written by hand from the structures of the OpenFlow 1.3.5 specification, field by field.
import { decode, encode, type Message } from '@openflow/ofp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

/** Bytes of hexadecimal digits; white space and what follows `//` says nothing. */
export function bytesOf(hex: string): Uint8Array {
  const digits = hex.replaceAll(/\/\/.*$/gm, '').replaceAll(/\s/g, '');
  return Uint8Array.from({ length: digits.length / 2 }, (_, i) => Number.parseInt(digits.slice(i * 2, i * 2 + 2), 16));
}

export function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** The message is written as these bytes and these bytes are read as the message. */
export function golden(name: string, xid: number, message: Message, hex: string): void {
  test(name, () => {
    const bytes = bytesOf(hex);
    assert.is(hexOf(encode(message, xid)), hexOf(bytes));
    assert.equal(decode(bytes), { kind: 'message', message, xid, version: 4, bytes: bytes.length });
  });
}
