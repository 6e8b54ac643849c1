// Ending a process and what it started.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { endGroup } from '../../bench/dbench/process-group.ts';

/** A shell of its own group that says the number of a process that it has started. */
async function started(script: string): Promise<{ leader: ChildProcess; other: number; gone: Promise<unknown> }> {
  const leader = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'ignore'], detached: true });
  const { stdout } = leader;
  if (stdout === null) throw new Error('it has no output');
  const [said] = await once(stdout, 'data');
  // Both have the pipe's end: it ends with the last of them.
  return { leader, other: Number(said), gone: once(stdout.resume(), 'end') };
}

test('a leader that ends when it is told takes what it started along', async () => {
  const { leader, other, gone } = await started('trap "exit 3" TERM; sleep 60 & echo $!; wait');
  await endGroup(leader, 60_000);
  await gone;
  assert.is(leader.exitCode, 3);
  assert.not(existsSync(`/proc/${other}/exe`));
});

test('what does not end when it is told is killed, and so is what it started', async () => {
  const { leader, other, gone } = await started('trap "" TERM; sleep 60 & echo $!; while :; do wait; done');
  await endGroup(leader, 50);
  await gone;
  assert.is(leader.signalCode, 'SIGKILL');
  assert.not(existsSync(`/proc/${other}/exe`));
});

test('of one that has ended nothing is left either', async () => {
  const { leader, gone } = await started('sleep 60 & echo $!');
  if (leader.exitCode === null) await once(leader, 'exit');
  await endGroup(leader, 50);
  await gone;
});

test.run();
