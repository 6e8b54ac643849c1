// Where one lab run keeps its files, and the manifest by which a later process finds what a crashed run left behind.
// Everything is written down before it is made. Never removes anything that no manifest of the lab names.
import { randomInt } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { removeTree, unmountBelow } from './file-trees.ts';
import { destroyNamespaces, listNamespaces } from './namespace.ts';
import { removeWireGuardSockets } from './wireguard.ts';

/** Sockets and small files: /run is short, so that socket paths stay under 108 bytes, and in memory. */
export const RUN_ROOT = '/run/supercloud-lab';
const CONTEXT_NAME = 'current-context.json';
/** By which the command line finds the newest running lab. */
export const CURRENT_CONTEXT = `${RUN_ROOT}/${CONTEXT_NAME}`;
/** Disk images and stores, which /run is too small for. */
export const DATA_ROOT = '/var/tmp/supercloud-lab';
const RUN_ID_PATTERN = /^[a-z][a-z0-9]{0,11}$/;
const RUN_ID_LETTERS = 'abcdefghijklmnopqrstuvwxyz0123456789';
/** 26 x 36^4 ids: two runs on one machine meet about never, and creation fails if they do. */
const RUN_ID_LENGTH = 5;

/** A process that cannot be mistaken for a later one with the same number. */
export interface ProcessIdentity {
  readonly pid: number;
  /** When it started, in clock ticks since boot (proc(5), /proc/pid/stat field 22). */
  readonly startTicks: number;
}

/** What a run has made, as written in `/run/supercloud-lab/<run>.json`. */
export interface Manifest {
  readonly runId: string;
  readonly lab: ProcessIdentity;
  readonly directory: string;
  readonly dataDirectory: string;
  readonly namespaces: readonly string[];
  readonly processes: readonly ProcessIdentity[];
  readonly mounts: readonly string[];
}

/** A run's manifest cannot be read, or a run of that name is there already; the message says what to do. */
export class RunDirectoryError extends Error {
  readonly code = 'LAB_RUN_DIRECTORY';
  override readonly name = 'RunDirectoryError';
}

/** The roots under which runs live; tests give their own. */
export interface Roots {
  readonly run: string;
  readonly data: string;
}

const ROOTS: Roots = { run: RUN_ROOT, data: DATA_ROOT };

/** The directories and the manifest of the lab run that this process is. */
export class RunDirectory {
  readonly runId: string;
  #manifest: Manifest;
  readonly #roots: Roots;

  /** Claims a run id (drawn at random unless given) for this process. Throws `RunDirectoryError` if it is taken. */
  constructor(options: { runId?: string; roots?: Roots } = {}) {
    this.#roots = options.roots ?? ROOTS;
    this.runId = checkedRunId(options.runId ?? drawRunId());
    const directory = `${this.#roots.run}/${this.runId}`;
    const dataDirectory = `${this.#roots.data}/${this.runId}`;
    const empty = { namespaces: [], processes: [], mounts: [] };
    this.#manifest = { runId: this.runId, lab: identify(process.pid), directory, dataDirectory, ...empty };
    mkdirSync(this.#roots.run, { recursive: true, mode: 0o700 });
    this.#claim();
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    mkdirSync(dataDirectory, { recursive: true, mode: 0o700 });
  }

  /** The directory of sockets and small files. */
  get path(): string {
    return this.#manifest.directory;
  }

  /** The directory of disk images and stores. */
  get dataPath(): string {
    return this.#manifest.dataDirectory;
  }

  get manifest(): Manifest {
    return this.#manifest;
  }

  /** To be called before the namespaces are created. */
  addNamespaces(names: readonly string[]): void {
    this.#write({ ...this.#manifest, namespaces: [...this.#manifest.namespaces, ...names] });
  }

  /** For a process outside of the run's namespaces; those inside are found without being listed. */
  addProcess(pid: number): void {
    this.#write({ ...this.#manifest, processes: [...this.#manifest.processes, identify(pid)] });
  }

  /** To be called before something is mounted at the path. */
  addMount(path: string): void {
    this.#write({ ...this.#manifest, mounts: [...this.#manifest.mounts, path] });
  }

  /** Ends and removes all that the run made, itself included; for an orderly end. */
  async remove(): Promise<void> {
    await removeRun(this.#manifest, this.#roots);
  }

  #claim(): void {
    try {
      writeFileSync(manifestPath(this.runId, this.#roots), serialise(this.#manifest), { flag: 'wx', mode: 0o600 });
    } catch (cause) {
      const remedy = 'wait for it to end, or run `./supercloud lab --clean` if it crashed';
      throw new RunDirectoryError(`cannot claim lab run ${this.runId}: its manifest exists; ${remedy}`, { cause });
    }
  }

  #write(manifest: Manifest): void {
    this.#manifest = manifest;
    const path = manifestPath(this.runId, this.#roots);
    writeFileSync(`${path}.new`, serialise(manifest), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }
}

/** A short random run id such as `k3f9a`. */
export function drawRunId(): string {
  const letters = Array.from({ length: RUN_ID_LENGTH - 1 }, () => RUN_ID_LETTERS[randomInt(RUN_ID_LETTERS.length)]);
  return `${RUN_ID_LETTERS[randomInt(26)]}${letters.join('')}`;
}

/** The runs that have a manifest, alive or not. */
export function listRuns(roots = ROOTS): string[] {
  const names = readDirectory(roots.run).filter((name) => name.endsWith('.json'));
  return names.map((name) => name.slice(0, -'.json'.length)).filter((runId) => RUN_ID_PATTERN.test(runId));
}

/** True while the process that made the run lives. Throws `RunDirectoryError` if the manifest is not one. */
export function isRunAlive(runId: string, roots = ROOTS): boolean {
  const manifest = readManifest(runId, roots);
  return manifest !== undefined && isSameProcess(manifest.lab);
}

/**
 * Removes what a run left: processes inside its namespaces, the namespaces, its mounts and directories. Returns false
 * and touches nothing if the run's own process still lives (unless `evenIfAlive`) or there is no such run.
 */
export async function cleanRun(
  runId: string,
  options: { evenIfAlive?: boolean; roots?: Roots } = {},
): Promise<boolean> {
  const roots = options.roots ?? ROOTS;
  const manifest = readManifest(checkedRunId(runId), roots);
  if (manifest === undefined) return false;
  if (options.evenIfAlive !== true && isSameProcess(manifest.lab)) return false;
  await removeRun(manifest, roots);
  return true;
}

/** Cleans every run whose process is gone and data that no run owns (a reboot empties /run). Returns the runs cleaned. */
export async function cleanAll(roots = ROOTS): Promise<string[]> {
  const cleaned: string[] = [];
  for (const runId of listRuns(roots)) if (await cleanRun(runId, { roots })) cleaned.push(runId);
  // Data first, runs second: a run that starts meanwhile claims its id before it makes its data directory.
  const data = readDirectory(roots.data).filter((name) => RUN_ID_PATTERN.test(name));
  const owned = new Set(listRuns(roots));
  for (const name of data) if (!owned.has(name)) await removeTree(`${roots.data}/${name}`);
  removeDanglingContext(roots);
  return cleaned;
}

/** Who a living process is. Throws `RunDirectoryError` if there is none with that number. */
export function identify(pid: number): ProcessIdentity {
  const startTicks = readStartTicks(pid);
  if (startTicks === undefined) throw new RunDirectoryError(`process ${pid} is not there to be identified`);
  return { pid, startTicks };
}

/** True if that very process still lives; a zombie does not. */
export function isSameProcess(identity: ProcessIdentity): boolean {
  return readStartTicks(identity.pid) === identity.startTicks;
}

// The manifest goes last, so that a clean-up that was itself cut off can be repeated.
async function removeRun(manifest: Manifest, roots: Roots): Promise<void> {
  for (const known of manifest.processes) if (isSameProcess(known)) process.kill(known.pid, 'SIGKILL');
  const prefix = `sc-${manifest.runId}-`;
  const prefixed = listNamespaces().filter((name) => name.startsWith(prefix));
  await destroyNamespaces([...new Set([...manifest.namespaces, ...prefixed])]);
  removeWireGuardSockets(manifest.runId);
  for (const mount of manifest.mounts.toReversed()) await unmountBelow(mount);
  await removeTree(`${roots.run}/${manifest.runId}`);
  await removeTree(`${roots.data}/${manifest.runId}`);
  removeDanglingContext(roots);
  rmSync(manifestPath(manifest.runId, roots), { force: true });
}

/**
 * The link to a context that is gone leads nowhere: it leads to the newest living lab's from then on, if there is one. A link
 * to a living lab's is left alone.
 */
function removeDanglingContext(roots: Roots): void {
  const path = `${roots.run}/${CONTEXT_NAME}`;
  // existsSync follows the link: false for one that leads nowhere.
  if (existsSync(path)) return;
  rmSync(path, { force: true });
  const newest = listRuns(roots)
    .filter((runId) => isRunAlive(runId, roots))
    .map((runId) => contextOf(`${roots.run}/${runId}/context.json`))
    .sort((one, other) => other.writtenMs - one.writtenMs)[0];
  if (newest === undefined || newest.writtenMs === 0) return;
  try {
    symlinkSync(newest.path, path);
  } catch {
    // A lab that has just started was first.
  }
}

function contextOf(path: string): { path: string; writtenMs: number } {
  return { path, writtenMs: statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0 };
}

function readManifest(runId: string, roots: Roots): Manifest | undefined {
  const path = manifestPath(runId, roots);
  if (!listRuns(roots).includes(runId)) return undefined;
  try {
    return decodeManifest(JSON.parse(readFileSync(path, 'utf8')));
  } catch (cause) {
    throw new RunDirectoryError(`cannot read the manifest ${path}: remove it by hand when its run has ended`, {
      cause,
    });
  }
}

function decodeManifest(value: unknown): Manifest {
  const manifest = value as Manifest;
  checkedRunId(manifest.runId);
  const lists = [manifest.namespaces, manifest.processes, manifest.mounts];
  if (!lists.every(Array.isArray) || !Number.isInteger(manifest.lab.pid)) throw new TypeError('a field is missing');
  return manifest;
}

function readStartTicks(pid: number): number | undefined {
  const stat = readText(`/proc/${pid}/stat`);
  // The command's name may itself hold blanks and brackets: fields are counted from behind its last bracket.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return stat === '' || fields[0] === 'Z' || fields[0] === 'X' ? undefined : Number(fields[19]);
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function readDirectory(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function manifestPath(runId: string, roots: Roots): string {
  return `${roots.run}/${runId}.json`;
}

function serialise(manifest: Manifest): string {
  return `${JSON.stringify(manifest, null, 2)}\n`;
}

function checkedRunId(runId: string): string {
  if (!RUN_ID_PATTERN.test(runId))
    throw new RunDirectoryError(`not a run id: ${JSON.stringify(runId)}; wanted ${RUN_ID_PATTERN}`);
  return runId;
}
