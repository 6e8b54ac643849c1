// Fetches Debian packages with the host's own apt and unpacks them into a folder. It must never install anything on the host.
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { FULL_DISK, GuestError } from './guest-error.ts';
import { runTool } from './host-tool.ts';

/** A kernel package is 30-100 MB: minutes on a slow line. */
const DOWNLOAD_TIMEOUT_MS = 600_000;
const UNPACK_TIMEOUT_MS = 120_000;

/** What both images are made of; the kernel and perl name further packages that are followed. */
const KERNEL_PACKAGE = 'linux-image-cloud-amd64';
const PROGRAM_PACKAGES = ['perl-base', 'busybox-static'];
/** Of what the packages above depend on, what has to be in an initramfs; dpkg and initramfs tools do not. */
const FOLLOWED = /^(linux-(image|modules|binary)-.*|libc6|libcrypt1)$/;

/** Kernel, modules, BusyBox, perl and its libraries, unpacked below `folder`. Fails with GuestError `package`. */
export async function unpackGuestPackages(folder: string): Promise<void> {
  await unpackPackages(folder, [KERNEL_PACKAGE, ...PROGRAM_PACKAGES], FOLLOWED);
}

/** The packages, and of what they depend on those whose names fit, unpacked below `folder`. Fails with GuestError `package`. */
export async function unpackPackages(folder: string, names: readonly string[], followed: RegExp): Promise<void> {
  const archives = join(folder, 'archives');
  await mkdir(archives, { recursive: true });
  const fetched = new Set<string>();
  for (let wanted = names; wanted.length > 0; ) {
    const files = await download(archives, wanted);
    for (const name of wanted) fetched.add(name);
    for (const file of files) await unpack(file, folder);
    wanted = (await dependenciesOf(files)).filter((name) => followed.test(name) && !fetched.has(name));
  }
  await rm(archives, { recursive: true });
}

/** The error for packages that cannot be had, with what a user can do about it. */
export function packageError(what: string, cause: unknown): GuestError {
  const complaint = cause instanceof Error ? cause.message : String(cause);
  const reason = reasonIn(complaint);
  const remedy = FULL_DISK.test(complaint)
    ? 'make room (df -h shows where), then try again'
    : 'check the network and that apt knows a Debian mirror, run "apt-get update", then try again';
  return new GuestError('package', `${what}: ${reason}`, cause, remedy);
}

/** What says most comes first; mmdebstrap repeats apt's lines and ends with its own. */
const TELLING = [/^.*No space left on device.*$/m, /Failed to fetch.*/, /^E: .*$/m];

/** Of all that apt and mmdebstrap say when they fail, the one line that says why. */
export function reasonIn(complaint: string): string {
  const found = TELLING.flatMap((pattern) => pattern.exec(complaint)?.slice(0, 1) ?? []);
  return (found[0] ?? complaint.trimEnd().split('\n').at(-1) ?? '').trim();
}

/** Downloads the named packages; returns the paths of the archives that were not there before. */
async function download(archives: string, names: readonly string[]): Promise<string[]> {
  const before = new Set(await readdir(archives));
  // apt's own sandbox user cannot write into a folder of ours
  const fetching = ['-qq', '-o', 'APT::Sandbox::User=root', 'download', ...names];
  const options = { cwd: archives, timeoutMs: DOWNLOAD_TIMEOUT_MS };
  try {
    await runTool('apt-get', fetching, options).catch(async () => {
      // Lists that are missing, as in most images of containers, or older than what the mirror still has.
      await runTool('apt-get', ['-qq', 'update'], options);
      await runTool('apt-get', fetching, options);
    });
  } catch (cause) {
    throw packageError(`cannot fetch ${names.join(' ')}`, cause);
  }
  return (await readdir(archives)).filter((file) => !before.has(file)).map((file) => join(archives, file));
}

async function unpack(file: string, folder: string): Promise<void> {
  await runTool('dpkg-deb', ['-x', file, folder], { timeoutMs: UNPACK_TIMEOUT_MS });
}

async function dependenciesOf(files: readonly string[]): Promise<string[]> {
  return [...new Set((await Promise.all(files.map(dependencies))).flat())];
}

/** Names of the packages that one archive depends on, first alternatives only (deb-control(5)). */
async function dependencies(file: string): Promise<string[]> {
  const fields = await runTool('dpkg-deb', ['-f', file, 'Depends', 'Pre-Depends'], { timeoutMs: UNPACK_TIMEOUT_MS });
  const lists = fields.replaceAll(/^[A-Za-z-]+:/gm, ',').replaceAll('\n', ' ');
  return lists.split(',').map((entry) => entry.trim().split(/[\s|(:]/)[0] ?? '');
}
