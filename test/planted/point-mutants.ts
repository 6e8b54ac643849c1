// Bugs to plant in what keeps a recovery point whole at its place. Not a test itself.
import type { Mutant } from './mutant-run.ts';

export const POINT_MUTANTS: readonly Mutant[] = [
  {
    name: 'blocks whose names the disk does not have yet are left behind by a merge',
    room: 'blockd/layers/merge-steps.ts',
    find: 'if (!isUntold(lower, held)) break;',
    replace: 'break;',
    and: [
      {
        room: 'blockd/layers/layer-merges.ts',
        find: 'if (isLacking)',
        replace: 'if (this.#underWay.size > 99)',
      },
    ],
    by: 'unit/blockd/layer-merges',
  },
  {
    name: 'a table that was told in part cannot be merged',
    room: 'blockd/layers/layer-merges.ts',
    find: 'if (isBeyond(lower, merge) || sameTable(lower.table.mark, merged)) return false;',
    replace: 'if (!isBeyond(lower, merge)) return false;',
    by: 'unit/blockd/layer-merges',
  },
  {
    name: 'a seeding ends though a newer name has not come',
    room: 'blockd/layers/layer-seed.ts',
    find: 'pass < PASSES_MAX && this.#missing > 0',
    replace: 'pass < 1',
    and: [
      {
        room: 'blockd/layers/layer-seed.ts',
        find: 'if (this.#missing > 0 && this.#job.leavesLost !== true)',
        replace: 'if (this.#underWay > 99)',
      },
    ],
    by: 'unit/blockd/layer-seed',
  },
  {
    name: 'an order to cut that comes again after the next cut is taken',
    room: 'blockd/image/image-cuts.ts',
    find: 'if (left.length === images.length) this.#refuseLate(cut, images);',
    replace: '',
    by: 'unit/blockd/shelf-cuts',
  },
  {
    name: 'what two want at once is made twice',
    room: 'blockd/layers/layer-shelf.ts',
    find: 'return this.#layers.get(fresh.layer) ?? this.#making.get(fresh.layer) ?? this.create(fresh);',
    replace: 'return this.#layers.get(fresh.layer) ?? this.#make(fresh);',
    by: 'unit/blockd/layer-shelf',
  },
  {
    name: 'a recovery point goes with what is only cached',
    room: 'blockd/upkeep/upkeep.ts',
    find: '!layers.records.isPoint(layer) &&',
    replace: '',
    by: 'unit/orchestrator/hundred-points',
  },
  {
    name: 'a store brings a recovery point of which it does not know that it stays',
    room: 'blockd/image/block-calls.ts',
    find: 'if (isPoint)',
    replace: 'if (layers.length > 99)',
    by: 'unit/blockd/store-report',
  },
  {
    name: 'an image that is followed as a top hears what becomes of it as a layer',
    room: 'blockd/peer/follow-link.ts',
    find: "this.#parts.taker !== undefined && this.#parts.store.state.role === 'sealed'",
    replace: 'this.#retryMs < 0',
    by: 'sim/block-points',
  },
  {
    name: 'a merge goes on over what was told while it waited for blocks',
    room: 'blockd/layers/layer-merges.ts',
    find: 'if (!(await this.#canMerge(lower, upper, merge))) throw',
    replace: 'if (this.#underWay.size > 99) throw',
    by: 'sim/block-points',
  },
  {
    name: 'what a table that is heard was merged from is not known until it is kept',
    room: 'blockd/layers/layer-bringer.ts',
    find: 'layer.hearsMerged = merged;',
    replace: '',
    by: 'unit/blockd/layer-merges',
  },
  {
    name: 'a layer lies over what it was merged into',
    room: 'blockd/image/image-shelf.ts',
    find: 'if (!host.image.isWhole || this.#hasAll(stack))',
    replace: 'if (!host.image.isWhole)',
    by: 'unit/blockd/layer-merges',
  },
  {
    name: 'what was written after a cut failed is not taken for written',
    room: 'blockd/store/image-files.ts',
    find: "(role === 'writer' || role === 'cutting')",
    replace: "role === 'writer'",
    by: 'unit/blockd/shelf-cuts',
  },
];
