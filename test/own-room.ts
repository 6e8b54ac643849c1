// A program in a room of its own: its processes, its mounts, the names of its network namespaces and the lab's directories
// are there only, and however it ends, the kernel takes all of them away with it. Not a test itself.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import { STOP_SIGNALS } from '../common/terminal/terminal.ts';
import { CONTROL_SOCKETS } from '../common/wireguard-socket.ts';
import { NETNS_DIRECTORY } from '../lab/namespace.ts';
import { DATA_ROOT, RUN_ROOT } from '../lab/run-directory.ts';
import { environmentIn, type Part, Scratch } from './scratch.ts';

const MARK = 'SUPERCLOUD_TEST_ROOM';
/** It takes no SIGHUP where this process does not: Node has set what it ignores back. */
const WITH_PARENT = [
  ...(STOP_SIGNALS.includes('SIGHUP') ? [] : ['env', '--ignore-signal=HUP']),
  ...['setpriv', '--pdeathsig', 'KILL'],
];
/** What is kept in memory there; DATA_ROOT is on a disk. */
const IN_MEMORY = [NETNS_DIRECTORY, CONTROL_SOCKETS, RUN_ROOT];

/**
 * The first process there: mounts, and waits for the program as for all that lose their parent. $1: the directory for disks;
 * $2: 'own-loopback' or 'addresses-outside'. Not `exec "$@"`: node as the first process would not wait for the others.
 */
const FIRST = `
large=$1; addresses=$2; shift 2
for directory in ${IN_MEMORY.join(' ')}; do mount -t tmpfs -o mode=755 room "$directory" || exit 1; done
mkdir -p "$large/lab" && mount --bind "$large/lab" ${DATA_ROOT} || exit 1
if [ "$addresses" = own-loopback ]; then ip link set lo up || exit 1; fi
"$@"
exit $?`;

/** Whether this process is in a room. */
export const isInRoom = process.env[MARK] !== undefined;

/** What more than processes and mounts is the program's own: `addresses`: a loopback interface, and no other. */
export interface OwnRoom {
  readonly addresses?: boolean;
}

/** A command and the environment with which it runs. */
export interface Command {
  readonly words: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

/** The program without a room, its temporary files in the part of the scratch; ends with this process. */
export function withScratch(program: readonly string[], part: Part): Command {
  return { words: [...WITH_PARENT, ...program], env: environmentIn(part) };
}

/** The program in a room; ends with this process. Needs root. */
export function inRoom(program: readonly string[], part: Part, { addresses = false }: OwnRoom = {}): Command {
  for (const directory of [NETNS_DIRECTORY, CONTROL_SOCKETS]) mkdirSync(directory, { recursive: true });
  for (const directory of [RUN_ROOT, DATA_ROOT]) mkdirSync(directory, { recursive: true, mode: 0o700 });
  const room = ['unshare', ...(addresses ? ['--net'] : []), '--mount', '--propagation', 'slave', '--pid'];
  const first = ['sh', '-c', FIRST, 'sh', part.large, addresses ? 'own-loopback' : 'addresses-outside'];
  return {
    words: [...WITH_PARENT, ...room, '--fork', '--kill-child', '--mount-proc', ...first, ...program],
    env: { ...environmentIn(part), [MARK]: '1' },
  };
}

/** Runs the file in a room and takes over its exit code. */
export async function runInRoom(url: string, args: readonly string[] = [], room: OwnRoom = {}): Promise<void> {
  const scratch = new Scratch();
  const program = [process.execPath, ...process.execArgv, fileURLToPath(url), ...args];
  const { words, env } = inRoom(program, scratch.part(), room);
  const [command = '', ...rest] = words;
  const child = spawn(command, rest, { stdio: ['ignore', 'inherit', 'inherit'], env });
  let asked = 0;
  for (const signal of STOP_SIGNALS)
    process.once(signal, () => {
      asked = exitCodeOf(signal);
      child.kill('SIGKILL');
    });
  const [code] = await once(child, 'exit');
  scratch.remove();
  process.exitCode = asked || (code === 0 ? 0 : 1);
}

/** As shells say of a program that a signal has ended. */
export function exitCodeOf(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}
