// Bugs to plant in how a store that was put back is noticed, and in what follows (SOUNDNESS D2). Not a test itself.
import type { Mutant } from './mutant-run.ts';

export const ROLLBACK_MUTANTS: readonly Mutant[] = [
  {
    name: 'a store that was put back and went on as far is taken for what it was',
    room: 'blockd/catalogue/store-rollback.ts',
    find: 'if (wordAt !== undefined && wordAt !== known.word)',
    replace: 'if (wordAt !== undefined && wordAt.length !== known.word.length)',
    by: 'unit/blockd/store-rollback',
  },
  {
    name: 'an answer that another one has overtaken takes back how far a store has come',
    room: 'blockd/catalogue/store-rollback.ts',
    find: "if (at !== (known?.count ?? 0)) return { kind: 'late' };",
    replace: '',
    by: 'unit/blockd/store-rollback',
  },
  {
    name: 'a migration begins without its stores being asked whether they were put back',
    room: 'orchestrator/migration/migration-sequence.ts',
    find: '        this.#stores.check([from, to], { signal: side }),\n',
    replace: '',
    by: 'unit/orchestrator/migration-orders',
  },
  {
    name: "an image is moved to a store that was put back and waits for a person's word",
    room: 'blockd/catalogue/catalogue-calls.ts',
    find: '        refuseUnsettledStore(store.heads, order.to);\n',
    replace: '',
    by: 'unit/blockd/store-rollback',
  },
  {
    name: 'a rebuild ends the doubt of what was written at a store that was put back',
    room: 'blockd/catalogue/rebuild-plan.ts',
    find: 'if (known?.rollback === undefined) return judgement;',
    replace: 'if (known?.rollback !== null) return judgement;',
    by: 'unit/blockd/store-rollback',
  },
  {
    name: 'how far a store has come is told before that is durable',
    room: 'blockd/image/store-ratchet.ts',
    find: 'await this.#file.write(next);',
    replace: 'void this.#file.write(next);',
    by: 'unit/blockd/store-ratchet',
  },
];
