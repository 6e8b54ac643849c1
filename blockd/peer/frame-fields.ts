// The fields that the frames between stores are made of. Big endian throughout.
import { SchemaCheck } from '../../common/schema-check.ts';
import { PropagationMemory } from '../../wire/contracts/propagation.ts';
import { LayerId, Name } from '../../wire/names.ts';
import type { WantedRun } from '../layers/block-fetcher.ts';
import { BLOCK_BYTES, SEQUENCE_MAX } from '../table/block-version.ts';
import type { TableMark } from '../table/version-table.ts';

/** A request's blocks at most: one largest NBD read. */
export const FETCH_BLOCKS_MAX = (32 * 2 ** 20) / BLOCK_BYTES;
/** One run as `wanted` writes it. */
export const WANTED_BYTES = 16;
/** A sequence, a count and a digest. */
const MARK_BYTES = 28;

/** A sentence for people. */
export const REASON_BYTES_MAX = 1024;

/** A layer's id: so many characters. */
export const LAYER_BYTES = 17;

const nodeName = new SchemaCheck(Name);
const layerId = new SchemaCheck(LayerId);
const learnt = new SchemaCheck(PropagationMemory);
const WORD = 2 ** 32;
/** In place of a sequence: the whole table is wanted. */
const WHOLE = 0xffffffffffffffffn;

/** Runs of blocks with a version each: first, count, and the two words of the version. */
export function wanted(runs: readonly WantedRun[]): Buffer {
  const bytes = Buffer.allocUnsafe(runs.length * WANTED_BYTES);
  for (const [index, run] of runs.entries()) writeWanted(bytes, index * WANTED_BYTES, run);
  return bytes;
}

/** One run at an offset. */
export function writeWanted(bytes: Buffer, at: number, run: WantedRun): void {
  bytes.writeUInt32BE(run.first, at);
  bytes.writeUInt32BE(run.count, at + 4);
  bytes.writeUInt32BE(run.high, at + 8);
  bytes.writeUInt32BE(run.low, at + 12);
}

/** So many runs from a place in the body; undefined when one is empty or too long. */
export function readWanted(body: Buffer, at: number, count: number): WantedRun[] | undefined {
  const runs: WantedRun[] = [];
  for (let index = 0; index < count; index++) {
    const start = at + index * WANTED_BYTES;
    const run = {
      first: body.readUInt32BE(start),
      count: body.readUInt32BE(start + 4),
      high: body.readUInt32BE(start + 8),
      low: body.readUInt32BE(start + 12),
    };
    if (run.count === 0 || run.count > FETCH_BLOCKS_MAX) return undefined;
    runs.push(run);
  }
  return runs;
}

/** The blocks of several runs. */
export function blocksIn(runs: readonly WantedRun[]): number {
  return runs.reduce((sum, run) => sum + run.count, 0);
}

/** A number of 32 bits. */
export function word(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value, 0);
  return bytes;
}

/** A number of 40 bits in 8 bytes, or the mark that stands in place of one. */
export function long(value: number | undefined): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigUInt64BE(value === undefined ? WHOLE : BigInt(value), 0);
  return bytes;
}

/** A node's name, or nothing for nobody; undefined when it is no name: what a store keeps of it would be unreadable. */
export function readName(body: Buffer, at: number): string | undefined {
  const text = body.toString('latin1', at);
  return text === '' || nodeName.accepts(text) ? text : undefined;
}

/** A 40-bit number in 8 bytes; undefined for the mark that stands in place of one. */
export function readLong(body: Buffer, at: number): number | undefined {
  const high = body.readUInt32BE(at);
  return high === WORD - 1 ? undefined : high * WORD + body.readUInt32BE(at + 4);
}

/** A layer's id; undefined when it is none. */
export function readLayer(body: Buffer, at: number): string | undefined {
  const text = body.toString('latin1', at, at + LAYER_BYTES);
  return layerId.accepts(text) ? text : undefined;
}

/** The whole body as JSON of a memory; undefined when it is none. */
export function readMemory(body: Buffer): PropagationMemory | undefined {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return learnt.accepts(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

export function reasonBytes(reason: string): Buffer {
  return Buffer.from(reason).subarray(0, REASON_BYTES_MAX);
}

export function markBytes({ lastSequence, entries, digest }: TableMark): Buffer {
  return Buffer.concat([long(lastSequence), word(entries), Buffer.from(digest, 'hex')]);
}

/** A mark that goes to the end of the body. */
export function readMark(body: Buffer, at: number): TableMark | undefined {
  if (body.length !== at + MARK_BYTES) return undefined;
  const lastSequence = readLong(body, at) ?? 0;
  if (lastSequence > SEQUENCE_MAX) return undefined;
  return { lastSequence, entries: body.readUInt32BE(at + 8), digest: body.toString('hex', at + 12) };
}
