// Runs a program again in a mount and a process namespace of its own, so that nothing that it mounts or starts outlives
// it, however it ends: the kernel takes all of it away with the namespaces. One with addresses of its own meets no other
// program's daemons there. Not a test itself.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const MARK = 'SUPERCLOUD_TEST_NAMESPACES';

/** Inside, with addresses of its own: makes them there. */
export async function bringLoopbackUp(): Promise<void> {
  await promisify(execFile)('ip', ['link', 'set', 'lo', 'up']);
}

/** Whether this process is in namespaces of its own already. */
export const isInside = process.env[MARK] !== undefined;

/** What more may be the program's own: `addresses`: a loopback interface, and no other. */
export interface OwnRoom {
  readonly addresses?: boolean;
}

/** Runs the file there and takes over its exit code. Killed with this process; needs root. */
export async function runInside(url: string, args: readonly string[] = [], { addresses }: OwnRoom = {}): Promise<void> {
  const net = addresses === true ? ['--net'] : [];
  const words = [
    '--pdeathsig',
    'KILL',
    'unshare',
    ...net,
    '--mount',
    '--pid',
    '--fork',
    '--kill-child',
    '--mount-proc',
  ];
  const child = spawn('setpriv', [...words, process.execPath, ...process.execArgv, fileURLToPath(url), ...args], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, [MARK]: '1' },
  });
  const [code] = await once(child, 'exit');
  process.exitCode = code === 0 ? 0 : 1;
}
