// MessagePack of plain data: maps, arrays, strings, numbers, booleans, null and binary. Never extension types, so that
// bytes from a peer become data and nothing else, and never more memory than the bytes themselves call for.
import { Packr } from 'msgpackr';
import { messageOf } from './errors.ts';
import { messagePackFault } from './messagepack-scan.ts';

/** What the library can do beyond its published types. */
const options = {
  // Plain maps: every reader knows them, and no table of shapes is shared between two records.
  useRecords: false,
  // An absent optional field and one that is undefined are the same thing.
  skipValues: [undefined],
  encodeUndefinedAsNil: true,
  // A number where it is exact, a bigint above 2^53.
  int64AsType: 'auto',
  // A decoded piece must not keep an 8 MB frame alive.
  copyBuffers: true,
};
const packr = new Packr(options as unknown as ConstructorParameters<typeof Packr>[0]);

/** Bytes of a plain value; fields that are undefined are left out. */
export function encodeMessagePack(value: unknown): Uint8Array {
  return packr.pack(value);
}

export type Decoded = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly fault: string };

/** The value in the bytes, or why they are not exactly one plain value. Binary comes as Uint8Array. */
export function decodeMessagePack(bytes: Uint8Array): Decoded {
  const fault = messagePackFault(bytes);
  if (fault !== undefined) return { ok: false, fault };
  try {
    return { ok: true, value: packr.unpack(bytes) };
  } catch (error) {
    return { ok: false, fault: messageOf(error) };
  }
}
