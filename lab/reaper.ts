// A small process that outlives the lab process and, when that one dies in whatever way, removes what it left. It does
// nothing while the lab lives and never looks beyond the one run it was started for.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { cleanRun } from './run-directory.ts';

/** What the lab says on the pipe when it has cleaned up itself. */
const DISMISSED = 'dismissed\n';
/** Tries at cleaning: a process may need more than one SIGKILL's patience while the machine is under load. */
const CLEAN_ATTEMPTS = 5;

export interface Reaper {
  readonly pid: number;
  /** Lets the reaper go without cleaning; resolves when it has ended. */
  dismiss(): Promise<void>;
}

/** Starts the reaper of a run. It does not keep the lab process alive, and no signal to the lab's terminal reaches it. */
export async function startReaper(runId: string): Promise<Reaper> {
  const args = [fileURLToPath(import.meta.url), runId];
  const child = spawn(process.execPath, args, { detached: true, stdio: ['pipe', 'pipe', 'ignore'], cwd: '/' });
  const exited = once(child, 'exit');
  await Promise.race([once(child.stdout, 'data'), exited.then(failToStart)]);
  child.stdout.destroy();
  child.unref();
  return {
    pid: child.pid ?? 0,
    dismiss: async () => {
      child.ref();
      child.stdin.end(DISMISSED);
      await exited;
    },
  };
}

function failToStart(): never {
  throw new Error('the reaper of the lab run ended before it was ready');
}

async function reap(runId: string): Promise<void> {
  process.stdout.on('error', () => process.stdout.destroy());
  process.stdout.write('ready\n');
  let said = '';
  for await (const chunk of process.stdin) said += String(chunk);
  if (said !== DISMISSED) await cleanAfterDeath(runId);
}

// The lab is dead by now, since the kernel closed its end of the pipe, though /proc may still show it ending.
async function cleanAfterDeath(runId: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await cleanRun(runId, { evenIfAlive: true });
      return;
    } catch (error) {
      if (attempt === CLEAN_ATTEMPTS) throw error;
    }
  }
}

if (import.meta.main) await reap(process.argv[2] ?? '');
