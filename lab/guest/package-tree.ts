// Finds files in a folder of unpacked packages by their names, since Debian moves them between releases (/bin to /usr/bin, compressed modules).
// It must only return regular files of that folder: an absolute link in it points into the host.
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { GuestError } from './guest-error.ts';
import { runBinaryTool } from './host-tool.ts';
import { type ModuleSource, moduleName } from './kernel-modules.ts';

const DECOMPRESS_TIMEOUT_MS = 30_000;

export class PackageTree implements ModuleSource {
  readonly folder: string;
  /** Version of the kernel, as `uname -r` will say. */
  readonly kernelVersion: string;
  readonly builtIn: ReadonlySet<string>;
  readonly #files: readonly string[];
  readonly #modules: ReadonlyMap<string, string>;

  /** Reads the folder once; fails with GuestError `package` when it holds no kernel. */
  static async open(folder: string): Promise<PackageTree> {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
    const list = await readFile(findFile(files, isBuiltInList, 'modules.builtin'), 'utf8');
    return new PackageTree(folder, files, list);
  }

  private constructor(folder: string, files: readonly string[], builtInList: string) {
    this.folder = folder;
    this.#files = files;
    this.builtIn = new Set(builtInList.split('\n').filter(Boolean).map(moduleName));
    this.#modules = new Map(files.filter((file) => /\.ko(\.\w+)?$/.test(file)).map((file) => [moduleName(file), file]));
    this.kernelVersion = basename(this.kernel).replace(/^vmlinuz-/, '');
  }

  get kernel(): string {
    return findFile(this.#files, (file) => basename(file).startsWith('vmlinuz-'), 'a kernel');
  }

  /** The folder with this kernel's modules. */
  get moduleFolder(): string {
    return findFile(this.#files, isBuiltInList, 'modules.builtin').replace(/\/modules\.builtin$/, '');
  }

  /** Path of the program `name`; other packages may have files of that name that are no programs. */
  program(name: string): string {
    return findFile(this.#files, (file) => file.endsWith(`/bin/${name}`), `program ${name}`);
  }

  /** Path of the shared library `name`, whose file may carry a longer version (libcrypt.so.1.1.0). */
  library(name: string): string {
    return findFile(
      this.#files,
      (file) => file.includes('/lib') && `${basename(file)}.`.startsWith(`${name}.`),
      `library ${name}`,
    );
  }

  /** Perl's own modules, as paths relative to the tree: perl looks for them at this very place. */
  get perlModules(): string[] {
    const paths = this.#files.map((file) => file.slice(this.folder.length + 1));
    return paths.filter((path) => /^usr\/lib\/[^/]+\/perl-base\//.test(path));
  }

  async load(name: string): Promise<Uint8Array | undefined> {
    const file = this.#modules.get(name);
    if (file === undefined) return undefined;
    return file.endsWith('.xz') ? await this.#decompressed(file) : await readFile(file);
  }

  /** Debian 13 ships its modules as .xz; BusyBox, which we have unpacked anyway, reads that. */
  async #decompressed(file: string): Promise<Uint8Array> {
    return await runBinaryTool(this.program('busybox'), ['xzcat', file], { timeoutMs: DECOMPRESS_TIMEOUT_MS });
  }
}

function isBuiltInList(file: string): boolean {
  return basename(file) === 'modules.builtin';
}

function findFile(files: readonly string[], matches: (file: string) => boolean, wanted: string): string {
  const found = files.find(matches);
  if (found !== undefined) return found;
  throw new GuestError(
    'package',
    `the Debian packages of the guest hold no ${wanted}: this release arranges them in a way not known here`,
  );
}
