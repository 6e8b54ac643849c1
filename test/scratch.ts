// Directories of a run of tests or of a benchmark that are gone after it, however it ended: what a killed one left is
// removed by the next. Not a test itself.
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { identify, isSameProcess } from '../lab/run-directory.ts';

const DISKS = 'SUPERCLOUD_TEST_DISKS';
/** The number of the process that made it and when that started: another with this number does not keep it. */
const NAME = /^sc-(\d+)-(\d+)$/;

/** Where what is large or needs a disk is kept: on a disk, which what tmpdir() names need not be. */
export function onDisk(): string {
  return process.env[DISKS] ?? '/var/tmp';
}

/** A directory for small files; one for disks. */
export interface Part {
  readonly small: string;
  readonly large: string;
}

/** The environment of a program whose temporary files are to be in the part. */
export function environmentIn({ small, large }: Part): NodeJS.ProcessEnv {
  return { ...process.env, TMPDIR: small, [DISKS]: large };
}

/** That of this process, of which there is one. */
export class Scratch {
  /** For small files; short, so that socket paths stay under 108 bytes. */
  readonly small: string;
  /** For disks. */
  readonly large: string;
  #count = 0;

  constructor() {
    const roots = [tmpdir(), onDisk()];
    for (const root of roots) sweep(root);
    const { pid, startTicks } = identify(process.pid);
    const [small = '', large = ''] = roots.map((root) => `${root}/sc-${pid}-${startTicks}`);
    this.small = small;
    this.large = small === large ? `${large}/disks` : large;
    for (const directory of [this.small, this.large]) mkdirSync(directory, { recursive: true, mode: 0o700 });
  }

  /** A pair of directories for one program. */
  part(): Part {
    this.#count++;
    const part = { small: `${this.small}/${this.#count}`, large: `${this.large}/${this.#count}` };
    for (const directory of [part.small, part.large]) mkdirSync(directory, { mode: 0o700 });
    return part;
  }

  remove(): void {
    for (const directory of [this.small, this.large]) rmSync(directory, { recursive: true, force: true });
  }
}

function sweep(root: string): void {
  for (const name of readdirSync(root)) {
    const [, pid, startTicks] = NAME.exec(name) ?? [];
    if (pid === undefined || isSameProcess({ pid: Number(pid), startTicks: Number(startTicks) })) continue;
    rmSync(`${root}/${name}`, { recursive: true, force: true });
  }
}
