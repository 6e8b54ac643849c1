// The frames between a writer and the stores that keep copies of its image, beside those that tell a table. A codec.
import { SchemaCheck } from '../../common/schema-check.ts';
import { xxh64Low } from '../../common/xxhash.ts';
import { CopyOffer } from '../../wire/contracts/layers.ts';
import { EPOCH_MAX, SEQUENCE_MAX } from '../table/block-version.ts';
import type { TableMark } from '../table/version-table.ts';
import { long, markBytes, readLong, readMark, reasonBytes, word } from './frame-fields.ts';

export type CopyFrame =
  /** A writer's first word to a store that is to keep a copy of its image: what the image is. */
  | { readonly type: 'copy'; readonly offer: CopyOffer }
  /** What was told up to this sequence is in the copy's table, or known to be missing there. */
  | { readonly type: 'taken'; readonly sequence: number }
  /** Data and entries of the writer's table as it was at this mark are durable in the copy (SOUNDNESS A13). */
  | { readonly type: 'durable'; readonly epoch: number; readonly mark: TableMark }
  /** What is in the copy is newer than what it is offered or told: no other store takes its place (SOUNDNESS D2). */
  | { readonly type: 'outdated'; readonly reason: string };

/** Before an offer's text. */
const SUM_BYTES = 4;
/** A stack of layers with their proofs, as text. */
const OFFER_BYTES_MAX = 64 * 1024;
const offerCheck = new SchemaCheck(CopyOffer);

export function copyBody(frame: CopyFrame): Buffer {
  switch (frame.type) {
    case 'copy': {
      const text = Buffer.from(JSON.stringify(frame.offer));
      return Buffer.concat([word(checksumOf(text)), text]);
    }
    case 'taken':
      return long(frame.sequence);
    case 'durable':
      return Buffer.concat([word(frame.epoch), markBytes(frame.mark)]);
    case 'outdated':
      return reasonBytes(frame.reason);
  }
}

export function decodeCopy(body: Buffer): CopyFrame | undefined {
  if (body.length < SUM_BYTES || body.length > OFFER_BYTES_MAX) return undefined;
  // Nothing that follows on the stream says of what image and layer it is: a wrong one would be kept, and counted as this.
  const text = body.subarray(SUM_BYTES);
  if (checksumOf(text) !== body.readUInt32BE(0)) return undefined;
  try {
    const offer: unknown = JSON.parse(text.toString('utf8'));
    return offerCheck.accepts(offer) ? { type: 'copy', offer } : undefined;
  } catch {
    return undefined;
  }
}

export function decodeTaken(body: Buffer): CopyFrame | undefined {
  const sequence = body.length === 8 ? readLong(body, 0) : undefined;
  return sequence === undefined || sequence > SEQUENCE_MAX ? undefined : { type: 'taken', sequence };
}

export function decodeDurable(body: Buffer): CopyFrame | undefined {
  const mark = readMark(body, 4);
  const epoch = mark === undefined ? 0 : body.readUInt32BE(0);
  return mark === undefined || epoch > EPOCH_MAX ? undefined : { type: 'durable', epoch, mark };
}

function checksumOf(text: Uint8Array): number {
  return xxh64Low(text, 0, text.length);
}
