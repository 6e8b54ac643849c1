// What a transaction answered, operation by operation (RFC 7047, 4.1.3), as typed values. An answer that does not fit its
// operation is the server's rubbish; one that says that an operation failed is an error naming the operation.
import { OperationError } from '../../common/errors.ts';
import { isList, isObject, type JsonObject, type JsonValue, memberOf, shorten } from './json.ts';
import type { Operation } from './operations.ts';
import { decodeRow, type Row, type Table } from './table.ts';
import { BadValue, decodeValue, type Uuid, uuidOf } from './values.ts';

/** What one operation answered. */
export interface OperationResult {
  /** `insert`: the new row's name. */
  readonly uuid?: Uuid;
  /** `update`, `mutate`, `delete`: rows that the condition met. */
  readonly count?: number;
  /** `select`: see `rowsOf`. */
  readonly rows?: readonly JsonObject[];
}

/** The place in a transaction that failed; what it did before is undone. */
export class TransactionFailed extends OperationError {
  /** Which operation, from 0; undefined when all went well until the commit (a referenced row, a name that is taken). */
  readonly index: number | undefined;
  /** The server's word for it: `constraint violation`, `timed out`, `not owner` (RFC 7047, 4.1.3 and 5.2). */
  readonly error: string;

  constructor(operations: readonly Operation[], index: number, answer: JsonObject) {
    const error = textOf(answer, 'error');
    const details = textOf(answer, 'details');
    const operation = operations[index];
    const place = operation === undefined ? 'the commit' : `operation ${index} (${describe(operation)})`;
    super('OVSDB_REFUSED', `a transaction failed at ${place}: ${error}${details === '' ? '' : `: ${details}`}`);
    this.index = operation === undefined ? undefined : index;
    this.error = error;
  }
}

function describe(operation: Operation): string {
  const table = memberOf(operation, 'table');
  return typeof table === 'string' ? `${operation.op} ${table}` : operation.op;
}

function textOf(answer: JsonObject, name: string): string {
  const text = memberOf(answer, name);
  return typeof text === 'string' ? text : '';
}

/** Reads a transaction's answer. @throws TransactionFailed; BadValue when it is no answer to these operations */
export function resultsOf(operations: readonly Operation[], json: JsonValue): OperationResult[] {
  if (!isList(json)) throw new BadValue(`a transaction was answered with ${shorten(json)}`);
  const failed = json.findIndex((one) => isObject(one) && memberOf(one, 'error') !== undefined);
  const failure = json[failed];
  if (isObject(failure)) throw new TransactionFailed(operations, failed, failure);
  if (json.length !== operations.length) {
    throw new BadValue(`${operations.length} operations were answered with ${json.length} results`);
  }
  return operations.map((operation, index) => resultOf(operation, json[index] ?? null));
}

function resultOf(operation: Operation, json: JsonValue): OperationResult {
  if (!isObject(json)) throw new BadValue(`${describe(operation)} was answered with ${shorten(json)}`);
  switch (operation.op) {
    case 'insert':
      return { uuid: decodeValue({ form: 'one', key: 'uuid' }, memberOf(json, 'uuid') ?? null) };
    case 'select':
      return { rows: objectsOf(memberOf(json, 'rows')) };
    case 'update':
    case 'mutate':
    case 'delete':
      return { count: decodeValue({ form: 'one', key: 'integer' }, memberOf(json, 'count') ?? null) };
    default:
      return {};
  }
}

function objectsOf(json: JsonValue | undefined): JsonObject[] {
  if (!isList(json) || !json.every(isObject)) throw new BadValue(`rows are ${shorten(json)}`);
  return [...json];
}

/** The rows of a `select` of that table. @throws BadValue */
export function rowsOf<T extends Table>(of: T, result: OperationResult | undefined): Row<T>[] {
  return (result?.rows ?? []).map((row) => {
    const uuid = memberOf(row, '_uuid');
    const text = isList(uuid) ? uuid[1] : undefined;
    return decodeRow(of, uuidOf(typeof text === 'string' ? text : ''), row);
  });
}
