// Bugs to plant in the merging of layers. Not a test itself.
import type { Mutant } from './mutant-run.ts';

export const MERGE_MUTANTS: readonly Mutant[] = [
  {
    name: 'a new top is laid over a layer as it was before a merge',
    room: 'blockd/image/image-tops.ts',
    find: 'return table.lastSequence > sealed.lastSequence && since',
    replace: 'return since',
    by: 'unit/blockd/layer-merges',
  },
  {
    name: 'blocks of a merged layer that only this store has are not moved',
    room: 'blockd/image/layer-shelf.ts',
    find: 'await gatherMerged(this, layer, () => pause(this.#parts.clock));',
    replace: 'await pause(this.#parts.clock);',
    by: 'unit/blockd/layer-merges',
  },
  {
    name: 'a merge forgets over a crash that it was under way',
    room: 'blockd/image/layer-merges.ts',
    find: "state: { role: 'sealed', merging: merge, ends: upper.state.ends }",
    replace: "state: { role: 'sealed', merging: null, ends: upper.state.ends }",
    by: 'crash/merges',
  },
  {
    name: 'the upper layer goes before its contents have gone down',
    room: 'blockd/image/layer-merges.ts',
    find: '    await moveBlocks(lower, upper, this.#pause);\n    const { merged = [] } = merge.merged;',
    replace: '    const { merged = [] } = merge.merged;',
    by: 'crash/merges',
  },
  {
    name: 'a layer that somebody reads as it was is merged into',
    room: 'blockd/image/layer-merges.ts',
    find: 'if (this.#holder.layers.isReadWithout(lower.layer, upper.layer))',
    replace: 'if (this.#underWay.size > 99)',
    by: 'crash/merges',
  },
  {
    name: 'who has not merged yet is not asked by the old name',
    room: 'blockd/image/merged-source.ts',
    find: 'const above = merged.filter(({ lastSequence }) => lastSequence >= sequence);',
    replace: 'const above = merged.filter(({ lastSequence }) => lastSequence < sequence);',
    by: 'unit/blockd/layer-merges',
  },
  {
    name: 'a merged layer is denied under its old name',
    room: 'blockd/image/layer-shelf.ts',
    find: 'return this.find(layer)?.store ?? this.mergedInto(layer);',
    replace: 'return this.find(layer)?.store;',
    by: 'unit/blockd/layer-merges',
  },
  {
    name: 'a stream goes on with the files of a layer that was merged',
    room: 'blockd/peer/peer-session.ts',
    find: 'if (this.#parts.isStale?.() !== true) return false;',
    replace: 'if (this.#parts.isStale?.() !== undefined) return false;',
    by: 'unit/blockd/layer-merges',
  },
  {
    name: 'an older state of a layer takes back what was merged',
    room: 'blockd/peer/table-follower.ts',
    find: ' || this.#isOlder(run)) return false;',
    replace: ') return false;',
    by: 'unit/blockd/table-follower',
  },
  {
    name: 'a layer is merged that a snapshot needs by itself',
    room: 'blockd/catalogue/catalogue-merges.ts',
    find: "if (upper < 0 || lower !== upper + 1) throw needed(merge, 'something needs one of them by itself');",
    replace: "if (upper < 0 && lower < 0) throw needed(merge, 'something needs one of them by itself');",
    by: 'unit/blockd/catalogue-merges',
  },
  {
    name: 'a layer that says nothing, and was never at any store, is waited for',
    room: 'blockd/image/layer-bringer.ts',
    find: 'return sealed.entries === 0 && ',
    replace: 'return sealed.entries < 0 && ',
    by: 'unit/blockd/layers-between',
  },
  {
    name: 'who waits for what a layer is now waits for what it was before a merge',
    room: 'blockd/image/layer-bringer.ts',
    find: 'if (before !== undefined && !sameTable(before.sealed, sealed)) {',
    replace: 'if (before !== undefined && sealed.entries < 0) {',
    by: 'unit/blockd/layers-between',
  },
];
