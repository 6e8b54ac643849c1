// Runs a program on data that nobody vouches for: in namespaces of its own (bubblewrap), as nobody, without a network
// and with limits. It sees the machine's programs, one socket of this daemon and one file, and nothing else.
import { spawn } from 'node:child_process';
import { chmod, chown } from 'node:fs/promises';
import { codeOf, OperationError } from '../../common/errors.ts';

/** The unprivileged user of every Linux. */
const NOBODY = 65534;
/** qemu-img needs some 100 MB; a table of 1 TiB in 512-byte clusters is larger than this and fails. */
const MEMORY_BYTES = 2 * 2 ** 30;
/** 1 TiB at 100 MB/s of work is 3 hours. */
const CPU_SECONDS = 6 * 3600;
/** A slow disk waits longer than it works. */
const TIME_MS = 24 * 3600 * 1000;
/** An export of 1 TiB and a format's own tables. */
const FILE_BYTES = 2 ** 40 + 2 ** 34;
/** What a program says before it is no longer listened to. */
const OUTPUT_CHARACTERS_MAX = 64 * 1024;

/** Where the program finds the socket and the file. */
export const SOCKET_INSIDE = '/work/disk.sock';
export const FILE_INSIDE = '/work/disk.out';

export interface SandboxJob {
  /** The unix socket that it may connect to; its name outside. */
  readonly socket: string;
  /** The file that it may write. */
  readonly file?: string;
  readonly command: readonly string[];
  readonly signal: AbortSignal;
  /** Hears what it prints, as it comes. */
  readonly heard?: (text: string) => void;
}

export interface SandboxOutcome {
  readonly code: number | null;
  readonly output: string;
}

/** Runs the command to its end; killed when the signal says so. @throws OperationError CANCELLED, TOOL_MISSING */
export async function runInSandbox(job: SandboxJob): Promise<SandboxOutcome> {
  await chmod(job.socket, 0o666);
  if (job.file !== undefined) await chown(job.file, NOBODY, NOBODY);
  try {
    return await run(job);
  } finally {
    if (job.file !== undefined) await chown(job.file, process.getuid?.() ?? 0, process.getgid?.() ?? 0);
  }
}

function run({ command, signal, heard, ...seen }: SandboxJob): Promise<SandboxOutcome> {
  const [program = '', ...words] = [...limits(), ...walls(seen), ...asNobody(), ...command];
  const end = AbortSignal.any([signal, AbortSignal.timeout(TIME_MS)]);
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, { stdio: ['ignore', 'pipe', 'pipe'], signal: end, killSignal: 'SIGKILL' });
    let output = '';
    const hear = (chunk: Buffer): void => {
      output = `${output}${chunk.toString()}`.slice(-OUTPUT_CHARACTERS_MAX);
      heard?.(chunk.toString());
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    let failure: unknown;
    child.once('error', (error) => {
      failure = error;
      if (child.pid === undefined) reject(missing(program, error));
    });
    // Only now is the file nobody's but ours.
    child.once('close', (code) => {
      if (end.aborted) reject(new OperationError('CANCELLED', 'the conversion was given up', { cause: failure }));
      else resolve({ code, output });
    });
  });
}

function limits(): string[] {
  const each = [`--as=${MEMORY_BYTES}`, `--cpu=${CPU_SECONDS}`, `--fsize=${FILE_BYTES}`, '--nofile=64', '--core=0'];
  return ['prlimit', ...each, '--'];
}

function walls({ socket, file }: Pick<SandboxJob, 'socket' | 'file'>): string[] {
  return [
    ...['bwrap', '--die-with-parent', '--new-session', '--clearenv', '--setenv', 'PATH', '/usr/bin'],
    ...['--unshare-ipc', '--unshare-pid', '--unshare-net', '--unshare-uts', '--unshare-cgroup-try'],
    ...['--cap-drop', 'ALL', '--cap-add', 'CAP_SETUID', '--cap-add', 'CAP_SETGID', '--cap-add', 'CAP_SETPCAP'],
    ...['--ro-bind', '/usr', '/usr', '--symlink', 'usr/bin', '/bin'],
    ...['--symlink', 'usr/lib', '/lib', '--symlink', 'usr/lib64', '/lib64'],
    ...[
      '--perms',
      '0755',
      '--dir',
      '/dev',
      '--dev-bind',
      '/dev/null',
      '/dev/null',
      '--perms',
      '0755',
      '--dir',
      '/work',
    ],
    ...['--ro-bind', socket, SOCKET_INSIDE, ...(file === undefined ? [] : ['--bind', file, FILE_INSIDE])],
    ...['--chdir', '/work', '--'],
  ];
}

function asNobody(): string[] {
  return [
    'setpriv',
    `--reuid=${NOBODY}`,
    `--regid=${NOBODY}`,
    '--clear-groups',
    '--inh-caps=-all',
    '--bounding-set=-all',
    '--',
  ];
}

function missing(program: string, cause: unknown): unknown {
  if (codeOf(cause) !== 'ENOENT') return cause;
  return new OperationError('TOOL_MISSING', `there is no ${program} at this node`, {
    remedy: 'apt-get install qemu-utils bubblewrap util-linux',
    cause,
  });
}
