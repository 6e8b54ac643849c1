// etcd's messages as its JSON gateway has them (etcd 3.4 and later, rpc.proto in proto3's JSON mapping: bytes are base64,
// 64-bit integers are decimal strings, fields with their default value are left out). Builds requests and reads replies;
// sends nothing.
import { type Static, type TSchema, Type } from '#typebox';
import { SchemaCheck } from '../../common/schema-check.ts';

const Int64 = Type.String({ pattern: '^[0-9]{1,19}$' });
const KeyValue = Type.Object({
  key: Type.String(),
  value: Type.Optional(Type.String()),
  mod_revision: Type.Optional(Int64),
});
const Header = Type.Object({ revision: Type.Optional(Int64) });

const RangeReply = Type.Object({
  header: Header,
  kvs: Type.Optional(Type.Array(KeyValue)),
  more: Type.Optional(Type.Boolean()),
});
const TxnReply = Type.Object({
  header: Header,
  succeeded: Type.Optional(Type.Boolean()),
  responses: Type.Optional(
    Type.Array(
      Type.Object({
        response_range: Type.Optional(Type.Object({ kvs: Type.Optional(Type.Array(KeyValue)) })),
      }),
    ),
  ),
});
/** 3.4 and 3.5 say `error` and `code`, 3.6 `message` and `code`. */
const Refusal = Type.Object({
  error: Type.Optional(Type.String()),
  message: Type.Optional(Type.String()),
  code: Type.Optional(Type.Integer()),
});

/** gRPC's code for an error that has none. */
const UNKNOWN = 2;

const rangeCheck = new SchemaCheck(RangeReply);
const txnCheck = new SchemaCheck(TxnReply);
const refusalCheck = new SchemaCheck(Refusal);

/** A key's value and the revision of the store at which it was last written. */
export interface EtcdRecord {
  readonly key: string;
  readonly value: string;
  readonly revision: number;
}

/** One page of a range, and the revision of the store at which it was read. */
export interface EtcdPage {
  readonly revision: number;
  readonly records: EtcdRecord[];
  readonly more: boolean;
}

/** What a transaction demands: the revision of the key's last write, 0 for a key that must not exist. */
export interface EtcdCondition {
  readonly key: string;
  readonly revision: number;
}

/** What a transaction does; no value deletes. */
export interface EtcdWrite {
  readonly key: string;
  readonly value: string | undefined;
}

/** Keys of `[key, end)`, or the one key; at a revision of the past, or now. Linearizable, which is etcd's default. */
export function rangeRequest(key: string, end?: string, limit?: number, revision?: number): object {
  return { key: bytes(key), range_end: end && bytes(end), limit, revision };
}

/** Writes all, if the conditions hold. */
export function writeRequest(conditions: readonly EtcdCondition[], writes: readonly EtcdWrite[]): object {
  return {
    compare: conditions.map(comparison),
    success: writes.map(({ key, value }) =>
      value === undefined
        ? { request_delete_range: { key: bytes(key) } }
        : { request_put: { key: bytes(key), value: bytes(value) } },
    ),
  };
}

/** Reads all at one moment, if the condition holds. */
export function readRequest(condition: EtcdCondition, keys: readonly string[]): object {
  return {
    compare: [comparison(condition)],
    success: keys.map((key) => ({ request_range: { key: bytes(key) } })),
  };
}

function comparison({ key, revision }: EtcdCondition): object {
  return { key: bytes(key), target: 'MOD', result: 'EQUAL', mod_revision: String(revision) };
}

/** @throws Error that says what is wrong with the reply */
export function readPage(reply: unknown): EtcdPage {
  const { header, kvs = [], more = false } = checked(rangeCheck, reply);
  return { revision: integer(header.revision), records: kvs.map(recordOf), more };
}

/** The revision that the transaction made, and what it read; undefined if a condition did not hold. @throws Error as above */
export function readTxn(reply: unknown): { revision: number; records: EtcdRecord[] } | undefined {
  const { header, succeeded = false, responses = [] } = checked(txnCheck, reply);
  if (!succeeded) return undefined;
  const kvs = responses.flatMap(({ response_range: range }) => range?.kvs ?? []);
  return { revision: integer(header.revision), records: kvs.map(recordOf) };
}

/** What etcd says where it refuses, and gRPC's code for it (status codes of grpc.io), if it is such a message. */
export function readRefusal(reply: unknown): { message: string; code: number } | undefined {
  if (!refusalCheck.accepts(reply)) return undefined;
  const { error, message = error, code = UNKNOWN } = reply;
  return message === undefined ? undefined : { message, code };
}

function recordOf({ key, value, mod_revision }: Static<typeof KeyValue>): EtcdRecord {
  return { key: text(key), value: text(value), revision: integer(mod_revision) };
}

function checked<S extends TSchema>(check: SchemaCheck<S>, reply: unknown): Static<S> {
  if (check.accepts(reply)) return reply;
  throw new Error(readRefusal(reply)?.message ?? `its reply is not etcd's: ${check.fault(reply)}`);
}

function bytes(value: string): string {
  return Buffer.from(value).toString('base64');
}

function text(base64 = ''): string {
  return Buffer.from(base64, 'base64').toString();
}

/** Revisions count writes: 2^53 of them are beyond any cluster's life. */
function integer(decimal = '0'): number {
  const value = Number(decimal);
  if (Number.isSafeInteger(value)) return value;
  throw new Error(`its reply is not etcd's: the revision ${decimal}`);
}
