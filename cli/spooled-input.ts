// Standard input as a file that a daemon of this machine can open: its format is told by its start and its end, so it
// has to be a file. It has no name, so that nothing is left of it whatever becomes of this process.
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** Not /tmp, which may lie in memory. */
const DIRECTORY = '/var/tmp';
const PRIVATE = 0o600;
const FLAGS = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL;

/** Reads standard input to its end, then hands its path to the work. @throws Error of the disk */
export async function withSpooledInput<T>(
  told: (doneBytes: number) => void,
  work: (path: string) => Promise<T>,
): Promise<T> {
  const name = join(DIRECTORY, `supercloud-${randomBytes(8).toString('hex')}`);
  const file = await open(name, FLAGS, PRIVATE);
  try {
    await rm(name);
    await spool(file, told);
    return await work(`/proc/${process.pid}/fd/${file.fd}`);
  } finally {
    await file.close();
  }
}

async function spool(file: FileHandle, told: (doneBytes: number) => void): Promise<void> {
  let done = 0;
  for await (const chunk of process.stdin) {
    await file.writeFile(chunk);
    done += chunk.length;
    told(done);
  }
}
