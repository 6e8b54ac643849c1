// The guest that runs dbench: the tiny guest's kernel and initramfs, with an archive behind it that replaces its start-up
// script and adds Debian's dbench, and a disk with a file system on it. Nothing of it lies on the host.
import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { ProgressLine } from '../../../common/terminal/progress.ts';
import type { PreparedGuest } from '../../../lab/guest/build.ts';
import { cachedFolder, removeFolder } from '../../../lab/guest/cache.ts';
import { type GuestSettings, kernelCommandLine } from '../../../lab/guest/command-line.ts';
import { type CpioEntry, cpioArchive } from '../../../lab/guest/cpio.ts';
import { createDiskImage } from '../../../lab/guest/disk-image.ts';
import { runTool } from '../../../lab/guest/host-tool.ts';
import { unpackPackages } from '../../../lab/guest/packages.ts';
import { GUEST_CACHE, prepareWithProgress } from '../../../lab/guests.ts';
import { cutLoad } from './load-file.ts';

const compress = promisify(gzip);

const MEBIBYTE = 2 ** 20;
const DISK_BYTES = 768 * MEBIBYTE;
/** What a system would have on the same disk: the load never reads it, a copy of the whole disk takes it along. */
const SYSTEM_BYTES = 256 * MEBIBYTE;
/**
 * Operations of the load file that are kept, of 458,344: all in memory would be 26 MB. A client that is done begins anew;
 * within the benchmark none is.
 */
const OPERATIONS = 110_000;
/** BusyBox commands that our script uses beyond the tiny guest's. */
const COMMANDS = ['nc', 'renice', 'rm', 'sleep'];
const BUSYBOX = Buffer.from('busybox');
const LIBRARY = 'lib/x86_64-linux-gnu/libpopt.so.0';
/** Raised when what is made changes in a way that its hash does not show. */
const RECIPE_VERSION = 1;
const MAKE_TIMEOUT_MS = 120_000;

/** The guest waits with its load until this TCP port is connected to (init.sh). */
export const START_PORT = 9;

/** What the load is given. */
export interface DbenchGuestOptions {
  readonly clients: number;
  readonly memoryMB: number;
}

/** Makes the guest, or finds it in the cache. @throws OperationError GUEST_NOT_PREPARED */
export async function prepareDbenchGuest(options: DbenchGuestOptions, line: ProgressLine): Promise<PreparedGuest> {
  const tiny = await prepareWithProgress('tiny', line);
  const folder = await line.during('prepare the dbench guest', () => prepared(tiny));
  const words = [`dbench.clients=${options.clients}`];
  return {
    ...tiny,
    initrd: join(folder, 'initrd'),
    diskImage: join(folder, 'disk.raw'),
    diskBytes: DISK_BYTES,
    memoryMB: options.memoryMB,
    commandLine: (settings: GuestSettings) => kernelCommandLine(settings, words),
  };
}

async function prepared(tiny: PreparedGuest): Promise<string> {
  const init = await readFile(join(import.meta.dirname, 'init.sh'));
  const base = await readFile(tiny.initrd);
  const hash = createHash('sha256').update(init).update(base);
  hash.update(`${RECIPE_VERSION} ${OPERATIONS} ${DISK_BYTES} ${SYSTEM_BYTES}`);
  return await cachedFolder(GUEST_CACHE, `dbench-${hash.digest('hex').slice(0, 12)}`, async (folder) => {
    const packages = join(folder, 'packages');
    await mkdir(packages);
    await unpackPackages(packages, ['dbench'], /^libpopt0/);
    await writeFile(join(folder, 'initrd'), Buffer.concat([base, await compress(await overlay(init, packages))]));
    await removeFolder(packages);
    await writeDisk(folder);
  });
}

/** Linux, Documentation/driver-api/early-userspace/buffer-format.rst: of archives behind one another the last one's files stand. */
async function overlay(init: Buffer, packages: string): Promise<Buffer> {
  const load = await readFile(join(packages, 'usr/share/dbench/client.txt'), 'latin1');
  const entries: CpioEntry[] = [
    { path: 'disk', kind: 'directory', mode: 0o755 },
    { path: 'init', kind: 'file', mode: 0o755, content: init },
    ...COMMANDS.map((name) => ({ path: `bin/${name}`, kind: 'link', mode: 0o777, content: BUSYBOX }) as const),
    { path: 'bin/dbench', kind: 'file', mode: 0o755, content: await readFile(join(packages, 'usr/bin/dbench')) },
    { path: LIBRARY, kind: 'file', mode: 0o755, content: await readFile(join(packages, 'usr', LIBRARY)) },
    { path: 'client.txt', kind: 'file', mode: 0o644, content: Buffer.from(cutLoad(load, OPERATIONS), 'latin1') },
  ];
  return cpioArchive(entries);
}

/** mke2fs(8): `-d` copies the folder; all is initialised now, since the guest would do it while it is measured. */
async function writeDisk(folder: string): Promise<void> {
  const [root, disk] = [join(folder, 'root'), join(folder, 'disk.raw')];
  await mkdir(root);
  await createDiskImage(join(root, 'system'), SYSTEM_BYTES, 'random');
  await createDiskImage(disk, DISK_BYTES, 'zero');
  const words = ['-q', '-F', '-t', 'ext4', '-E', 'lazy_itable_init=0,lazy_journal_init=0,nodiscard', '-d', root, disk];
  await runTool('mke2fs', words, { timeoutMs: MAKE_TIMEOUT_MS, packages: ['e2fsprogs'] });
  await removeFolder(root);
}
