// Kills what a test, or somebody else, has started, and waits until that has ended. Not a test itself.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { identify, isSameProcess } from '../../lab/run-directory.ts';
import { until } from '../until.ts';

/** A daemon of somebody else's. Resolves when it has ended: until then it may hold the file with its number, and the next one would not start. */
export async function killed(pid: number): Promise<void> {
  const one = identify(pid);
  process.kill(pid, 'SIGKILL');
  await until(`process ${pid} has ended`, async () => !isSameProcess(one));
}

/** Children of this process, whether they have ended already or not. */
export async function childrenKilled(children: Iterable<ChildProcess>): Promise<void> {
  for (const child of children) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }
}
