// What a client says in a negotiation ("Option haggling"): options and their data. A codec.
import { OPTION_HEADER_BYTES, OPTION_MAGIC } from '../nbd/nbd-protocol.ts';

const ALLOCATION_CONTEXT = 'base:allocation';

/** One option. */
export function optionOf(number: number, data: Buffer): Buffer {
  const header = Buffer.alloc(OPTION_HEADER_BYTES);
  header.writeBigUInt64BE(OPTION_MAGIC, 0);
  header.writeUInt32BE(number, 8);
  header.writeUInt32BE(data.length, 12);
  return Buffer.concat([header, data]);
}

/** Length u32 and text. */
export function textOf(value: string): Buffer {
  const bytes = Buffer.from(value, 'utf8');
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length, 0);
  return Buffer.concat([length, bytes]);
}

/** Data of NBD_OPT_SET_META_CONTEXT: export name, count u32, one query. */
export function allocationQuery(exportName: string): Buffer {
  const count = Buffer.alloc(4);
  count.writeUInt32BE(1, 0);
  return Buffer.concat([textOf(exportName), count, textOf(ALLOCATION_CONTEXT)]);
}
