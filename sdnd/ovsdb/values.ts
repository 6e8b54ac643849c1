// The values of OVSDB's columns as values of TypeScript, both ways (RFC 7047, 5.1). A column's type says which: an atom, one
// or none, a set, a map. Sets come sorted and without doubles, so that equal sets are equal lists.
import { isList, type JsonValue, shorten } from './json.ts';

declare const uuidBrand: unique symbol;

/** A row's name for ever, as the server gave it: lower case with hyphens. */
export type Uuid = string & { readonly [uuidBrand]: true };

/** A row that an earlier or later operation of the same transaction inserts under that name (RFC 7047, 5.2.1). */
export interface NamedUuid {
  readonly named: string;
}

/** How a reference to a row can be written; what is read is always a `Uuid`. */
export type RowReference = Uuid | NamedUuid;

export type AtomKind = 'string' | 'integer' | 'real' | 'boolean' | 'uuid';

/** What an atom of a kind is in TypeScript. Integers beyond 2^53 are refused: no column that is used here has any. */
export interface AtomOf {
  readonly string: string;
  readonly integer: number;
  readonly real: number;
  readonly boolean: boolean;
  readonly uuid: Uuid;
}

/** A column's type. `refTable`: the table whose rows the uuids name. */
export type ColumnType =
  | { readonly form: 'one' | 'optional' | 'set'; readonly key: AtomKind; readonly refTable?: string }
  | { readonly form: 'map'; readonly key: AtomKind; readonly value: AtomKind };

/** What a column holds when it is read. */
export type ValueOf<C extends ColumnType> = C extends { form: 'map'; key: infer K; value: infer V }
  ? ReadonlyMap<AtomOf[K & AtomKind], AtomOf[V & AtomKind]>
  : C extends { form: 'set'; key: infer K }
    ? readonly AtomOf[K & AtomKind][]
    : C extends { form: 'optional'; key: infer K }
      ? AtomOf[K & AtomKind] | undefined
      : C extends { form: 'one'; key: infer K }
        ? AtomOf[K & AtomKind]
        : never;

type Writable<A> = A extends Uuid ? RowReference : A;

/** What a column can be set to: as `ValueOf`, but rows of the same transaction can be named. */
export type InputOf<C extends ColumnType> = C extends { form: 'map' }
  ? ValueOf<C>
  : C extends { form: 'set'; key: infer K }
    ? readonly Writable<AtomOf[K & AtomKind]>[]
    : Writable<ValueOf<C>>;

/** A server's value is not of the column's type. */
export class BadValue extends Error {
  override readonly name = 'BadValue';
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** @throws BadValue */
export function uuidOf(text: string): Uuid {
  if (!UUID.test(text)) throw new BadValue(`${shorten(text)} is no uuid`);
  return text as Uuid;
}

/** Reads a column's value. @throws BadValue when it is of another type */
export function decodeValue<C extends ColumnType>(type: C, json: JsonValue): ValueOf<C> {
  return decode(type, json) as ValueOf<C>;
}

function decode(type: ColumnType, json: JsonValue): unknown {
  if (type.form === 'map') return new Map(pairsOf(json).map(([key, value]) => decodePair(type, key, value)));
  if (type.form === 'one') return decodeAtom(type.key, json);
  const atoms = membersOf(json).map((member) => decodeAtom(type.key, member));
  if (type.form === 'set') return sorted(atoms);
  if (atoms.length > 1) throw new BadValue(`${atoms.length} values where at most one can be`);
  return atoms[0];
}

function decodePair(type: { key: AtomKind; value: AtomKind }, key: JsonValue, value: JsonValue) {
  return [decodeAtom(type.key, key), decodeAtom(type.value, value)] as const;
}

// A set of exactly one member may be written as that member (RFC 7047, 5.1, <set>).
function membersOf(json: JsonValue): readonly JsonValue[] {
  if (!isList(json) || json[0] !== 'set') return [json];
  if (!isList(json[1]) || json.length !== 2) throw new BadValue(`${shorten(json)} is no set`);
  return json[1];
}

function pairsOf(json: JsonValue): (readonly [JsonValue, JsonValue])[] {
  if (!isList(json) || json[0] !== 'map' || !isList(json[1]) || json.length !== 2) {
    throw new BadValue(`${shorten(json)} is no map`);
  }
  return json[1].map((pair) => {
    const [key, value] = isList(pair) && pair.length === 2 ? pair : [];
    if (key === undefined || value === undefined) throw new BadValue(`${shorten(pair)} is no pair`);
    return [key, value];
  });
}

function decodeAtom(kind: AtomKind, json: JsonValue): string | number | boolean {
  if (kind === 'uuid') {
    if (isList(json) && json.length === 2 && json[0] === 'uuid' && typeof json[1] === 'string') return uuidOf(json[1]);
  } else if (kind === 'integer') {
    if (typeof json === 'number' && Number.isSafeInteger(json)) return json;
  } else if (kind === 'real') {
    if (typeof json === 'number') return json;
  } else if (typeof json === kind && (typeof json === 'string' || typeof json === 'boolean')) {
    return json;
  }
  throw new BadValue(`${shorten(json)} is no ${kind}`);
}

function sorted<T extends string | number | boolean>(atoms: readonly T[]): T[] {
  return [...new Set(atoms)].sort((a, b) => (a < b ? -1 : Number(a > b)));
}

/** Writes a column's value. */
export function encodeValue<C extends ColumnType>(type: C, value: InputOf<C>): JsonValue {
  return encode(type, value);
}

function encode(type: ColumnType, value: unknown): JsonValue {
  if (value instanceof Map) {
    const pairs = [...value].map(([key, one]) => [encodeAtom(type.key, key), encodeAtom(valueKind(type), one)]);
    return ['map', pairs];
  }
  if (Array.isArray(value)) return ['set', value.map((member) => encodeAtom(type.key, member))];
  return value === undefined ? ['set', []] : encodeAtom(type.key, value);
}

function valueKind(type: ColumnType): AtomKind {
  return type.form === 'map' ? type.value : type.key;
}

function encodeAtom(kind: AtomKind, value: unknown): JsonValue {
  if (kind === 'uuid' && typeof value === 'string') return ['uuid', value];
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  if (typeof value === 'object' && value !== null && 'named' in value) return ['named-uuid', String(value.named)];
  throw new TypeError(`${String(value)} cannot be written as ${kind}`);
}
