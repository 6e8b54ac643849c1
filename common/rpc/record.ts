// What crosses a connection of calls: five kinds of record, each one WebSocket message in MessagePack. A codec: bytes
// in, record or fault out; it knows no contract.
import { type Static, Type } from '#typebox';
import { decodeMessagePack, encodeMessagePack } from '../messagepack.ts';
import { SchemaCheck } from '../schema-check.ts';

/**
 * The longest record. A status of 1,000 VMs or the console's tail is below 2 MB; blocks and memory do not travel here.
 * It is also what a peer can make us hold before we know what it is.
 */
export const FRAME_BYTES_MAX = 8 * 1024 * 1024;

/** A caller's number for a call on one connection: it only grows. */
const Id = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER });

export const RpcRecord = Type.Union([
  Type.Object({ kind: Type.Literal('request'), id: Id, name: Type.String({ maxLength: 100 }), params: Type.Unknown() }),
  Type.Object({ kind: Type.Literal('cancel'), id: Id }),
  Type.Object({ kind: Type.Literal('progress'), id: Id, value: Type.Unknown() }),
  Type.Object({ kind: Type.Literal('result'), id: Id, value: Type.Unknown() }),
  Type.Object({
    kind: Type.Literal('error'),
    id: Id,
    code: Type.String({ maxLength: 100 }),
    message: Type.String(),
    remedy: Type.String(),
  }),
]);
export type RpcRecord = Static<typeof RpcRecord>;

/** A record as bytes, or that it is too long to be sent. */
export type EncodedRecord =
  | { readonly ok: true; readonly bytes: Uint8Array }
  | { readonly ok: false; readonly lengthBytes: number };

/** A record, or why the bytes are none. */
export type DecodedRecord =
  | { readonly ok: true; readonly record: RpcRecord }
  | { readonly ok: false; readonly fault: string };

const check = new SchemaCheck(RpcRecord);

/** The bytes of a record. */
export function encodeRecord(record: RpcRecord): EncodedRecord {
  const bytes = encodeMessagePack(record);
  return bytes.length <= FRAME_BYTES_MAX ? { ok: true, bytes } : { ok: false, lengthBytes: bytes.length };
}

/** The record in one message. */
export function decodeRecord(bytes: Uint8Array): DecodedRecord {
  const decoded = decodeMessagePack(bytes);
  if (!decoded.ok) return decoded;
  if (!check.accepts(decoded.value)) return { ok: false, fault: check.fault(decoded.value) };
  return { ok: true, record: decoded.value };
}
