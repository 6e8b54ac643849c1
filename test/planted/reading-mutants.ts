// Bugs to plant in what has an image open for reading, and in what becomes larger under its clients. Not a test itself.
import type { Mutant } from './mutant-run.ts';

export const READING_MUTANTS: readonly Mutant[] = [
  {
    name: 'layers that are yet to be merged here are read though one of them is another',
    room: 'blockd/image/still-exports.ts',
    find: '&& over.store.table.lastSequence === part.lastSequence;',
    replace: '&& one.store.table.lastSequence >= 0;',
    by: 'unit/blockd/snapshot-exports',
  },
  {
    name: 'a snapshot goes on over what was merged into its layers once it was forgotten',
    room: 'blockd/image/still-layers.ts',
    find: 'isBelowAll && table.lastSequence <= this.#newest;',
    replace: '(isBelowAll || table.lastSequence > 0);',
    by: 'unit/blockd/still-layers',
  },
  {
    name: 'an export goes on over the first entries that are told of a later state',
    room: 'blockd/image/still-layers.ts',
    find: 'changing.length > 0 && isBelowAll',
    replace: 'isBelowAll',
    by: 'unit/blockd/still-layers',
  },
  {
    name: 'a file of a snapshot goes on over what its layer takes in meanwhile',
    room: 'blockd/image/still-image.ts',
    find: 'if (!this.#layers.isStill) {',
    replace: 'if (this.bytes < 0) {',
    by: 'unit/blockd/still-layers',
  },
  {
    name: 'layers are merged of which a snapshot needs one by itself',
    room: 'common/mergeable-layers.ts',
    find: 'const chains = [...heads.map(chainOf), ...snapshots.flatMap(chainsOf)];',
    replace: 'const chains = snapshots.length < 0 ? snapshots.flatMap(chainsOf) : heads.map(chainOf);',
    and: [
      {
        room: 'blockd/catalogue/catalogue-merges.ts',
        find: 'of disks.filter((disk) => names(disk.layers, merge))) {',
        replace: 'of disks.slice(0, 0)) {',
      },
    ],
    by: 'sim/block-snapshots',
  },
  {
    name: 'an image is opened for writing while others read it',
    room: 'blockd/catalogue/catalogue.ts',
    find: '  refuseReaders(head);\n  if (head.writer !== null) throw isOpen(head);\n  const epoch',
    replace: '  if (head.writer !== null) throw isOpen(head);\n  const epoch',
    by: 'unit/blockd/catalogue-readers',
  },
  {
    name: 'an image is opened for reading while it is written',
    room: 'blockd/catalogue/catalogue-readers.ts',
    find: '  if (head.writer !== null) throw isOpen(head);\n',
    replace: '',
    by: 'unit/blockd/catalogue-readers',
  },
  {
    name: 'an image is read under who has opened it for writing at the same node',
    room: 'blockd/image/block-calls.ts',
    find: '        await shelf.endReading(image, epoch);\n',
    replace: '',
    by: 'unit/blockd/reader-exports',
  },
  {
    name: 'readers are shown a table that is not the one that was closed',
    room: 'blockd/image/still-exports.ts',
    find: 'one.store.table.mark.digest === named.digest ? []',
    replace: "named.digest !== '' ? []",
    by: 'unit/blockd/snapshot-exports',
  },
  {
    name: 'a reader that was cut off is shown what the next writer wrote',
    room: 'blockd/image/still-reads.ts',
    find: 'return this.isStill && super.tryBeginRead(offset, length);',
    replace: 'return super.tryBeginRead(offset, length);',
    by: 'unit/blockd/reader-exports',
  },
  {
    name: 'an image that is written at a node is shown to readers there after a restart',
    room: 'blockd/image/still-exports.ts',
    find: ' || isOpen(image);',
    replace: ' || isOpen(image) === undefined;',
    by: 'unit/blockd/reader-exports',
  },
  {
    name: 'what a refused transfer was granted ends the readings that come after it',
    room: 'blockd/catalogue/catalogue-readers.ts',
    find: 'bytes, epoch: granted, layers',
    replace: 'bytes, epoch: head.epoch, layers',
    by: 'unit/blockd/catalogue-readers',
  },
  {
    name: 'layers of two sizes are merged',
    room: 'common/mergeable-layers.ts',
    find: 'if (from.bytes === into.bytes && chains.every(',
    replace: 'if (chains.every(',
    and: [
      {
        room: 'blockd/catalogue/catalogue-merges.ts',
        find: ' && bytes === into.bytes && bytes === from.bytes;',
        replace: ';',
      },
    ],
    by: 'sim/block-layers',
  },
  {
    name: 'a client that was let go has what it sent later carried out',
    room: 'blockd/nbd/nbd-session.ts',
    find: '  take(chunk: Buffer): void {\n    if (this.#ending || this.#ended) return;',
    replace: '  take(chunk: Buffer): void {\n    if (this.#ended) return;\n    this.#ending = false;',
    by: 'unit/blockd/nbd-session',
  },
  {
    name: 'a growth that a stop broke off forgets its size',
    room: 'blockd/image/image-cuts.ts',
    find: 'const { layer, bytes = store.bytes } = wanted;',
    replace: 'const { layer } = wanted;\n  const { bytes } = store;',
    by: 'unit/blockd/image-growth',
  },
];
