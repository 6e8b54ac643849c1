// Files that a store keeps for a person to look at, in a directory of their own: numbered, and the newest few.
import { join } from 'node:path';
import type { Disk } from '../../common/disk/disk.ts';

const DIGITS = 8;

/** A kind of such files. */
export interface NumberedFiles {
  readonly disk: Disk;
  readonly directory: string;
  /** Theirs by the whole name; others in the directory are left alone. */
  readonly name: RegExp;
  readonly filesMax: number;
}

/** Where the next one goes: the oldest have made room, the directory is there. @throws Error of the disk */
export async function nextPath({ disk, directory, name, filesMax }: NumberedFiles, rest: string): Promise<string> {
  await disk.makeDirectory(directory);
  const names = (await disk.list(directory)).filter((one) => name.test(one));
  const tooMany = Math.max(0, names.length - filesMax + 1);
  for (const old of names.slice(0, tooMany)) await disk.remove(join(directory, old));
  const number = Number(names.at(-1)?.slice(0, DIGITS) ?? 0) + 1;
  return join(directory, `${`${number}`.padStart(DIGITS, '0')}-${rest}`);
}
