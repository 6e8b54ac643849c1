// Directories of a run of tests or of a benchmark that are gone after it, however it ended: what a killed one left is
// removed by the next. Not a test itself.
import { chmodSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tryLock } from '../common/disk/state-lock.ts';

const DISKS = 'SUPERCLOUD_TEST_DISKS';
/** Short, so that socket paths stay under 108 bytes. */
const PREFIX = 'sctest-';
const NAME = /^sctest-\w{6}$/;
const PRIVATE = 0o700;
/** Whoever makes one has locked it by then. */
const LOCKED_WITHIN_MS = 10_000;
/** Of a killed program processes may still write for a moment. */
const PATIENT = { recursive: true, force: true, maxRetries: 10, retryDelay: 100 } as const;

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

/** Those of this process, locked as long as it lives: others may not see it, but they see the lock. */
export class Scratch {
  readonly #small: string;
  readonly #large: string;
  #count = 0;

  constructor() {
    this.#small = made(tmpdir());
    this.#large = made(onDisk());
  }

  /** A pair of directories for one program. */
  part(): Part {
    this.#count++;
    const part = { small: join(this.#small, `${this.#count}`), large: join(this.#large, `${this.#count}`) };
    for (const directory of [part.small, part.large]) mkdirSync(directory, { mode: PRIVATE });
    return part;
  }

  remove(): void {
    for (const directory of [this.#small, this.#large]) rmSync(directory, PATIENT);
  }
}

function made(root: string): string {
  for (const name of readdirSync(root)) if (NAME.test(name)) removeAbandoned(join(root, name));
  const directory = mkdtempSync(join(root, PREFIX));
  chmodSync(directory, PRIVATE);
  tryLock(directory);
  return directory;
}

/** What is not this user's is left alone, and what cannot be removed is left for the next time. */
function removeAbandoned(directory: string): void {
  try {
    const { uid, mtimeMs } = lstatSync(directory);
    if (uid !== process.getuid?.() || Date.now() - mtimeMs < LOCKED_WITHIN_MS) return;
    const release = tryLock(directory);
    if (release === undefined) return;
    rmSync(directory, PATIENT);
    release();
  } catch {
    // Another run removes it at this moment.
  }
}
