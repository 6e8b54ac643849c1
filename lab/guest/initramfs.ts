// Puts together the initial file systems of the two guests from unpacked packages. It must hold no name or path of one Debian release.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { type CpioEntry, cpioArchive } from './cpio.ts';
import { modulesInOrder } from './kernel-modules.ts';
import type { PackageTree } from './package-tree.ts';

const compress = promisify(gzip);

/** What the guests' devices need; a name that is built into the kernel, or unknown to it, is skipped. */
const MODULES = [
  'virtio_pci',
  'virtio_blk',
  'virtio_net',
  'virtio_balloon',
  'virtio_rng',
  'ext4',
  'crc32c_generic',
  'af_packet',
];
/** BusyBox commands that our start-up scripts use. */
const COMMANDS = [
  'cat',
  'chmod',
  'echo',
  'insmod',
  'ip',
  'mkdir',
  'mount',
  'poweroff',
  'printf',
  'sh',
  'switch_root',
  'udhcpc',
  'umount',
];
/** perl-base is linked against these; the loader's path is fixed by the ABI (System V ABI, AMD64, "Program interpreter"). */
const LIBRARIES = ['libc.so.6', 'libm.so.6', 'libcrypt.so.1'];
const LIBRARY_FOLDER = 'lib/x86_64-linux-gnu';
const LOADER = 'ld-linux-x86-64.so.2';

/** Files of ours that lie beside this one. */
export const GUEST_SOURCES = [
  'load.pl',
  'outside.pl',
  'boot-settings.sh',
  'init-tiny.sh',
  'init-disk.sh',
  'lease.sh',
] as const;

export async function readGuestSource(name: (typeof GUEST_SOURCES)[number]): Promise<Buffer> {
  return await readFile(join(import.meta.dirname, name));
}

/** The whole system of the tiny guest, gzipped. */
export async function tinyInitramfs(tree: PackageTree): Promise<Buffer> {
  return await pack([
    ...(await bootEntries(tree, 'init-tiny.sh')),
    ...(await perlEntries(tree)),
    file('load.pl', await readGuestSource('load.pl')),
    file('outside.pl', await readGuestSource('outside.pl')),
    file('boot-settings.sh', await readGuestSource('boot-settings.sh')),
    program('lease.sh', await readGuestSource('lease.sh')),
  ]);
}

/** The small step that mounts /dev/vda and starts the system in it, gzipped. */
export async function diskInitramfs(tree: PackageTree): Promise<Buffer> {
  return await pack(await bootEntries(tree, 'init-disk.sh'));
}

async function bootEntries(tree: PackageTree, init: 'init-tiny.sh' | 'init-disk.sh'): Promise<CpioEntry[]> {
  const modules = await modulesInOrder(tree, MODULES);
  return [
    ...['dev', 'etc', 'proc', 'sys'].map(directory),
    // before devtmpfs is mounted the kernel wants a console, or the first complaints are lost
    { path: 'dev/console', kind: 'characters', mode: 0o600, device: [5, 1] },
    program('init', await readGuestSource(init)),
    program('bin/busybox', await readFile(tree.program('busybox'))),
    ...COMMANDS.map((name) => link(`bin/${name}`, 'busybox')),
    ...modules.map((module) => file(`modules/${module.name}.ko`, module.content)),
    file('modules/order', Buffer.from(modules.map((module) => `${module.name}.ko\n`).join(''))),
    directory('root'),
  ];
}

async function perlEntries(tree: PackageTree): Promise<CpioEntry[]> {
  const paths = tree.perlModules.filter((path) => !path.includes('/unicore/'));
  return [
    program('bin/perl', await readFile(tree.program('perl'))),
    program(`lib64/${LOADER}`, await readFile(tree.library(LOADER))),
    ...(await Promise.all(
      LIBRARIES.map(async (name) => program(`${LIBRARY_FOLDER}/${name}`, await readFile(tree.library(name)))),
    )),
    ...(await Promise.all(paths.map(async (path) => file(path, await readFile(join(tree.folder, path)))))),
  ];
}

async function pack(entries: readonly CpioEntry[]): Promise<Buffer> {
  return await compress(cpioArchive(withFolders(entries)), { level: 9 });
}

/** Puts each entry's folders before it, once. */
function withFolders(entries: readonly CpioEntry[]): CpioEntry[] {
  const seen = new Map<string, CpioEntry>();
  for (const entry of entries) {
    const steps = entry.path.split('/').slice(0, -1);
    for (const [index] of steps.entries()) {
      const path = steps.slice(0, index + 1).join('/');
      if (!seen.has(path)) seen.set(path, directory(path));
    }
    seen.set(entry.path, entry);
  }
  return [...seen.values()];
}

function directory(path: string): CpioEntry {
  return { path, kind: 'directory', mode: 0o755 };
}

function file(path: string, content: Uint8Array): CpioEntry {
  return { path, kind: 'file', mode: 0o644, content };
}

function program(path: string, content: Uint8Array): CpioEntry {
  return { path, kind: 'file', mode: 0o755, content };
}

function link(path: string, target: string): CpioEntry {
  return { path, kind: 'link', mode: 0o777, content: Buffer.from(target) };
}
