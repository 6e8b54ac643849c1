// Bugs to plant where an image goes from one writer to the next. Not a test itself.
import type { Mutant } from './mutant-run.ts';

export const HANDOVER_MUTANTS: readonly Mutant[] = [
  {
    name: 'who comes back with a tail takes it for the newest',
    room: 'blockd/transfer/followed-table.ts',
    find: 'if (sameTable(this.#parts.image.store.table.mark, last)) return this.ends;',
    replace: 'if (this.#parts.image.store.table.lastSequence >= last.lastSequence) return this.ends;',
    by: 'crash/handovers',
  },
  {
    name: 'an image is closed, or frozen, before that is durable',
    room: 'blockd/image/image.ts',
    find: 'await this.store.commit({ clean: true, state: { ...stateAfter(closing), closing } });',
    replace: 'void this.store.commit({ clean: true, state: { ...stateAfter(closing), closing } });',
    by: 'crash/handovers',
  },
  {
    name: 'an epoch is written under before it is durable',
    room: 'blockd/image/image.ts',
    find: 'await this.store.commit({ clean: true, reserve: true, state: { ...state, ends: allEnds } });',
    replace: 'void this.store.commit({ clean: true, reserve: true, state: { ...state, ends: allEnds } });',
    by: 'crash/handovers',
  },
  {
    name: 'a stand-by begins although its migration ended while it was made ready for',
    room: 'blockd/image/block-calls.ts',
    find: 'shelf.ended.checkMigration(standBy.migration);\n        return',
    replace: 'return',
    by: 'unit/blockd/block-calls',
  },
  {
    name: 'a stand-by that was verified and is told again hears the earlier writer still when it writes',
    room: 'blockd/image/image-host.ts',
    find: 'if (!this.image.store.state.verified) this.#table.follow(from.node);',
    replace: 'this.#table.follow(from.node);',
    by: 'unit/blockd/image-host',
  },
  {
    name: 'a stand-by that was told again while it was being verified hears the earlier writer when it writes',
    room: 'blockd/image/image-host.ts',
    find: '    this.#table.end();\n    await this.image.open(',
    replace: '    await this.image.open(',
    by: 'unit/blockd/image-host',
  },
  {
    name: 'what a cancelled migration left is the newest where its writer came back empty',
    room: 'blockd/catalogue/rebuild-judgement.ts',
    find: 'if (writer === null || epoch < last.epoch ||',
    replace: 'if (writer === null || epoch <= last.epoch ||',
    by: 'unit/blockd/catalogue-rebuild-records',
  },
];
