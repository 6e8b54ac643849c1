// The frames between stores: blocks asked for and answered, and a writer's table as it changes. A codec with a cap on
// every length: bytes in, frames or a fault out. Big endian throughout.

import { BLOCK_BYTES, EPOCH_MAX, SEQUENCE_MAX } from '../table/block-version.ts';
import { BLOCKS_MAX, runsAreSound } from '../table/version-run.ts';
import { copyBody, decodeCopy, decodeDurable, decodeTaken } from './copy-frame.ts';
import {
  blocksIn,
  FETCH_BLOCKS_MAX,
  LAYER_BYTES,
  long,
  markBytes,
  REASON_BYTES_MAX,
  readLayer,
  readLong,
  readMark,
  readMemory,
  readName,
  readWanted,
  reasonBytes,
  WANTED_BYTES,
  wanted,
  word,
} from './frame-fields.ts';
import type { PeerFrame } from './frame-kinds.ts';

export type { PeerFrame } from './frame-kinds.ts';

/** Blocks in one answer: 256 KiB keep the cost of a frame small and the first bytes early. */
export const ANSWER_BLOCKS_MAX = 64;
/** Bytes of runs in one frame of entries. */
export const ENTRY_BYTES_MAX = 240_000;
/** Blocks whose keeping is asked for at once: one read of 4 MiB. */
export const KEEP_BLOCKS_MAX = (4 * 2 ** 20) / BLOCK_BYTES;
/** Runs in one request: 64 KiB of header. */
export const FETCH_RUNS_MAX = 4_096;

/** Behind the length of all that follows it, u32, a frame has its type, u8. */
export const FRAME_TYPE = {
  fetch: 1,
  blocks: 2,
  absent: 3,
  follow: 4,
  begin: 5,
  holder: 6,
  entries: 7,
  mark: 8,
  refused: 9,
  takes: 10,
  offer: 11,
  settled: 12,
  heat: 13,
  memory: 14,
  copy: 18,
  taken: 19,
  durable: 20,
  outdated: 21,
  keep: 16,
  kept: 17,
} as const;
export const HEADER_BYTES = 5;
/** The largest frame is an answer of single blocks, each with its own version. */
const FRAME_BYTES_MAX = HEADER_BYTES + 8 + ANSWER_BLOCKS_MAX * (BLOCK_BYTES + WANTED_BYTES);
/** Of a question before its runs: its number, an epoch, a flag. */
const KEEP_BYTES = 9;
/** An entry's holder has 16 bits. */
const HOLDER_INDEX_MAX = 0xffff;
const NOTHING = Buffer.alloc(0);
const ENDS_MAX = 16_384;

/** One frame as bytes. */
export function encodePeerFrame(frame: PeerFrame): Buffer {
  const body = bodyOf(frame);
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + body.length);
  bytes.writeUInt32BE(body.length + 1, 0);
  bytes.writeUInt8(FRAME_TYPE[frame.type], 4);
  body.copy(bytes, HEADER_BYTES);
  return bytes;
}

function bodyOf(frame: PeerFrame): Buffer {
  switch (frame.type) {
    case 'fetch':
    case 'kept':
      return Buffer.concat([word(frame.id), wanted(frame.runs)]);
    case 'keep':
      return Buffer.concat([
        ...[word(frame.id), word(frame.epoch), Buffer.from([frame.flushed ? 1 : 0])],
        wanted(frame.runs),
      ]);
    case 'blocks':
      return Buffer.concat([word(frame.id), word(frame.runs.length), wanted(frame.runs), frame.data]);
    case 'absent':
      return Buffer.concat([word(frame.id), wanted([frame.run]), Buffer.from(frame.hint)]);
    case 'follow':
      return Buffer.concat([long(frame.afterSequence), frame.proof ? markBytes(frame.proof) : NOTHING]);
    case 'begin':
      return Buffer.concat([
        Buffer.from([frame.whole ? 1 : 0]),
        word(frame.blocks),
        word(frame.epoch),
        ...frame.ends.flatMap((end) => [word(end.epoch), long(end.lastSequence)]),
      ]);
    case 'holder':
      return Buffer.concat([word(frame.index), Buffer.from(frame.name)]);
    case 'entries':
      return frame.runs;
    case 'mark':
      return markBytes(frame.mark);
    case 'refused':
      return reasonBytes(frame.reason);
    case 'takes':
      return Buffer.from([frame.isComing ? 1 : 0]);
    case 'offer':
      return Buffer.concat([word(frame.id), Buffer.from(frame.layer, 'latin1'), wanted(frame.runs)]);
    case 'settled':
      return Buffer.concat([word(frame.id), Buffer.from([frame.isHeld ? 1 : 0])]);
    case 'heat':
      return frame.summary;
    case 'memory':
      return Buffer.from(JSON.stringify(frame.memory));
    case 'copy':
    case 'taken':
    case 'durable':
    case 'outdated':
      return copyBody(frame);
  }
}

/** Puts a stream's chunks together to frames. */
export class PeerFrameReader {
  #buffer = Buffer.allocUnsafeSlow(2 * HEADER_BYTES);
  #used = 0;

  /**
   * Calls `take` for each frame that is complete with this chunk; the frame's buffers are valid only during the call.
   * Answers false when the bytes are not frames: nothing more may be read from that peer.
   */
  receive(chunk: Uint8Array, take: (frame: PeerFrame) => void): boolean {
    for (let at = 0; at < chunk.length; ) {
      const need = this.#frameBytes();
      this.#makeRoom(need);
      const isWhole = at === 0 && chunk.length <= need - this.#used;
      const part = isWhole ? chunk : chunk.subarray(at, at + need - this.#used);
      this.#buffer.set(part, this.#used);
      this.#used += part.length;
      at += part.length;
      if (!this.#takeFrame(take)) return false;
    }
    return true;
  }

  /** How long the frame is that is being read; until that is known, its header's length. */
  #frameBytes(): number {
    return this.#used < HEADER_BYTES ? HEADER_BYTES : 4 + this.#buffer.readUInt32BE(0);
  }

  #takeFrame(take: (frame: PeerFrame) => void): boolean {
    if (this.#used < HEADER_BYTES) return true;
    const bytes = this.#frameBytes();
    if (bytes < HEADER_BYTES || bytes > FRAME_BYTES_MAX) return false;
    if (this.#used < bytes) return true;
    const frame = decodeBody(this.#buffer.readUInt8(4), this.#buffer.subarray(HEADER_BYTES, bytes));
    this.#used = 0;
    if (frame === undefined) return false;
    take(frame);
    return true;
  }

  #makeRoom(bytes: number): void {
    if (bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.min(FRAME_BYTES_MAX, bytes * 2));
    this.#buffer.copy(larger, 0, 0, this.#used);
    this.#buffer = larger;
  }
}

function decodeBody(type: number, body: Buffer): PeerFrame | undefined {
  switch (type) {
    case FRAME_TYPE.fetch:
      return decodeRuns('fetch', body, [1, FETCH_BLOCKS_MAX]);
    case FRAME_TYPE.blocks:
      return decodeBlocks(body);
    case FRAME_TYPE.absent:
      return decodeAbsent(body);
    case FRAME_TYPE.keep:
      return decodeKeep(body);
    case FRAME_TYPE.kept:
      return decodeRuns('kept', body, [0, KEEP_BLOCKS_MAX]);
    case FRAME_TYPE.follow:
      return decodeFollow(body);
    case FRAME_TYPE.begin:
      return decodeBegin(body);
    case FRAME_TYPE.holder:
      return decodeHolder(body);
    case FRAME_TYPE.entries:
      return runsAreSound(body, BLOCKS_MAX) ? { type: 'entries', runs: body } : undefined;
    case FRAME_TYPE.mark:
      return decodeMark(body);
    case FRAME_TYPE.refused:
      return withReason('refused', body);
    case FRAME_TYPE.takes:
      return isFlag(body, 0) ? { type: 'takes', isComing: body[0] === 1 } : undefined;
    case FRAME_TYPE.offer:
      return decodeOffer(body);
    case FRAME_TYPE.settled:
      return isFlag(body, 4) ? { type: 'settled', id: body.readUInt32BE(0), isHeld: body[4] === 1 } : undefined;
    case FRAME_TYPE.heat:
      return { type: 'heat', summary: body };
    case FRAME_TYPE.memory: {
      const memory = readMemory(body);
      return memory === undefined ? undefined : { type: 'memory', memory };
    }
    case FRAME_TYPE.copy:
      return decodeCopy(body);
    case FRAME_TYPE.taken:
      return decodeTaken(body);
    case FRAME_TYPE.durable:
      return decodeDurable(body);
    case FRAME_TYPE.outdated:
      return withReason('outdated', body);
    default:
      return undefined;
  }
}

function decodeFollow(body: Buffer): PeerFrame | undefined {
  if (body.length < 8) return undefined;
  const afterSequence = readLong(body, 0);
  if (body.length === 8) return { type: 'follow', afterSequence };
  const proof = readMark(body, 8);
  return proof === undefined ? undefined : { type: 'follow', afterSequence, proof };
}

function withReason(type: 'refused' | 'outdated', body: Buffer): PeerFrame | undefined {
  return body.length > REASON_BYTES_MAX ? undefined : { type, reason: body.toString('utf8') };
}

/** Whether the body ends with a byte of 0 or 1 at that place. */
function isFlag(body: Buffer, at: number): boolean {
  return body.length === at + 1 && (body[at] ?? 2) <= 1;
}

/** One answer's worth at the most, so that no offer takes long. */
function decodeOffer(body: Buffer): PeerFrame | undefined {
  const start = 4 + LAYER_BYTES;
  const count = (body.length - start) / WANTED_BYTES;
  if (!Number.isInteger(count) || count < 1 || count > ANSWER_BLOCKS_MAX) return undefined;
  const layer = readLayer(body, 4);
  const runs = readWanted(body, start, count);
  if (runs === undefined || blocksIn(runs) > ANSWER_BLOCKS_MAX || layer === undefined) return undefined;
  return { type: 'offer', id: body.readUInt32BE(0), layer, runs };
}

function decodeRuns(
  type: 'fetch' | 'kept',
  body: Buffer,
  [countMin, blocksMax]: readonly [countMin: number, blocksMax: number],
): PeerFrame | undefined {
  const count = (body.length - 4) / WANTED_BYTES;
  if (!Number.isInteger(count) || count < countMin || count > FETCH_RUNS_MAX) return undefined;
  const runs = readWanted(body, 4, count);
  return runs === undefined || blocksIn(runs) > blocksMax ? undefined : { type, id: body.readUInt32BE(0), runs };
}

function decodeKeep(body: Buffer): PeerFrame | undefined {
  const count = (body.length - KEEP_BYTES) / WANTED_BYTES;
  if (!Number.isInteger(count) || count < 1 || count > FETCH_RUNS_MAX) return undefined;
  const runs = readWanted(body, KEEP_BYTES, count);
  const epoch = body.readUInt32BE(4);
  if (runs === undefined || blocksIn(runs) > KEEP_BLOCKS_MAX || epoch > EPOCH_MAX) return undefined;
  if (!isFlag(body.subarray(0, KEEP_BYTES), KEEP_BYTES - 1)) return undefined;
  return { type: 'keep', id: body.readUInt32BE(0), epoch, flushed: body[KEEP_BYTES - 1] === 1, runs };
}

function decodeBlocks(body: Buffer): PeerFrame | undefined {
  if (body.length < 8) return undefined;
  const count = body.readUInt32BE(4);
  const start = 8 + count * WANTED_BYTES;
  if (count < 1 || start > body.length) return undefined;
  const runs = readWanted(body, 8, count);
  const data = body.subarray(start);
  if (runs === undefined || blocksIn(runs) * BLOCK_BYTES !== data.length) return undefined;
  return { type: 'blocks', id: body.readUInt32BE(0), runs, data };
}

function decodeAbsent(body: Buffer): PeerFrame | undefined {
  if (body.length < 4 + WANTED_BYTES) return undefined;
  const run = readWanted(body, 4, 1)?.[0];
  const hint = readName(body, 4 + WANTED_BYTES);
  if (run === undefined || hint === undefined) return undefined;
  return { type: 'absent', id: body.readUInt32BE(0), run, hint };
}

function decodeBegin(body: Buffer): PeerFrame | undefined {
  const count = (body.length - 9) / 12;
  if (!Number.isInteger(count) || count < 0 || count > ENDS_MAX) return undefined;
  const ends = Array.from({ length: count }, (_, index) => ({
    epoch: body.readUInt32BE(9 + 12 * index),
    lastSequence: readLong(body, 13 + 12 * index) ?? 0,
  }));
  const epoch = body.readUInt32BE(5);
  if (epoch > EPOCH_MAX || ends.some((end) => end.epoch > EPOCH_MAX || end.lastSequence > SEQUENCE_MAX))
    return undefined;
  return { type: 'begin', whole: body.readUInt8(0) === 1, blocks: body.readUInt32BE(1), epoch, ends };
}

function decodeHolder(body: Buffer): PeerFrame | undefined {
  const name = body.length < 4 ? undefined : readName(body, 4);
  if (name === undefined) return undefined;
  const index = body.readUInt32BE(0);
  return index > HOLDER_INDEX_MAX ? undefined : { type: 'holder', index, name };
}

function decodeMark(body: Buffer): PeerFrame | undefined {
  const mark = readMark(body, 0);
  return mark === undefined ? undefined : { type: 'mark', mark };
}
