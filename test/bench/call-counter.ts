// How many system calls processes make during some work, by perf, which slows nobody.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';

/** Runs the work and answers the calls that the processes and their new threads made meanwhile; undefined: perf cannot. */
export async function callsDuring(pids: readonly number[], work: () => Promise<unknown>): Promise<number | undefined> {
  const words = ['stat', '-x', ',', '-e', 'raw_syscalls:sys_enter', '-p', pids.join(',')];
  // What perf is given to run says when it counts, and ends when it is told.
  const perf = spawn('perf', [...words, '--', 'sh', '-c', 'echo counting; read -r end'], { stdio: 'pipe' });
  const said = text(perf.stderr);
  const hasBegun = await Promise.race([
    once(perf.stdout, 'data').then(() => true),
    once(perf, 'close').then(() => false),
    once(perf, 'error').then(() => false),
  ]);
  if (!hasBegun) {
    await work();
    return undefined;
  }
  try {
    await work();
  } finally {
    perf.stdin.end('end\n');
  }
  const calls = /^(\d+),.*sys_enter/m.exec(await said)?.[1];
  return calls === undefined ? undefined : Number(calls);
}
