// The metadata contexts of an export ("Metadata querying"): their names, and which of them a client's queries mean.
// A codec: it knows what a status is called, never what it is.
import type { StatusKind } from './nbd-device.ts';

/** One kind of status under the name and the number by which clients know it. */
export interface MetaContext {
  readonly id: number;
  readonly name: string;
  readonly kind: StatusKind;
}

/** `base:allocation` is the protocol's. `supercloud:version` is defined in docs/NBD.md. */
export const META_CONTEXTS: readonly MetaContext[] = [
  { id: 1, name: 'base:allocation', kind: 'allocation' },
  { id: 2, name: 'supercloud:version', kind: 'version' },
];

/** Bits of `base:allocation` ("base:allocation metadata context"). */
export const ALLOCATION = { HOLE: 1, ZERO: 2 } as const;
/**
 * `supercloud:version`: AWAY, the content must be fetched from another node before it can be read; ZERO, it reads as
 * zeros; neither, it is here. The epoch that wrote it stands in the upper 24 bits, 0 where nothing was ever written.
 */
export const VERSION_STATUS = { AWAY: 1, ZERO: 2, EPOCH_SHIFT: 8 } as const;

/** What NBD_OPT_LIST_META_CONTEXT and NBD_OPT_SET_META_CONTEXT carry. */
export interface MetaQuery {
  readonly exportName: string;
  readonly queries: readonly string[];
}

/** Length u32, export name, count u32, then each query as length u32 and text. Undefined: not well formed. */
export function readMetaQuery(data: Buffer): MetaQuery | undefined {
  const name = stringAt(data, 0);
  if (name === undefined || data.length < name.end + 4) return undefined;
  const count = data.readUInt32BE(name.end);
  const queries: string[] = [];
  let at = name.end + 4;
  while (queries.length < count) {
    const query = stringAt(data, at);
    if (query === undefined || !query.text.includes(':')) return undefined;
    queries.push(query.text);
    at = query.end;
  }
  return at === data.length ? { exportName: name.text, queries } : undefined;
}

/** What a listing answers: everything without a query, a whole namespace for `namespace:`. */
export function contextsListed(queries: readonly string[]): readonly MetaContext[] {
  if (queries.length === 0) return META_CONTEXTS;
  return META_CONTEXTS.filter(({ name }) => queries.some((query) => query === name || query === namespaceOf(name)));
}

/** What a choice selects: full names alone. */
export function contextsSelected(queries: readonly string[]): readonly MetaContext[] {
  return META_CONTEXTS.filter(({ name }) => queries.includes(name));
}

function namespaceOf(name: string): string {
  return name.slice(0, name.indexOf(':') + 1);
}

function stringAt(data: Buffer, at: number): { text: string; end: number } | undefined {
  if (data.length < at + 4) return undefined;
  const end = at + 4 + data.readUInt32BE(at);
  return end > data.length ? undefined : { text: data.toString('utf8', at + 4, end), end };
}
