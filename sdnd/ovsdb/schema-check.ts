// Whether a server's schema (RFC 7047, 3.2) has the tables and columns that are declared here, of the same types. What else
// it has is its own business: newer versions add columns.
import { isObject, type JsonObject, type JsonValue, memberOf, shorten } from './json.ts';
import type { Table } from './table.ts';
import type { ColumnType } from './values.ts';

/** One sentence per column that is missing or of another type; none when the tables can be used. */
export function schemaFaults(schema: JsonObject, tables: readonly Table[]): string[] {
  return tables.flatMap((of) => {
    const columns = within(schema, ['tables', of.name, 'columns']);
    if (!isObject(columns)) return [`there is no table ${of.name}`];
    return Object.entries(of.columns).flatMap(([name, type]) =>
      columnFaults(`${of.name}.${name}`, columns, name, type),
    );
  });
}

function columnFaults(title: string, columns: JsonObject, name: string, type: ColumnType): string[] {
  const column = memberOf(columns, name);
  if (!isObject(column)) return [`there is no column ${title}`];
  const said = memberOf(column, 'type');
  const found = readType(said);
  const wanted = describeType(type);
  return found === wanted ? [] : [`${title} is ${found ?? shorten(said)}, not ${wanted}`];
}

function describeType(type: ColumnType): string {
  if (type.form === 'map') return `map of ${type.key} to ${type.value}`;
  return `${type.form} of ${type.key}${type.refTable === undefined ? '' : ` of ${type.refTable}`}`;
}

/** The same words for a type as a schema says it; undefined for one that no column here can be. */
function readType(json: JsonValue | undefined): string | undefined {
  if (typeof json === 'string') return `one of ${json}`;
  if (!isObject(json)) return undefined;
  const key = readBase(memberOf(json, 'key'));
  const value = memberOf(json, 'value');
  if (key === undefined) return undefined;
  if (value !== undefined) return `map of ${key} to ${readBase(value)}`;
  const min = memberOf(json, 'min') ?? 1;
  const max = memberOf(json, 'max') ?? 1;
  if (max !== 1) return `set of ${key}`;
  return `${min === 1 ? 'one' : 'optional'} of ${key}`;
}

function readBase(json: JsonValue | undefined): string | undefined {
  if (typeof json === 'string') return json;
  if (!isObject(json)) return undefined;
  const kind = memberOf(json, 'type');
  const table = memberOf(json, 'refTable');
  if (typeof kind !== 'string') return undefined;
  return typeof table === 'string' ? `${kind} of ${table}` : kind;
}

function within(schema: JsonObject, path: readonly string[]): JsonValue | undefined {
  let found: JsonValue | undefined = schema;
  for (const name of path) found = isObject(found) ? memberOf(found, name) : undefined;
  return found;
}
