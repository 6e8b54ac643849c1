// JSON as types, and the looks at parsed values that every room here needs. Nothing is known here of OVSDB.

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;

export interface JsonObject {
  readonly [name: string]: JsonValue;
}

/** What `JSON.parse` gave, as a type. Only for its results: nothing is looked at. */
export function parseJson(text: string): JsonValue {
  return JSON.parse(text) as JsonValue;
}

export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !isList(value);
}

export function isList(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value);
}

/** The member of that name; undefined where there is none, whatever prototypes say. */
export function memberOf(object: JsonObject, name: string): JsonValue | undefined {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

/** The value in few enough characters for a line of a log. */
export function shorten(value: JsonValue | undefined): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length <= SHORT_CHARACTERS ? text : `${text.slice(0, SHORT_CHARACTERS)}...`;
}

const SHORT_CHARACTERS = 120;
