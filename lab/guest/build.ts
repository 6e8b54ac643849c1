// Prepares the guests that the lab boots: kernel, initial file system and disk image, made once and kept in a cache folder.
// It must never change the host, nor a file that it has handed out.
import { createHash } from 'node:crypto';
import { copyFile, readFile, statfs, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { cachedFolder } from './cache.ts';
import { type GuestSettings, kernelCommandLine } from './command-line.ts';
import { buildDebianDisk } from './debian-disk.ts';
import { createDiskImage, type DiskFill } from './disk-image.ts';
import { GuestError } from './guest-error.ts';
import { runTool } from './host-tool.ts';
import { diskInitramfs, GUEST_SOURCES, readGuestSource, tinyInitramfs } from './initramfs.ts';
import { PackageTree } from './package-tree.ts';
import { unpackGuestPackages } from './packages.ts';

/** `tiny`: BusyBox and the load in an initramfs, disk raw. `debian`: a Debian system with systemd, sshd and lighttpd on its disk. */
export type GuestKind = 'tiny' | 'debian';

export interface PrepareOptions {
  /** Folder for what is made; some 250 MB for both kinds. */
  readonly cacheDirectory: string;
  /** Debian's code name; must be the host's, whose apt is used. Default: the host's. */
  readonly suite?: string;
  /** Size of the disk; a multiple of 1 MiB. Default 64 MiB (tiny), 1.5 GiB (debian). */
  readonly diskBytes?: number;
  /** What the tiny guest's disk holds beyond the load's region. Default `zero`. */
  readonly fill?: DiskFill;
  /** Told what is being done, in a few words, when it takes seconds or more. */
  readonly onProgress?: (text: string) => void;
}

export interface PreparedGuest {
  readonly kind: GuestKind;
  /** Paths for QEMU's `-kernel` and `-initrd`. */
  readonly kernel: string;
  readonly initrd: string;
  /** Path of the raw image. It is a template shared by all runs: copy or import it, never give it to a guest to write on. */
  readonly diskImage: string;
  readonly diskBytes: number;
  /** Memory the guest needs with its default load, in MiB. */
  readonly memoryMB: number;
  /** The kernel command line for QEMU's `-append`. */
  commandLine(settings: GuestSettings): string;
}

/** To be raised when what is made changes in a way that the hash of our own files does not show. */
const RECIPE_VERSION = 1;
const MEBIBYTE = 1024 * 1024;
/** Room that is taken while they are made: archives and what is in them; a system, its archives and its image. */
const PACKAGES_MIB = 250;
const DEBIAN_MIB = 1100;

const KINDS = {
  tiny: { memoryMB: 128, diskBytes: 64 * MEBIBYTE, kernelArguments: [], hostPackages: [] },
  debian: {
    memoryMB: 256,
    diskBytes: 1536 * MEBIBYTE,
    // without a vsock device, systemd's search for one (from version 256 on) ends in a complaint on the console
    kernelArguments: ['systemd.show_status=0', 'systemd.ssh_auto=no'],
    hostPackages: ['mmdebstrap', 'e2fsprogs'],
  },
} as const;

/** Debian packages that the host needs to prepare this kind, beyond apt and dpkg, which every Debian has. */
export function hostPackages(kind: GuestKind): readonly string[] {
  return KINDS[kind].hostPackages;
}

/**
 * Makes, or finds in the cache, all that is needed to boot a guest of this kind. Fails with GuestError: `host` when this is no Debian on
 * x86-64 or the options do not fit, `package` when a package cannot be fetched, `tool` when a command of the host fails.
 */
export async function prepareGuest(kind: GuestKind, options: PrepareOptions): Promise<PreparedGuest> {
  const { kernelArguments, memoryMB, diskBytes: defaultBytes } = KINDS[kind];
  const diskBytes = options.diskBytes ?? defaultBytes;
  checkDisk(kind, diskBytes, options.fill ?? 'zero');
  const suite = await hostSuite(options.suite);
  const files =
    kind === 'tiny' ? await tinyFiles(suite, diskBytes, options) : await debianFiles(suite, diskBytes, options);
  return {
    kind,
    ...files,
    diskBytes,
    memoryMB,
    commandLine: (settings) => kernelCommandLine(settings, kernelArguments),
  };
}

type GuestFiles = Pick<PreparedGuest, 'kernel' | 'initrd' | 'diskImage'>;

async function tinyFiles(suite: string, diskBytes: number, options: PrepareOptions): Promise<GuestFiles> {
  const { cacheDirectory, fill = 'zero' } = options;
  const system = await cachedFolder(cacheDirectory, `tiny-${suite}-${await recipeHash()}`, async (folder) => {
    const tree = await packageTree(suite, options);
    await copyFile(tree.kernel, join(folder, 'kernel'));
    await writeFile(join(folder, 'initrd'), await tinyInitramfs(tree));
  });
  const disk = await cachedFolder(cacheDirectory, `tiny-disk-${fill}-${diskBytes / MEBIBYTE}M`, async (folder) => {
    if (fill === 'random') await checkRoom(folder, diskBytes / MEBIBYTE);
    if (fill === 'random') options.onProgress?.(`filling a disk image of ${diskBytes / MEBIBYTE} MiB`);
    await createDiskImage(join(folder, 'disk.raw'), diskBytes, fill);
  });
  return { kernel: join(system, 'kernel'), initrd: join(system, 'initrd'), diskImage: join(disk, 'disk.raw') };
}

async function debianFiles(suite: string, diskBytes: number, options: PrepareOptions): Promise<GuestFiles> {
  const name = `debian-${suite}-${diskBytes / MEBIBYTE}M-${await recipeHash()}`;
  const folder = await cachedFolder(options.cacheDirectory, name, async (temporary) => {
    await checkRoom(temporary, DEBIAN_MIB);
    const tree = await packageTree(suite, options);
    await copyFile(tree.kernel, join(temporary, 'kernel'));
    await writeFile(join(temporary, 'initrd'), await diskInitramfs(tree));
    await buildDebianDisk({ suite, tree, diskBytes, workFolder: temporary, onProgress: options.onProgress ?? silent });
  });
  return { kernel: join(folder, 'kernel'), initrd: join(folder, 'initrd'), diskImage: join(folder, 'disk.raw') };
}

/** The unpacked packages are the same for both kinds and outlive a change of our own files. */
async function packageTree(suite: string, options: PrepareOptions): Promise<PackageTree> {
  const folder = await cachedFolder(
    options.cacheDirectory,
    `packages-${suite}-${RECIPE_VERSION}`,
    async (temporary) => {
      await checkRoom(temporary, PACKAGES_MIB);
      options.onProgress?.('fetching kernel and programs of the guests (about 35 MB)');
      await unpackGuestPackages(temporary);
    },
  );
  return await PackageTree.open(folder);
}

/** A full disk is told before minutes are spent. */
async function checkRoom(folder: string, neededMiB: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const freeMiB = Math.floor((bavail * bsize) / MEBIBYTE);
  if (freeMiB >= neededMiB) return;
  const sentence = `making the guest takes ${neededMiB} MiB in ${dirname(folder)}, where ${freeMiB} MiB are free`;
  throw new GuestError('host', sentence, undefined, 'make room, then try again');
}

/** Over our own files that end up in an image or decide what does; packages' versions are left out, a cache may keep older ones. */
async function recipeHash(): Promise<string> {
  const hash = createHash('sha256').update(String(RECIPE_VERSION));
  for (const name of GUEST_SOURCES) hash.update(await readGuestSource(name));
  for (const name of ['initramfs.ts', 'debian-disk.ts', 'debian-system.ts'])
    hash.update(await readFile(join(import.meta.dirname, name)));
  return hash.digest('hex').slice(0, 12);
}

async function hostSuite(wanted: string | undefined): Promise<string> {
  const architecture = (await runTool('dpkg', ['--print-architecture'], { timeoutMs: 10_000 })).trim();
  if (architecture !== 'amd64')
    throw new GuestError(
      'host',
      `the guests are x86-64 and come from the host's apt, but this host is ${architecture}`,
    );
  const suite = /^VERSION_CODENAME=(\w+)$/m.exec(await readFile('/etc/os-release', 'utf8'))?.[1] ?? 'unknown';
  if (wanted !== undefined && wanted !== suite) {
    throw new GuestError(
      'host',
      `guest suite ${wanted}: this host's apt serves ${suite}, and guests are made of the host's own release`,
    );
  }
  return suite;
}

function checkDisk(kind: GuestKind, diskBytes: number, fill: DiskFill): void {
  const lowest = kind === 'tiny' ? 16 * MEBIBYTE : 1024 * MEBIBYTE;
  if (!Number.isSafeInteger(diskBytes) || diskBytes % MEBIBYTE !== 0 || diskBytes < lowest) {
    throw new GuestError('host', `disk of ${diskBytes} bytes: the ${kind} guest needs whole MiB, at least ${lowest}`);
  }
  if (kind === 'debian' && fill === 'random')
    throw new GuestError('host', 'only the tiny guest can have its disk filled with random data');
}

function silent(): undefined {
  return undefined;
}
