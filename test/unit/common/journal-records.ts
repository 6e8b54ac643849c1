// Records of the journals under test, and how they are read back. Not a test itself.
import { Type } from '#typebox';
import { Journal } from '../../../common/journal/journal.ts';
import type { FaultyDisk } from './faulty-disk.ts';

/** What these journals keep. */
export const Entry = Type.Object({ n: Type.Integer(), text: Type.Optional(Type.String()) });
export const PATH = '/state/test.journal';

/** Records of growing length. */
export const entries = (count: number) => Array.from({ length: count }, (_, n) => ({ n, text: 'x'.repeat(n) }));

/** What a disk has by now; the journal there is closed again. */
export async function read(disk: FaultyDisk): Promise<{ numbers: number[]; tornBytes: number }> {
  const { journal, records, tornBytes } = await Journal.open(disk, PATH, Entry);
  await journal.close();
  return { numbers: records.map((record) => record.n), tornBytes };
}
