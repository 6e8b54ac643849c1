// What a monitor shows of a database, kept as typed rows (RFC 7047, 4.1.5 and 4.1.6). Takes whole updates or none of one;
// asks nothing.
import { isObject, type JsonObject, type JsonValue, memberOf, shorten } from './json.ts';
import { decodeRow, type Row, type Table } from './table.ts';
import { BadValue, type Uuid, uuidOf } from './values.ts';

type AnyRow = Row<Table>;

/** One row's change: undefined is its end. */
interface Change {
  readonly of: string;
  readonly uuid: Uuid;
  readonly row: AnyRow | undefined;
}

/** More rows than a switch can have ports for, of all tables together: a server gone mad. */
const ROWS_MAX = 500_000;

export class Replica {
  readonly #tables: ReadonlyMap<string, Table>;
  readonly #rows = new Map<string, Map<Uuid, AnyRow>>();

  constructor(tables: readonly Table[]) {
    this.#tables = new Map(tables.map((of) => [of.name, of]));
    for (const of of tables) this.#rows.set(of.name, new Map());
  }

  /** The rows of a table by uuid. */
  rows<T extends Table>(of: T): ReadonlyMap<Uuid, Row<T>> {
    return (this.#rows.get(of.name) ?? new Map()) as ReadonlyMap<Uuid, Row<T>>;
  }

  /** Takes what `monitor` answered, or an update. @throws BadValue; then nothing of it was taken, unless it was too much */
  apply(tables: JsonObject): void {
    const changes = Object.entries(tables).flatMap(([name, rows]) => this.#changesOf(name, rows));
    for (const { of, uuid, row } of changes) {
      if (row === undefined) this.#rows.get(of)?.delete(uuid);
      else this.#rows.get(of)?.set(uuid, row);
    }
    const count = [...this.#rows.values()].reduce((sum, { size }) => sum + size, 0);
    if (count > ROWS_MAX) throw new BadValue(`the database has more than ${ROWS_MAX} rows`);
  }

  #changesOf(name: string, rows: JsonValue): Change[] {
    const of = this.#tables.get(name);
    if (of === undefined || !isObject(rows))
      throw new BadValue(`an update of ${shorten(name)}, which is not monitored`);
    return Object.entries(rows).map(([uuid, change]) => changeOf(of, uuidOf(uuid), change));
  }
}

// `new` has all monitored columns, also of a row of which one changed; without it the row is gone.
function changeOf(of: Table, uuid: Uuid, json: JsonValue): Change {
  if (!isObject(json)) throw new BadValue(`a row of ${of.name} changed to ${shorten(json)}`);
  const now = memberOf(json, 'new');
  const before = memberOf(json, 'old');
  if (now === undefined && before === undefined) throw new BadValue(`a row of ${of.name} changed in no way`);
  return { of: of.name, uuid, row: now === undefined ? undefined : decodeRow(of, uuid, now) };
}
