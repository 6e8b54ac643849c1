// Removing a run's directories. Never reaches into what is mounted below them.
import { readFileSync, rmSync } from 'node:fs';
import { runCommand } from './namespace.ts';

/** Removes a directory with all that is in it, after what is mounted there; does nothing where there is none. */
export async function removeTree(path: string): Promise<void> {
  await unmountBelow(path);
  rmSync(path, { recursive: true, force: true });
}

/** Unmounts the path itself and what is below it. */
export async function unmountBelow(path: string): Promise<void> {
  const mounted = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '');
  const below = mounted.filter((point) => point === path || point.startsWith(`${path}/`));
  for (const point of below.toReversed()) await runCommand('umount', ['--lazy', point]);
}
