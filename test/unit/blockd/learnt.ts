// What another store says of single blocks, for tests of tables. Not a test itself.
import { checksumOf } from '../../../blockd/table/block-checksum.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { DATA, HERE } from '../../../blockd/table/version-run.ts';
import type { VersionTable } from '../../../blockd/table/version-table.ts';

/** The checksum of a block full of one byte. */
export function sumOf(fill: number): number {
  return checksumOf(Buffer.alloc(BLOCK_BYTES, fill));
}

/** The table hears of one block: by default of data full of nines. */
export function learn(
  table: VersionTable,
  block: number,
  [high, low]: readonly [number, number],
  holder: number,
  { data = true, fill = 9 }: { data?: boolean; fill?: number } = {},
): void {
  const flags = data ? DATA | HERE : HERE;
  table.learn({ first: block, count: 1, high, low, flags, holder, sumAt: () => (data ? sumOf(fill) : 0) }, holder);
}
