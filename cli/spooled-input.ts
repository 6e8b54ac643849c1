// Standard input as a file that a daemon of this machine can open: its format is told by its start and its end, so it
// has to be a file. It has no name, so that nothing is left of it whatever becomes of this process.
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** Not /tmp, which may lie in memory. */
const DIRECTORY = '/var/tmp';
const PRIVATE = 0o600;
/** How soon it is noticed that whoever is to have it is gone, while the input comes or does not. */
const LOOK_MS = 2_000;
const FLAGS = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL;

export interface SpooledInput<T> {
  told(doneBytes: number): void;
  /** Asks whoever is to have it for a sign of life; rejects, and nothing more is read. */
  isThere(): Promise<unknown>;
  work(path: string): Promise<T>;
}

/** Reads standard input to its end, then hands its path to the work. @throws Error of the disk; what `isThere` rejects with */
export async function withSpooledInput<T>({ told, isThere, work }: SpooledInput<T>): Promise<T> {
  await isThere();
  const name = join(DIRECTORY, `supercloud-${randomBytes(8).toString('hex')}`);
  const file = await open(name, FLAGS, PRIVATE);
  try {
    await rm(name);
    await whileThere(isThere, () => spool(file, told));
    return await work(`/proc/${process.pid}/fd/${file.fd}`);
  } finally {
    await file.close();
  }
}

async function whileThere(isThere: () => Promise<unknown>, reading: () => Promise<void>): Promise<void> {
  const gone = (error: Error): unknown => process.stdin.destroy(error);
  const timer = setInterval(() => void isThere().catch(gone), LOOK_MS);
  try {
    await reading();
  } finally {
    clearInterval(timer);
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
