// Bugs to plant in what makes copies worth their promise (SOUNDNESS A13). Not a test itself.
import type { Mutant } from './mutant-run.ts';

export const COPY_MUTANTS: readonly Mutant[] = [
  {
    name: 'a copy calls durable what its disk may lose',
    room: 'blockd/copies/copy-keeper.ts',
    find: 'await this.#makeDurable(mark.lastSequence);',
    replace: '',
    by: 'sim/block-copies',
  },
  {
    name: 'a flush is answered by the word for an earlier one',
    room: 'blockd/propagation/flush-rule.ts',
    find: 'const safe = eligible.filter(({ durableSequence }) => durableSequence >= sequence);',
    replace: 'const safe = eligible.filter(({ durableSequence }) => durableSequence >= Math.min(0, sequence));',
    by: 'sim/block-copies',
  },
  {
    name: 'a copy names what it has before what replaces it has come',
    room: 'blockd/copies/kept-table.ts',
    find: 'if (content !== 0 || state.below.length > 0) return content !== DATA;',
    replace: 'if (content !== 0 || state.below.length > 0) return false;',
    by: 'sim/block-copies',
  },
  {
    name: 'a copy writes where no mark says that it may',
    room: 'blockd/copies/told-batch.ts',
    find: 'if (!store.active.touch(first, end)) return store.activate(first, end);',
    replace: '',
    by: 'unit/blockd/copies/opened-copy',
  },
  {
    name: 'a cache lets a copy go that one other store keeps, where a policy wants more',
    room: 'blockd/image/cache-cap.ts',
    find: 'if (this.#needed <= 1) return kept;',
    replace: 'if (this.#needed > 0) return kept;',
    by: 'unit/blockd/cache-cap',
  },
  {
    name: 'a writer that was restarted forgets that its flushes wait for copies',
    room: 'blockd/image/propagation-book.ts',
    find: 'if (reached !== undefined) this.#reached.set(image, reached);',
    replace: '',
    by: 'unit/blockd/copies/forming',
  },
  {
    name: 'a copy whose table differs goes on from where it was',
    room: 'blockd/copies/copy-keeper.ts',
    find: 'await store.commit({ state: { copiedUpTo: null } });',
    replace: 'await store.commit({});',
    by: 'unit/blockd/copies/copy-stream',
  },
  {
    name: 'a store keeps a copy of what is pinned elsewhere',
    room: 'blockd/copies/copy-shelf.ts',
    find: 'if (place !== undefined) throw new Error(',
    replace: 'if (place === part) throw new Error(',
    by: 'unit/blockd/copies/pinned-copies',
  },
  {
    name: "what a store left of a copy is taken for a write of the image's client",
    room: 'blockd/image/image.ts',
    find: 'await this.store.commit({ clean: true, reserve: true,',
    replace: 'await this.store.commit({ reserve: true,',
    by: 'unit/blockd/copies/opened-copy',
  },
  {
    name: 'a store that is no writer takes what it finds for a write',
    room: 'blockd/store/image-files.ts',
    find: "const hasWrites = fold.state.role === 'writer' && fold.kernelRun",
    replace: 'const hasWrites = fold.kernelRun',
    by: 'unit/blockd/copies/opened-copy',
  },
];
