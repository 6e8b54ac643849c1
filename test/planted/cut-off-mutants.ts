// Bugs around a writer that was cut off from its cluster, and what it wrote that nobody saw.
import type { Mutant } from './mutant-run.ts';

export const CUT_OFF_MUTANTS: readonly Mutant[] = [
  {
    name: 'a table is heard over what a writer wrote that was cut off',
    room: 'blockd/peer/follow-link.ts',
    find: 'if (!this.#parts.store.isTailAside(frame.ends)) return TAIL_FIRST;',
    replace: '',
    by: 'unit/blockd/cut-off-tails',
  },
  {
    name: 'a copy is written over what a writer wrote that was cut off',
    room: 'blockd/copies/copy-keeper.ts',
    find: 'if (!this.#parts.layer.store.isTailAside(frame.ends)) return TAIL_FIRST;',
    replace: '',
    by: 'unit/blockd/cut-off-tails',
  },
  {
    name: 'what is part of the image is set aside with the tail',
    room: 'blockd/store/cut-off-tails.ts',
    find: 'sequenceOf(run.high, run.low) > lastSequence',
    replace: 'sequenceOf(run.high, run.low) > 0',
    by: 'unit/blockd/cut-off-tails',
  },
  {
    name: 'tails that come at once are copied at once',
    room: 'blockd/store/numbered-files.ts',
    find: 'this.#turn = added.catch(() => undefined);',
    replace: '',
    by: 'unit/blockd/cut-off-tails',
  },
  {
    name: 'a writer whose epoch was ended without it stays one for ever',
    room: 'blockd/layers/kept-records.ts',
    find: 'if (epoch > state.epoch) return',
    replace: 'if (epoch > state.epoch + 99) return',
    by: 'unit/blockd/cut-off-writers',
  },
  {
    name: 'a writer of the newest epoch gives way',
    room: 'blockd/layers/kept-records.ts',
    find: 'if (epoch > state.epoch) return',
    replace: 'if (epoch >= state.epoch) return',
    by: 'unit/blockd/cut-off-writers',
  },
  {
    name: 'a writer whose image is in doubt gives way before a person has decided',
    room: 'blockd/layers/kept-records.ts',
    find: 'if (isDoubtful || ',
    replace: 'if (',
    by: 'unit/blockd/cut-off-writers',
  },
  {
    name: 'a writer that the catalogue names gives way',
    room: 'blockd/layers/kept-records.ts',
    find: ' || (writer ?? holder) === this.#node',
    replace: '',
    by: 'unit/blockd/cut-off-writers',
  },
  {
    name: 'a writer of an image that was deleted stays one for ever',
    room: 'blockd/layers/kept-records.ts',
    find: "return isGone ? 'its image is gone' : undefined;",
    replace: 'return undefined;',
    by: 'unit/blockd/cut-off-writers',
  },
  {
    name: 'a writer that was cut off is taken from the client that uses it',
    room: 'blockd/image/image-host.ts',
    find: 'if (this.served.connections > 0) return false;',
    replace: '',
    by: 'unit/blockd/cut-off-writers',
  },
  {
    name: 'a writer that was cut off and has a client is never looked at again',
    room: 'blockd/image/cut-off-writers.ts',
    find: 'if (isDone.includes(false) && ',
    replace: 'if (isDone.length < 0 && ',
    by: 'unit/blockd/cut-off-writers',
  },
  {
    name: 'a writer whose top was merged elsewhere does not give way to an opening',
    room: 'blockd/image/image-tops.ts',
    find: '...merged.map((one) => one.layer)',
    replace: '',
    by: 'unit/blockd/cut-off-writers',
  },
];
