// Finds a guest's kernel modules and the order in which they can be inserted, since an initramfs of ours has no depmod. It must not load anything.

/** The part of a kernel's module folder that we look into. */
export interface ModuleSource {
  /** Names of modules inside the kernel image itself, from `modules.builtin`. */
  readonly builtIn: ReadonlySet<string>;
  /** The uncompressed module, or nothing when this kernel has none of that name. */
  load(name: string): Promise<Uint8Array | undefined>;
}

export interface KernelModule {
  readonly name: string;
  readonly content: Uint8Array;
}

/** Modules write `-` and `_` at will; the kernel compares them with `_`. */
export function moduleName(pathOrName: string): string {
  const file = pathOrName.slice(pathOrName.lastIndexOf('/') + 1);
  return file.replace(/\.ko(\.(xz|gz|zst))?$/, '').replaceAll('-', '_');
}

/**
 * The wanted modules and what they depend on, each after its dependencies. A name that this kernel does not have is left out: Debian's
 * kernels differ in what is built in, and a guest without a balloon still boots.
 */
export async function modulesInOrder(source: ModuleSource, wanted: readonly string[]): Promise<KernelModule[]> {
  const ordered = new Map<string, KernelModule>();
  for (const name of wanted) await visit(source, name, ordered);
  return [...ordered.values()];
}

// The kernel's own graph of modules has no cycle, and a module is entered once: the recursion ends.
async function visit(source: ModuleSource, name: string, ordered: Map<string, KernelModule>): Promise<void> {
  if (ordered.has(name) || source.builtIn.has(name)) return;
  const content = await source.load(name);
  if (content === undefined) return;
  for (const dependency of moduleDependencies(content)) await visit(source, dependency, ordered);
  ordered.set(name, { name, content });
}

/** Reads the `depends=` entry of a module's `.modinfo` section (strings separated by zero bytes; modinfo(8)). */
export function moduleDependencies(content: Uint8Array): string[] {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  const marker = Buffer.from('\0depends=');
  const start = bytes.indexOf(marker);
  if (start < 0) return [];
  const end = bytes.indexOf(0, start + marker.length);
  const list = bytes.toString('latin1', start + marker.length, end);
  return list.split(',').filter(Boolean).map(moduleName);
}
