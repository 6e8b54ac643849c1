// What a simulated guest asks of its disk, drawn at random.
import type { Prng } from './prng.ts';

const SECTOR_BYTES = 512;
const BLOCK_BYTES = 4096;
const RANGE_SECTORS_MAX = 40;
/** The longest that is ever drawn. */
export const REQUEST_BYTES_MAX = RANGE_SECTORS_MAX * SECTOR_BYTES;

type Kind = 'read' | 'write' | 'fua' | 'zero' | 'trim' | 'flush';

interface Range {
  readonly offset: number;
  readonly length: number;
}

/** One request; of a flush the range means nothing. */
export interface Request extends Range {
  readonly kind: Kind;
  /** What is there once a change was answered; empty for others. */
  readonly data: Uint8Array;
}

const NOTHING = new Uint8Array(0);

const KINDS: readonly [Kind, ...Kind[]] = [
  'read',
  'read',
  'read',
  'write',
  'write',
  'write',
  'fua',
  'zero',
  'trim',
  'flush',
];

/** Undefined when a trim was drawn that has no whole block in it. */
export function drawRequest(prng: Prng, diskBytes: number): Request | undefined {
  const sectors = diskBytes / SECTOR_BYTES;
  const first = prng.integer(sectors);
  const length = Math.min(1 + prng.integer(RANGE_SECTORS_MAX), sectors - first) * SECTOR_BYTES;
  const kind = prng.pick(KINDS);
  const fill = kind === 'zero' || kind === 'trim' ? 0 : 1 + prng.integer(255);
  const drawn = { offset: first * SECTOR_BYTES, length };
  // A trim of a part of a block is a hint that may do nothing: whole blocks only.
  const range = kind === 'trim' ? aligned(drawn) : drawn;
  if (range.length === 0) return undefined;
  return { kind, ...range, data: isChange(kind) ? new Uint8Array(range.length).fill(fill) : NOTHING };
}

/** Whether it is over the same range as one of the others; a flush never is. */
export function meets({ kind, offset, length }: Request, others: Iterable<Request>): boolean {
  if (kind === 'flush') return false;
  for (const other of others) {
    if (other.kind !== 'flush' && offset < other.offset + other.length && other.offset < offset + length) return true;
  }
  return false;
}

/** Whether it changes what is read afterwards. */
export function isChange(kind: Kind): boolean {
  return kind === 'write' || kind === 'fua' || kind === 'zero' || kind === 'trim';
}

function aligned({ offset, length }: Range): Range {
  const first = Math.ceil(offset / BLOCK_BYTES) * BLOCK_BYTES;
  return { offset: first, length: Math.max(0, Math.floor((offset + length) / BLOCK_BYTES) * BLOCK_BYTES - first) };
}
