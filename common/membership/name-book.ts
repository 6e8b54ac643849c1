// Which key each member's name was given to: a token lets a node in, it does not let it take another one's name. A
// state machine like the token book: decisions come with the record that must be durable first.
import { type Static, Type } from '#typebox';

const Name = Type.String({ minLength: 1, maxLength: 40 });

export const NameRecord = Type.Union([
  Type.Object({ kind: Type.Literal('name-taken'), node: Name, keyHash: Type.String({ pattern: '^[0-9a-f]{64}$' }) }),
  Type.Object({ kind: Type.Literal('name-freed'), node: Name }),
]);
export type NameRecord = Static<typeof NameRecord>;

export class NameBook {
  readonly #keyHashes = new Map<string, string>();

  constructor(records: readonly NameRecord[] = []) {
    for (const record of records) this.#apply(record);
  }

  /** Gives the name to the key, unless another key has it. The same key may ask again. */
  take(
    node: string,
    keyHash: string,
  ): { readonly code: 'OK'; readonly record?: NameRecord } | { readonly code: 'NAME_TAKEN' } {
    const holder = this.#keyHashes.get(node);
    if (holder === keyHash) return { code: 'OK' };
    if (holder !== undefined) return { code: 'NAME_TAKEN' };
    const record: NameRecord = { kind: 'name-taken', node, keyHash };
    this.#apply(record);
    return { code: 'OK', record };
  }

  /** The member was removed: the next joiner may have its name. */
  free(node: string): NameRecord | undefined {
    if (!this.#keyHashes.has(node)) return undefined;
    const record: NameRecord = { kind: 'name-freed', node };
    this.#apply(record);
    return record;
  }

  /** The records that still matter, for the journal's rewriting. */
  live(): NameRecord[] {
    return [...this.#keyHashes].map(([node, keyHash]) => ({ kind: 'name-taken', node, keyHash }));
  }

  #apply(record: NameRecord): void {
    if (record.kind === 'name-taken') this.#keyHashes.set(record.node, record.keyHash);
    else this.#keyHashes.delete(record.node);
  }
}
