// The end of a process that was started as the leader of its own group, with all that it started in it.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { codeOf } from '../../../common/errors.ts';

/** Asks the leader to end, and kills its whole group after so long; nothing of the group is left with the answer. */
export async function endGroup(leader: ChildProcess, graceMs: number): Promise<void> {
  if (leader.pid === undefined) return;
  if (leader.exitCode === null && leader.signalCode === null) {
    const ended = once(leader, 'exit');
    leader.kill('SIGTERM');
    const timer = setTimeout(() => killGroup(leader.pid ?? 0), graceMs);
    await ended;
    clearTimeout(timer);
  }
  killGroup(leader.pid);
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    // Nobody is in it any more.
    if (codeOf(error) !== 'ESRCH') throw error;
  }
}
