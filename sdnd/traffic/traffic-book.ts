// What each guest of a node has sent to whom, added up from the kernel's counters, which begin anew whenever an entry, a
// table or the machine does. What was seen of each counter is kept beside the sums, so that nothing is counted twice,
// whenever the agent ended. Pure; its state is what is kept on disk.
import { Type } from '#typebox';
import type { SentFigures } from '../../wire/contracts/traffic.ts';
import { Bytes, Name } from '../../wire/names.ts';
import type { Counted, TapTable } from './tap-tables.ts';

/** Receivers of one guest that are kept apart for ever; what it sends to others is summed. */
const RECEIVERS_MAX = 4_096;
/** Of all guests together: so many, some 100 bytes each, are told in one answer (`FRAME_BYTES_MAX` of the calls, 8 MiB). */
const ROWS_MAX = 65_536;
/** Guests that were here; of more, those that came first are forgotten. */
const OWNERS_MAX = 1_024;
/** For the sum over the receivers that are not kept apart. */
export const REST = 'rest';

const Row = Type.Object({ to: Type.String(), bytes: Bytes, frames: Type.Integer({ minimum: 0 }) });
const Rows = Type.Object({ owner: Name, rows: Type.Array(Row) });

export const TrafficState = Type.Object({
  sums: Type.Array(Rows),
  /** As last read, by table. */
  seen: Type.Array(Type.Object({ table: Type.String(), owner: Name, rows: Type.Array(Row) })),
});
export type TrafficState = Type.Static<typeof TrafficState>;

interface Sum {
  bytes: number;
  frames: number;
}

interface Seen {
  readonly owner: string;
  readonly rows: ReadonlyMap<string, Counted>;
}

export class TrafficBook {
  readonly #sums = new Map<string, Map<string, Sum>>();
  #seen = new Map<string, Seen>();
  /** In all sums. */
  #rows = 0;

  constructor(state: TrafficState = { sums: [], seen: [] }) {
    for (const { owner, rows } of state.sums)
      this.#sums.set(owner, new Map(rows.map(({ to, bytes, frames }) => [to, { bytes, frames }])));
    for (const { size } of this.#sums.values()) this.#rows += size;
    for (const { table, owner, rows } of state.seen) this.#seen.set(table, { owner, rows: byReceiver(rows) });
  }

  get state(): TrafficState {
    return {
      sums: [...this.#sums].map(([owner, sums]) => ({ owner, rows: rowsOf(sums) })),
      seen: [...this.#seen].map(([table, { owner, rows }]) => ({ table, owner, rows: [...rows.values()] })),
    };
  }

  get sent(): SentFigures[] {
    return [...this.#sums].flatMap(([owner, sums]) => rowsOf(sums).map((row) => ({ owner, ...row })));
  }

  /** Adds what is new in all tables that there are. `ownerOf`: of a table that was not seen before. */
  take(tables: readonly TapTable[], ownerOf: (table: string) => string | undefined): void {
    const now = new Map<string, Seen>();
    for (const { name, counted } of tables) {
      const before = this.#seen.get(name);
      const owner = before?.owner ?? ownerOf(name);
      if (owner === undefined) continue;
      for (const row of counted) this.#add(owner, since(row, before?.rows.get(row.to)));
      now.set(name, { owner, rows: byReceiver(counted) });
    }
    this.#seen = now;
  }

  #add(owner: string, { to, bytes, frames }: Counted): void {
    if (frames === 0) return;
    const sums = this.#sums.get(owner) ?? this.#begin(owner);
    const isRoom = sums.size < RECEIVERS_MAX && this.#rows < ROWS_MAX;
    const key = sums.has(to) || isRoom ? to : REST;
    if (!sums.has(key)) this.#rows++;
    const sum = sums.get(key) ?? { bytes: 0, frames: 0 };
    sum.bytes += bytes;
    sum.frames += frames;
    sums.set(key, sum);
  }

  #begin(owner: string): Map<string, Sum> {
    const sums = new Map<string, Sum>();
    this.#sums.set(owner, sums);
    const here = new Set([...this.#seen.values()].map((seen) => seen.owner));
    const oldest = [...this.#sums.keys()].find((known) => known !== owner && !here.has(known));
    if (this.#sums.size <= OWNERS_MAX || oldest === undefined) return sums;
    this.#rows -= this.#sums.get(oldest)?.size ?? 0;
    this.#sums.delete(oldest);
    return sums;
  }
}

/** A counter that is below what was seen of it has begun anew. */
function since(now: Counted, before: Counted | undefined): Counted {
  if (before === undefined || now.frames < before.frames || now.bytes < before.bytes) return now;
  return { to: now.to, bytes: now.bytes - before.bytes, frames: now.frames - before.frames };
}

function byReceiver(rows: readonly Counted[]): Map<string, Counted> {
  return new Map(rows.map((row) => [row.to, row]));
}

function rowsOf(sums: ReadonlyMap<string, Sum>): Counted[] {
  return [...sums].map(([to, { bytes, frames }]) => ({ to, bytes, frames }));
}
