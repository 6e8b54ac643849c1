// Room for an answer of one run: its blocks are read to where they stand in the frame, and the frame is sent from there,
// so that nothing is copied and no memory is taken for each. It knows no store and no stream.
import type { WantedRun } from '../layers/block-fetcher.ts';
import { BLOCK_BYTES } from '../table/block-version.ts';
import { WANTED_BYTES, writeWanted } from './frame-fields.ts';
import { FRAME_TYPE, HEADER_BYTES } from './peer-frame.ts';

const RUN_AT = HEADER_BYTES + 8;
const BLOCKS_AT = RUN_AT + WANTED_BYTES;

/** One answer at a time. */
export class AnswerRoom {
  /** As large as the largest of its answers needed: most are of a block or two. */
  #bytes = Buffer.alloc(0);

  /** Where the blocks go, so many. */
  dataOf(count: number): Buffer {
    const bytes = BLOCKS_AT + count * BLOCK_BYTES;
    if (this.#bytes.length < bytes) this.#bytes = Buffer.allocUnsafeSlow(bytes);
    return this.#bytes.subarray(BLOCKS_AT, BLOCKS_AT + count * BLOCK_BYTES);
  }

  /** The whole frame, as `encodePeerFrame` makes it; valid until the room is used again. */
  frameOf(id: number, run: WantedRun): Buffer {
    const end = BLOCKS_AT + run.count * BLOCK_BYTES;
    this.#bytes.writeUInt32BE(end - 4, 0);
    this.#bytes.writeUInt8(FRAME_TYPE.blocks, 4);
    this.#bytes.writeUInt32BE(id, HEADER_BYTES);
    this.#bytes.writeUInt32BE(1, HEADER_BYTES + 4);
    writeWanted(this.#bytes, RUN_AT, run);
    return this.#bytes.subarray(0, end);
  }
}
