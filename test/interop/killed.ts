// Kills a daemon that somebody else has started. Not a test itself.
import { identify, isSameProcess } from '../../lab/run-directory.ts';
import { until } from '../until.ts';

/** Resolves when it has ended: until then it may hold the file with its number, and the next one would not start. */
export async function killed(pid: number): Promise<void> {
  const one = identify(pid);
  process.kill(pid, 'SIGKILL');
  await until(`process ${pid} has ended`, async () => !isSameProcess(one));
}
