// Bugs to plant in reads that go from a file straight into the replies, in the cap on what is only cached, and in mounts. Not a test
// itself.
import type { Mutant } from './mutant-run.ts';

export const READ_MUTANTS: readonly Mutant[] = [
  {
    name: 'a direct read is not compared with its checksums',
    room: 'blockd/image/image-reads.ts',
    find: ' || !now.isNamed(bytes, first)) return false;',
    replace: ') return false;',
    by: 'unit/blockd/direct-reads-faults',
  },
  {
    name: 'of a direct read of several blocks only the first is compared',
    room: 'blockd/store/block-file.ts',
    find: 'if (checksumAt(blocks, at) !== this.#table.sumOf(first + at / BLOCK_BYTES)) return false;',
    replace: 'return checksumAt(blocks, at) === this.#table.sumOf(first + at / BLOCK_BYTES);',
    by: 'unit/blockd/direct-reads-faults',
  },
  {
    name: 'a direct read is answered though the image has left meanwhile',
    room: 'blockd/image/image-reads.ts',
    find: 'const now = this.fileOf(offset, bytes.length);',
    replace: 'const now = file;',
    by: 'unit/blockd/direct-reads-faults',
  },
  {
    name: 'a failed store answers direct reads',
    room: 'blockd/image/image-reads.ts',
    find: 'if (!this.gate.mayRead || this.store.failure !== undefined) return undefined;',
    replace: 'if (!this.gate.mayRead) return undefined;',
    by: 'unit/blockd/direct-reads-faults',
  },
  {
    name: 'a stand-by or an image that ended answers direct reads',
    room: 'blockd/image/image-reads.ts',
    find: 'if (!this.gate.mayRead || this.store.failure !== undefined) return undefined;',
    replace: 'if (this.store.failure !== undefined) return undefined;',
    by: 'unit/blockd/direct-reads-faults',
  },
  {
    name: 'beside a client of the page cache as many reads of the disk begin as ever',
    room: 'common/disk/later-reads.ts',
    find: "const most = others === 'quick' ? this.#window.next() : UNDER_WAY_MAX;",
    replace: 'const most = UNDER_WAY_MAX;',
    by: 'unit/common/file-reads',
  },
  {
    name: 'a busy thread has no read of the disk under way at all',
    room: 'common/disk/read-window.ts',
    find: 'Math.max(1, this.#size >> 1)',
    replace: 'this.#size >> 1',
    by: 'unit/common/file-reads',
  },
  {
    name: 'two readers of the disk take one another for clients that wait for nothing but the thread',
    room: 'blockd/nbd/busy-poll.ts',
    find: 'if (!missesCache) {',
    replace: 'if (missesCache || !missesCache) {',
    by: 'unit/blockd/busy-poll',
  },
  {
    name: 'what the page cache has of a read is taken for all of it',
    room: 'blockd/nbd/direct-reads.ts',
    find: 'return reads.outcome(place) === length && device.isRead(file, offset, batch.bytes.subarray(body, body + length));',
    replace:
      'return reads.outcome(place) > 0 && device.isRead(file, offset, batch.bytes.subarray(body, body + Math.min(length, reads.outcome(place))));',
    by: 'unit/blockd/direct-reads-faults',
  },
  {
    name: 'what the disk gave of a read is taken for all of it',
    room: 'blockd/nbd/direct-reads.ts',
    find: 'const isGood = isWhole && device.isRead(file, request.offset, into);',
    replace: 'const isGood = outcome > 0 && device.isRead(file, request.offset, into.subarray(0, outcome));',
    by: 'unit/blockd/direct-reads-faults',
  },
  {
    name: 'a large read beside another is sent from where the disk has not read it',
    room: 'blockd/nbd/direct-reads.ts',
    find: 'this.#ask(request, file, room.subarray(replies.dataOverhead, bytes), (isGood) => {',
    replace: 'this.#ask(request, file, Buffer.from(room.subarray(replies.dataOverhead, bytes)), (isGood) => {',
    by: 'unit/blockd/direct-reads',
  },
  {
    name: 'a block that is not in the file is read from its place there',
    room: 'blockd/image/block-stack.ts',
    find: 'if (this.top.store.table.allInFile(first, end)) return this.top.store.file;',
    replace: 'if (first < end) return this.top.store.file;',
    and: [
      {
        room: 'blockd/store/block-file.ts',
        find: 'if (checksumAt(blocks, at) !== this.#table.sumOf(first + at / BLOCK_BYTES)) return false;',
        replace:
          'if (checksumAt(blocks, at) !== this.#table.sumOf(first + at / BLOCK_BYTES) && blocks[at] !== 0) return false;',
      },
    ],
    by: 'unit/blockd/direct-reads',
  },
  {
    name: 'the room of a read that is answered later stays in the batch',
    room: 'blockd/nbd/direct-reads.ts',
    find: 'batch.closeGaps(missed.map(({ start, body, request }) => ({ start, bytes: body - start + request.length })));',
    replace: '',
    by: 'unit/blockd/direct-reads',
  },
  {
    name: 'a store lets go of what it has just promised to keep',
    room: 'blockd/store/cached-copies.ts',
    find: 'return first <= block && block < end && !staying.has(block);',
    replace: 'return first <= block && block < end;',
    by: 'unit/blockd/cache-cap-together',
  },
  {
    name: 'a store promises what it is letting go of',
    room: 'blockd/store/cached-copies.ts',
    find: 'if (asker >= this.#leaving.node) return false;',
    replace: '',
    and: [
      {
        room: 'blockd/store/cached-copies.ts',
        find: 'this.#leaving.staying.add(block);',
        replace: '',
      },
    ],
    by: 'unit/blockd/cache-cap-together',
  },
  {
    name: 'of two that let the same go at once neither does',
    room: 'blockd/store/cached-copies.ts',
    find: 'if (asker >= this.#leaving.node) return false;',
    replace: 'return false;',
    by: 'unit/blockd/cache-cap-together',
  },
  {
    name: 'a mount gives up the connection of a file that is open',
    room: 'blockd/fuse/fuse-session.ts',
    find: 'if (open.has(file)) continue;',
    replace: '',
    by: 'unit/blockd/fuse-session',
  },
  {
    name: 'a connection is given up with a request that its server may yet carry out',
    room: 'blockd/nbd-client/nbd-link.ts',
    find: ' || this.#givenUp.size > 0',
    replace: '',
    by: 'unit/blockd/nbd-link',
  },
  {
    name: 'a connection is given up with changes that are not durable',
    room: 'blockd/nbd-client/nbd-link.ts',
    find: ' || this.#answeredChanges > this.#flushedChanges;',
    replace: ';',
    by: 'unit/blockd/nbd-link',
  },
];
