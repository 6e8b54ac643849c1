// Network namespaces, the lab's clouds: made, wired to each other by veth pairs, entered and destroyed. Never touches
// a namespace or a process by a broad name: only the namespaces it is told, and only the processes inside them.
import { type ChildProcess, execFile, type SpawnOptions, spawn } from 'node:child_process';
import {
  closeSync,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Where namespaces have their names (ip-netns(8)). */
export const NETNS_DIRECTORY = '/run/netns';
const ALLOWED_CONGESTION_CONTROL = '/proc/sys/net/ipv4/tcp_allowed_congestion_control';
const CONGESTION_CONTROL = 'cubic';
export const RECEIVE_BUFFER_DEFAULT = '/proc/sys/net/core/rmem_default';
/** One bandwidth-delay product of 200 Mbit/s and 150 ms, twice over for the kernel's own share of each frame. */
export const RECEIVE_BUFFER_BYTES = 8 * 1024 * 1024;
/** Longest wait for one command of the set-up; each takes some ms, a loaded machine may need seconds. */
const COMMAND_TIMEOUT_MS = 60_000;
/** What a command may print before it is cut off: `ovs-ofctl dump-flows` of a big table is the largest seen. */
const COMMAND_OUTPUT_BYTES_MAX = 16 * 1024 * 1024;
/** How long processes of a namespace may take to end by themselves before they are killed. */
const TERMINATE_GRACE_MS = 2_000;
/** How long the kernel may take to end killed processes; past it something is stuck in the kernel. */
const KILL_GRACE_MS = 20_000;
const PROCESS_POLL_MS = 20;

/** Linux: a device name has at most 15 characters (IFNAMSIZ less the closing zero). */
const DEVICE_PATTERN = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,14}$/;
const NAMESPACE_PATTERN = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}$/;
const ADDRESS_PATTERN = /^\d{1,3}(\.\d{1,3}){3}\/\d{1,2}$/;
const MAC_PATTERN = /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i;

/**
 * Kernel settings of every lab namespace. `arp_ignore`: else the uplink answers ARP for the bridge's address with the
 * wrong MAC. The buffers hold 200 Mbit/s x 150 ms (3.75 MB) four times over, and cubic is named because machines
 * differ in their default.
 */
export const LAB_SYSCTLS: Readonly<Record<string, string>> = {
  'net.ipv4.conf.all.arp_ignore': '1',
  'net.ipv6.conf.all.disable_ipv6': '1',
  'net.ipv6.conf.default.disable_ipv6': '1',
  'net.ipv4.tcp_rmem': '4096 131072 16777216',
  'net.ipv4.tcp_wmem': '4096 131072 16777216',
  'net.ipv4.tcp_congestion_control': CONGESTION_CONTROL,
  'net.ipv4.tcp_no_metrics_save': '1',
  // What waits unsent in a socket delays the last pass of a migration: the sender is stopped early instead.
  'net.ipv4.tcp_notsent_lowat': '131072',
};

/** A command of the set-up ended with an error; the message carries the command and what it said. */
export class CommandFailed extends Error {
  readonly code = 'COMMAND_FAILED';
  readonly command: string;
  /** What it had printed before it ended; some commands (ping) report a result by their exit status. */
  readonly stdout: string;

  constructor(command: string, output: { stdout: string; stderr: string }, cause: Error) {
    super(`command failed: ${command}: ${output.stderr.trim() || cause.message}`, { cause });
    this.name = 'CommandFailed';
    this.command = command;
    this.stdout = output.stdout;
  }
}

/** A namespace could not be emptied: processes in it survived SIGKILL. */
export class NamespaceBusy extends Error {
  readonly code = 'NAMESPACE_BUSY';

  constructor(namespace: string, pids: readonly number[]) {
    super(
      `namespace ${namespace}: ${pids.length} processes survived SIGKILL for ${KILL_GRACE_MS} ms: ${pids.join(' ')}`,
    );
    this.name = 'NamespaceBusy';
  }
}

/** One end of a veth pair. `address` is CIDR; without `mac` the kernel draws one. */
export interface VethEnd {
  readonly namespace: string;
  readonly device: string;
  readonly address?: string;
  readonly mac?: string;
}

/** Runs a command to its end and returns what it printed. Rejects with `CommandFailed`; bounded by `timeoutMs` (a minute). */
export function runCommand(
  command: string,
  args: readonly string[],
  options: { input?: string; timeoutMs?: number } = {},
): Promise<string> {
  const limits = { timeout: options.timeoutMs ?? COMMAND_TIMEOUT_MS, maxBuffer: COMMAND_OUTPUT_BYTES_MAX };
  return new Promise((resolve, reject) => {
    const child = execFile(command, [...args], limits, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new CommandFailed([command, ...args].join(' '), { stdout, stderr }, error));
    });
    // A command that ends before it has read its input is judged by its exit status alone.
    child.stdin?.on('error', () => child.stdin?.destroy());
    child.stdin?.end(options.input ?? '');
  });
}

/** The namespace of one role in one lab run: `sc-<run>-<role>`. */
export function namespaceName(runId: string, role: string): string {
  return checked(`sc-${runId}-${role}`, NAMESPACE_PATTERN, 'namespace');
}

/** The words to put before a command so that it runs inside the namespace (its process id stays the command's own). */
export function insideNamespace(namespace: string): readonly string[] {
  return ['nsenter', `--net=${NETNS_DIRECTORY}/${checked(namespace, NAMESPACE_PATTERN, 'namespace')}`, '--'];
}

/** Starts a process inside a namespace; the child's pid is the command's. The caller watches its `error` and `exit`. */
export function spawnIn(
  namespace: string,
  command: string,
  args: readonly string[],
  options: SpawnOptions = {},
): ChildProcess {
  const [enter = '', ...words] = [...insideNamespace(namespace), command, ...args];
  return spawn(enter, words, options);
}

/** Runs a command inside a namespace to its end and returns what it printed. Rejects with `CommandFailed`. */
export function runIn(
  namespace: string,
  command: string,
  args: readonly string[],
  options: { input?: string; timeoutMs?: number } = {},
): Promise<string> {
  const [enter = '', ...words] = [...insideNamespace(namespace), command, ...args];
  return runCommand(enter, words, options);
}

/**
 * Makes namespaces with the loopback up and the given kernel settings, for which it also raises the machine's default
 * receive buffer and allows cubic. Rejects if a namespace exists already.
 */
export async function createNamespaces(names: readonly string[], sysctls = LAB_SYSCTLS): Promise<void> {
  for (const name of names) checked(name, NAMESPACE_PATTERN, 'namespace');
  await runCommand('ip', ['-batch', '-'], { input: names.map((name) => `netns add ${name}\n`).join('') });
  prepareMachine();
  const settings = Object.entries(sysctls).map(([key, value]) => `${key}=${value}`);
  const script = 'ip link set lo up && exec sysctl -q -w "$@"';
  await Promise.all(names.map((name) => runIn(name, 'sh', ['-c', script, 'sh', ...settings])));
}

/**
 * Wires namespaces by veth pairs, up, with every offload off (with them on, frames of 64 KB and frames without a
 * checksum reach the switch, which drops or forwards them broken). `mtuBytes` holds for both ends of all pairs.
 */
export async function createVethPairs(pairs: readonly (readonly [VethEnd, VethEnd])[], mtuBytes = 1500): Promise<void> {
  const links = pairs.map(([a, b]) => `link add ${linkWords(a, mtuBytes)} type veth peer ${linkWords(b, mtuBytes)}\n`);
  await runCommand('ip', ['-batch', '-'], { input: links.join('') });
  const ends = Map.groupBy(pairs.flat(), (end) => end.namespace);
  await Promise.all(
    [...ends].map(([namespace, own]) => runIn(namespace, 'sh', ['-e'], { input: own.map(endScript).join('') })),
  );
}

/** Wires two namespaces; see `createVethPairs`. */
export function createVethPair(a: VethEnd, b: VethEnd, mtuBytes = 1500): Promise<void> {
  return createVethPairs([[a, b]], mtuBytes);
}

/** The processes inside a namespace; none when it does not exist. Zombies are not listed. */
export function namespacePids(namespace: string): number[] {
  const inode = namespaceInode(namespace);
  return inode === undefined ? [] : pidsOfInode(inode);
}

/** True if a namespace of that name exists. */
export function namespaceExists(namespace: string): boolean {
  return namespaceInode(namespace) !== undefined;
}

/** The names of all namespaces on this machine, the lab's or not. */
export function listNamespaces(): string[] {
  try {
    return readdirSync(NETNS_DIRECTORY);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

/**
 * Ends every process inside the namespace (SIGTERM, after 2 s SIGKILL) and deletes it with its devices. Does nothing
 * if it does not exist. Rejects with `NamespaceBusy`, and leaves the namespace, if a process survives.
 */
export async function destroyNamespace(namespace: string): Promise<void> {
  if (!namespaceExists(namespace)) return;
  // Held open to the end: the kernel gives a freed namespace's inode to the next one, whose processes are not ours.
  const held = openSync(`${NETNS_DIRECTORY}/${namespace}`, 'r');
  try {
    await emptyAndDelete(namespace, fstatSync(held).ino);
  } finally {
    closeSync(held);
  }
}

/** Destroys namespaces at the same time; see `destroyNamespace`. Tries all before it rejects with the first error. */
export async function destroyNamespaces(names: readonly string[]): Promise<void> {
  const outcomes = await Promise.allSettled(names.map(destroyNamespace));
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
}

async function emptyAndDelete(namespace: string, inode: number): Promise<void> {
  const busy = (): NamespaceBusy => new NamespaceBusy(namespace, pidsOfInode(inode));
  const ended = await signalAll(inode, 'SIGTERM', TERMINATE_GRACE_MS);
  if (!ended && !(await signalAll(inode, 'SIGKILL', KILL_GRACE_MS))) throw busy();
  await runCommand('ip', ['netns', 'del', namespace]);
  // A process that was just entering when we looked is inside now, and after this nobody could find it.
  if (!(await signalAll(inode, 'SIGKILL', KILL_GRACE_MS))) throw busy();
}

// SIGKILL is sent again at each look, since a process may have forked meanwhile; SIGTERM once, since it may be handled.
async function signalAll(inode: number, signal: 'SIGTERM' | 'SIGKILL', graceMs: number): Promise<boolean> {
  for (let waitedMs = 0; waitedMs <= graceMs; waitedMs += PROCESS_POLL_MS) {
    const pids = pidsOfInode(inode);
    if (pids.length === 0) return true;
    if (signal === 'SIGKILL' || waitedMs === 0) for (const pid of pids) signalOne(pid, signal);
    await sleep(PROCESS_POLL_MS);
  }
  return pidsOfInode(inode).length === 0;
}

function pidsOfInode(inode: number): number[] {
  const link = `net:[${inode}]`;
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && pid > 1 && readLink(`/proc/${pid}/ns/net`) === link);
}

function signalOne(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

// Two settings belong to the machine and not to a namespace. A namespace may only name a congestion control that the
// machine allows to everyone; and a packet socket's buffer, which ovs-vswitchd takes as it comes, loses every burst of
// TCP at its default of 208 KB. Neither changes how the machine's own TCP behaves; both stay until the machine restarts
// (docs/LAB.md).
function prepareMachine(): void {
  const allowed = readFileSync(ALLOWED_CONGESTION_CONTROL, 'utf8').trim().split(' ');
  if (!allowed.includes(CONGESTION_CONTROL))
    writeFileSync(ALLOWED_CONGESTION_CONTROL, [...allowed, CONGESTION_CONTROL].join(' '));
  const bufferBytes = Number(readFileSync(RECEIVE_BUFFER_DEFAULT, 'utf8'));
  if (bufferBytes < RECEIVE_BUFFER_BYTES) writeFileSync(RECEIVE_BUFFER_DEFAULT, String(RECEIVE_BUFFER_BYTES));
}

function linkWords(end: VethEnd, mtuBytes: number): string {
  const mac = end.mac === undefined ? '' : ` address ${checked(end.mac, MAC_PATTERN, 'MAC address')}`;
  const namespace = checked(end.namespace, NAMESPACE_PATTERN, 'namespace');
  return `name ${checked(end.device, DEVICE_PATTERN, 'device')} mtu ${mtuBytes}${mac} netns ${namespace}`;
}

function endScript(end: VethEnd): string {
  const offloads = `ethtool -K ${end.device} rx off tx off sg off tso off gso off gro off > /dev/null\n`;
  const address =
    end.address === undefined
      ? ''
      : `ip address add ${checked(end.address, ADDRESS_PATTERN, 'address')} dev ${end.device}\n`;
  return `${offloads}${address}ip link set ${end.device} up\n`;
}

function namespaceInode(namespace: string): number | undefined {
  return statSync(`${NETNS_DIRECTORY}/${checked(namespace, NAMESPACE_PATTERN, 'namespace')}`, { throwIfNoEntry: false })
    ?.ino;
}

// A process may end, or refuse to be looked at (a kernel thread), between the listing and the look.
function readLink(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH');
}

// These words end up in `ip -batch` and in shell scripts, so nothing else may be smuggled in.
function checked(word: string, pattern: RegExp, what: string): string {
  if (!pattern.test(word)) throw new RangeError(`not a ${what}: ${JSON.stringify(word)} does not match ${pattern}`);
  return word;
}
