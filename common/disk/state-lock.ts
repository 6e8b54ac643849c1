// One process for what a daemon keeps in its state directory. A second one, started while the first is frozen or only forgotten,
// would rewrite the journal: the first goes on writing to a file that has no name any more, and all that it answers
// from then on as durable is lost. The kernel lets go of the lock with the process, however that ends.
import { closeSync, constants, openSync } from 'node:fs';
import { join } from 'node:path';
import koffi from 'koffi';
import { OperationError } from '../errors.ts';

/** sys/file.h */
const LOCK_EX = 2;
const LOCK_NB = 4;
const PRIVATE_FILE = 0o600;

const callFlock = koffi.load('libc.so.6').func('int flock(int fd, int operation)');

/**
 * Takes the lock for this process; answers what gives it back. `name`: the daemon's, several of which may have one directory.
 * @throws OperationError STATE_IN_USE; Error with the operating system's code
 */
export function lockState(directory: string, name: string): () => void {
  const path = join(directory, `${name}.lock`);
  const release = tryLock(path, constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND);
  if (release !== undefined) return release;
  throw new OperationError('STATE_IN_USE', `another ${name} runs on the state in ${directory}`, {
    remedy: 'Stop that one first, or wait for its end.',
  });
}

/** Takes the lock of a file or a folder for this process; answers what gives it back, undefined if another one has it. */
export function tryLock(path: string, flags: number = constants.O_RDONLY): (() => void) | undefined {
  // A bare descriptor: a handle would be closed, and the lock be gone, when nobody refers to it any more.
  const descriptor = openSync(path, flags, PRIVATE_FILE);
  if (callFlock(descriptor, LOCK_EX | LOCK_NB) === 0) return () => closeSync(descriptor);
  const errno: number = koffi.errno();
  closeSync(descriptor);
  if (errno !== koffi.os.errno.EWOULDBLOCK) throw new Error(`flock of ${path} failed: error ${errno}`);
  return undefined;
}
