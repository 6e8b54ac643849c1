// Runs a program again in a mount and a process namespace of its own, so that nothing that it mounts or starts outlives
// it, however it ends: the kernel takes all of it away with the namespaces. Not a test itself.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const MARK = 'SUPERCLOUD_TEST_NAMESPACES';

/** Whether this process is in namespaces of its own already. */
export const isInside = process.env[MARK] !== undefined;

/** Runs the file there and takes over its exit code. Killed with this process; needs root. */
export async function runInside(url: string, args: readonly string[] = []): Promise<void> {
  const words = ['--pdeathsig', 'KILL', 'unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
  const child = spawn('setpriv', [...words, process.execPath, ...process.execArgv, fileURLToPath(url), ...args], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, [MARK]: '1' },
  });
  const [code] = await once(child, 'exit');
  process.exitCode = code === 0 ? 0 : 1;
}
