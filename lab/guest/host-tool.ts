// Runs a command of the host while an image is made. It must never wait without a bound nor hide what a failed command said.
import { type ChildProcess, execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { GuestError } from './guest-error.ts';

const run = promisify(execFile);

/** Output of a command that is kept; the largest we expect is the list of a system's packages, some 100 KB. */
const OUTPUT_BYTES_MAX = 8 * 1024 * 1024;
/** Lines of a failed command's complaint that are repeated to the user. */
const COMPLAINT_LINES = 12;

export interface ToolOptions {
  readonly timeoutMs: number;
  readonly cwd?: string;
  /** Text for its standard input; without it the command finds its input at the end. */
  readonly input?: string;
  /** Runs also after {@link stopTools}, which does not end it. */
  readonly tidiesUp?: true;
  /** Debian packages that hold the command, for the remedy when it is missing. */
  readonly packages?: readonly string[];
}

const running = new Set<ChildProcess>();
let stopped = false;

/** For a process that was told to end: asks each tool that runs to end, lets no further one start but those that tidy up. */
export function stopTools(): void {
  stopped = true;
  for (const child of running) child.kill('SIGTERM');
}

/** Runs `command` to its end and returns its standard output. Fails with GuestError `tool`. */
export async function runTool(command: string, args: readonly string[], options: ToolOptions): Promise<string> {
  return text(await runBinaryTool(command, args, options));
}

/** Like {@link runTool}, for an output that is not text. */
export async function runBinaryTool(command: string, args: readonly string[], options: ToolOptions): Promise<Buffer> {
  if (stopped && options.tidiesUp !== true) throw new GuestError('tool', `${command} was not started: stopped`);
  const finished = run(command, [...args], {
    cwd: options.cwd,
    encoding: 'buffer',
    env: { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' },
    killSignal: 'SIGTERM',
    maxBuffer: OUTPUT_BYTES_MAX,
    timeout: options.timeoutMs,
  });
  if (options.tidiesUp !== true) running.add(finished.child);
  finished.child.stdin?.on('error', ignoreClosedInput);
  finished.child.stdin?.end(options.input ?? '');
  try {
    return (await finished).stdout;
  } catch (cause) {
    throw new GuestError('tool', complaint(command, args, options, cause), cause);
  } finally {
    running.delete(finished.child);
  }
}

/** A command may end without reading its input; its exit status tells whether that was a failure. */
function ignoreClosedInput(): undefined {
  return undefined;
}

function complaint(command: string, args: readonly string[], options: ToolOptions, cause: unknown): string {
  if (property(cause, 'code') === 'ENOENT') {
    const names = options.packages?.join(' ') ?? command;
    return `${command} is not installed: apt-get install --no-install-recommends ${names}`;
  }
  if (stopped) return `${command} was stopped`;
  if (property(cause, 'killed') === true)
    return `${command} ${args[0] ?? ''} did not end within ${options.timeoutMs} ms`;
  const said = text(property(cause, 'stderr')).trimEnd().split('\n').slice(-COMPLAINT_LINES).join('\n');
  return `${command} ${args.join(' ')} failed (${String(property(cause, 'code'))}): ${said}`;
}

function property(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

function text(output: unknown): string {
  return Buffer.isBuffer(output) ? output.toString('utf8') : '';
}
