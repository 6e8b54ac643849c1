// The names of the files in a machine's run directory. A new process of ours finds a living machine by nothing else.
import { join } from 'node:path';

export interface RunFiles {
  readonly pidFile: string;
  /** QMP for us. Each QMP socket serves one client at a time. */
  readonly agentSocket: string;
  /** QMP for people, so that looking at a machine never locks the agent out. */
  readonly peopleSocket: string;
  /** Where a destination waits for its RAM stream. */
  readonly ramSocket: string;
  /** What QEMU writes to stdout and stderr. */
  readonly log: string;
}

export function runFiles(runDirectory: string): RunFiles {
  return {
    pidFile: join(runDirectory, 'qemu.pid'),
    agentSocket: join(runDirectory, 'qmp.sock'),
    peopleSocket: join(runDirectory, 'people.sock'),
    ramSocket: join(runDirectory, 'ram.sock'),
    log: join(runDirectory, 'qemu.log'),
  };
}
