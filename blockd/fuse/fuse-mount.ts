// Where the images are mounted: takes away what a process that died left there, mounts, and ends the mount whatever has it
// open. Serves nothing.
import { constants } from 'node:fs';
import { type FileHandle, open, readFile, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf, OperationError } from '../../common/errors.ts';
import { makeNamed } from '../named-directory.ts';
import { MNT_DETACH, mountFuse, unmount } from './kernel-calls.ts';

const DEVICE = '/dev/fuse';
const TYPE = 'fuse.supercloud';
/** A mount whose process lives answers at once, unless that is stopped. */
const ANSWER_MS = 2_000;

export interface FuseMount {
  /** /dev/fuse, to be read by who serves. */
  readonly device: FileHandle;
  readonly at: string;
  /** No new opens, and none left when it answers true; false: something there is open yet. */
  end(): boolean;
}

/** Mounts on a directory, which is made where missing. @throws OperationError NOT_ROOT, NO_DIRECTORY, NO_FUSE, MOUNT_IN_USE */
export async function mountImages(wanted: string): Promise<FuseMount> {
  if (process.getuid?.() !== 0) {
    throw new OperationError('NOT_ROOT', 'to mount takes root', { remedy: "Run it with 'sudo'." });
  }
  // As the kernel's list of mounts names it. The directory itself cannot be asked while a dead mount is on it.
  await makeNamed(dirname(wanted), '--at');
  const at = join(await realpath(dirname(wanted)), basename(wanted));
  await mendMount(at);
  await makeNamed(at, '--at');
  const device = await openDevice();
  try {
    mountFuse(device.fd, at, TYPE, 'rootmode=40000,user_id=0,group_id=0,default_permissions');
  } catch (error) {
    await device.close();
    throw error;
  }
  return { device, at, end: () => endMount(at) };
}

async function openDevice(): Promise<FileHandle> {
  try {
    return await open(DEVICE, constants.O_RDWR | constants.O_NONBLOCK);
  } catch (cause) {
    throw new OperationError('NO_FUSE', `${DEVICE} cannot be opened (${codeOf(cause)})`, {
      remedy: "Load it with 'modprobe fuse', or give the container that device.",
      cause,
    });
  }
}

/** Ends what is left of a mount of ours whose process is gone; there may be several, one above the other. */
async function mendMount(at: string): Promise<void> {
  for (let type = await mountedAt(at); type !== undefined; type = await mountedAt(at)) {
    const isOurs = type === TYPE;
    if (!isOurs || !(await isDead(at))) {
      throw new OperationError('MOUNT_IN_USE', `${at} has a ${isOurs ? 'running' : type} mount`, {
        remedy: 'Stop that one first, or name another directory.',
      });
    }
    unmount(at, MNT_DETACH);
  }
}

/** The type of the uppermost mount on exactly this path (proc_pid_mountinfo(5)). */
async function mountedAt(at: string): Promise<string | undefined> {
  const lines = (await readFile('/proc/self/mountinfo', 'utf8')).trimEnd().split('\n');
  const types = lines.flatMap((line) => {
    const [path = '', ...rest] = line.split(' ').slice(4);
    return unescapePath(path) === at ? [rest[rest.indexOf('-') + 1] ?? ''] : [];
  });
  return types.at(-1);
}

/** Blanks, tabs, newlines and backslashes stand there in octal. */
function unescapePath(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

/** The kernel says ENOTCONN once nobody has the mount's device open any more. */
async function isDead(at: string): Promise<boolean> {
  const answered = stat(at).then(
    () => false,
    (error: unknown) => codeOf(error) === 'ENOTCONN',
  );
  return Promise.race([answered, sleep(ANSWER_MS, false, { ref: false })]);
}

function endMount(at: string): boolean {
  try {
    unmount(at, 0);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EBUSY') unmount(at, MNT_DETACH);
    // Somebody else unmounted it before.
    else if (codeOf(error) !== 'EINVAL') throw error;
    return codeOf(error) !== 'EBUSY';
  }
}
