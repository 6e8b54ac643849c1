// Makes the disk of the Debian guest: a system by mmdebstrap, then an ext4 image by mke2fs, with no loop device and no mount of the image.
// It must leave nothing mounted or lying about when it fails.
import { chmod, cp, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { removeFolder } from './cache.ts';
import { DEBIAN_FILES, DEBIAN_LINKS, DEBIAN_PACKAGES, UNNEEDED_UNITS } from './debian-system.ts';
import { createDiskImage } from './disk-image.ts';
import { GuestError } from './guest-error.ts';
import { runTool } from './host-tool.ts';
import { readGuestSource } from './initramfs.ts';
import type { PackageTree } from './package-tree.ts';
import { packageError } from './packages.ts';

/** Some 120 packages are fetched and unpacked; 30 s on a fast line, minutes on a slow one. */
const BOOTSTRAP_TIMEOUT_MS = 1_200_000;
const IMAGE_TIMEOUT_MS = 300_000;
const SHORT_TIMEOUT_MS = 60_000;
/** Journal of the file system, in MiB: mke2fs would take 4 % of the image, and all of it travels when the VM moves. */
const JOURNAL_MIB = 16;

export interface DebianDiskOptions {
  readonly suite: string;
  readonly tree: PackageTree;
  readonly diskBytes: number;
  /** Gets `disk.raw`; a folder beside it is used and removed. */
  readonly workFolder: string;
  readonly onProgress: (text: string) => void;
}

/** Writes `disk.raw` into the work folder. Needs root. Fails with GuestError. */
export async function buildDebianDisk(options: DebianDiskOptions): Promise<void> {
  if (process.getuid?.() !== 0)
    throw new GuestError('host', 'making the Debian guest needs root: its files belong to several users');
  await checkTools();
  const root = join(options.workFolder, 'root');
  try {
    options.onProgress('bootstrapping the Debian guest (a minute or more)');
    await bootstrap(options.suite, root);
    await addKernelModules(options.tree, root);
    await configure(root);
    options.onProgress('writing the Debian guest into its disk image');
    await writeImage(root, join(options.workFolder, 'disk.raw'), options.diskBytes);
  } finally {
    await removeFolder(root);
  }
}

/** Before a minute is spent: a missing tool is the user's to install, and no fault of the network. */
async function checkTools(): Promise<void> {
  await runTool('mmdebstrap', ['--version'], { packages: ['mmdebstrap'], timeoutMs: SHORT_TIMEOUT_MS });
  await runTool('mke2fs', ['-V'], { packages: ['e2fsprogs'], timeoutMs: SHORT_TIMEOUT_MS });
}

async function bootstrap(suite: string, root: string): Promise<void> {
  const excluded = ['/usr/share/doc/*', '/usr/share/man/*', '/usr/share/locale/*'].map(
    (path) => `--dpkgopt=path-exclude=${path}`,
  );
  const choice = ['--mode=root', '--variant=minbase', '--format=directory', `--include=${DEBIAN_PACKAGES.join(',')}`];
  const input = await debianSources(suite);
  try {
    await runTool('mmdebstrap', ['--quiet', ...choice, ...excluded, suite, root, '-'], {
      input,
      timeoutMs: BOOTSTRAP_TIMEOUT_MS,
    });
  } catch (cause) {
    throw packageError(`cannot bootstrap Debian ${suite}`, cause);
  }
}

/** The host's own entries for Debian, with its mirror, as sources.list lines; entries of other vendors are left out. */
async function debianSources(suite: string): Promise<string> {
  const format = '$(ORIGIN) $(REPO_URI) $(RELEASE) $(COMPONENT)';
  const targets = await runTool('apt-get', ['indextargets', '--format', format, 'Created-By: Packages'], {
    timeoutMs: SHORT_TIMEOUT_MS,
  });
  const rows = targets.split('\n').filter((row) => row.startsWith('Debian '));
  const lines = rows.map((row) => row.split(' ')).filter(([, , release]) => release?.startsWith(suite) === true);
  if (lines.length === 0)
    throw new GuestError('package', `apt has no list of Debian ${suite}: run "apt-get update", then try again`);
  return [...new Set(lines.map(([, uri, release, component]) => `deb ${uri} ${release} ${component}\n`))].join('');
}

/** The guest is booted with a kernel from outside, so its system gets that kernel's modules and no kernel package. */
async function addKernelModules(tree: PackageTree, root: string): Promise<void> {
  const target = join(root, 'usr/lib/modules', tree.kernelVersion);
  await cp(tree.moduleFolder, target, { recursive: true });
  await runTool('chroot', [root, '/sbin/depmod', tree.kernelVersion], { timeoutMs: SHORT_TIMEOUT_MS });
}

async function configure(root: string): Promise<void> {
  for (const [path, content] of Object.entries(DEBIAN_FILES)) await put(root, path, content);
  for (const name of ['load.pl', 'outside.pl', 'boot-settings.sh'] as const)
    await put(root, `usr/lib/supercloud/${name}`, await readGuestSource(name));
  const masks = UNNEEDED_UNITS.map((unit): [string, string] => [`etc/systemd/system/${unit}`, '/dev/null']);
  for (const [path, target] of [...Object.entries(DEBIAN_LINKS), ...masks]) await link(root, path, target);
  await mkdir(join(root, 'var/lib/supercloud'), { recursive: true });
  await runTool('chroot', [root, '/bin/systemd-machine-id-setup'], { timeoutMs: SHORT_TIMEOUT_MS });
  await rm(join(root, 'var/lib/apt/lists'), { recursive: true, force: true });
}

async function put(root: string, path: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), content);
  await chmod(join(root, path), 0o644);
}

async function link(root: string, path: string, target: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await rm(join(root, path), { force: true });
  await symlink(target, join(root, path));
}

/** mke2fs(8): `-d` copies the folder; everything is initialised now, so that the guest does not do it in the background. */
async function writeImage(root: string, image: string, diskBytes: number): Promise<void> {
  await createDiskImage(image, diskBytes, 'zero');
  const extended = 'lazy_itable_init=0,lazy_journal_init=0,nodiscard';
  const options = ['-q', '-F', '-t', 'ext4', '-m', '1', '-L', 'guest', '-J', `size=${JOURNAL_MIB}`, '-E', extended];
  await runTool('mke2fs', [...options, '-d', root, image], { timeoutMs: IMAGE_TIMEOUT_MS });
}
