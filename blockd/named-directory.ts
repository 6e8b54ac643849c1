// The directory that a person has named for a program: there, or made, or refused in a sentence.
import { realDisk } from '../common/disk/disk.ts';
import { codeOf, messageOf, OperationError } from '../common/errors.ts';

/** By the operating system's codes. */
const REASONS: Readonly<Record<string, string>> = {
  EEXIST: 'there is something else of that name',
  ENOTDIR: 'a part of the path is no directory',
  ENOENT: 'nothing can be made there',
  EACCES: 'that is not allowed',
  EPERM: 'that is not allowed',
  EROFS: 'its file system is read only',
  ELOOP: 'its links go round',
  ENAMETOOLONG: 'its name is too long',
};

/** `option`: by which it was named. @throws OperationError NO_DIRECTORY */
export async function makeNamed(directory: string, option: '--data' | '--at'): Promise<void> {
  try {
    await realDisk.makeDirectory(directory);
  } catch (cause) {
    const why = REASONS[codeOf(cause) ?? ''] ?? messageOf(cause);
    throw new OperationError('NO_DIRECTORY', `${directory} cannot be made a directory: ${why}`, {
      remedy: `Name one with ${option} that is there or can be made.`,
      cause,
    });
  }
}
