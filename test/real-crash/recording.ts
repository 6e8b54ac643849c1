// A real blockd on a real ext4 whose disk is recorded: below the file system a loop device on a file that our own FUSE mount
// and NBD server give, in memory. What its client asked and was answered is noted beside the disk's log. Needs root and
// namespaces of its own. Not a test itself.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { exportDevice } from '../../blockd/nbd/nbd-server.ts';
import { createLog } from '../../common/log.ts';
import { type Planted, planting } from '../planted/planted.ts';
import type { Prng } from '../sim/prng.ts';
import type { DiskEvent } from './disk-events.ts';
import { NbdConnection } from './nbd-connection.ts';
import { RandomLoad } from './random-load.ts';
import { RecordedDisk } from './recorded-disk.ts';
import { socketOf } from './traced-blockd.ts';

const MIB = 2 ** 20;
const DISK_BYTES = 32 * MIB;
export const IMAGE_BYTES = 6 * MIB;
const LIVES = 3;
const REQUESTS = 150;
const ALONE = fileURLToPath(new URL('../../blockd/alone-main.ts', import.meta.url));
const FUSE = fileURLToPath(new URL('../../blockd/fuse-main.ts', import.meta.url));
/** Where ext4 ends a transaction that nobody waits for, seconds: often, so that cuts find some of them. */
const COMMIT_SECONDS = 1;
/** A journal longer than this gets a checkpoint, so that its files and renames are among what is cut. */
const SHORT_JOURNAL: Planted = {
  room: 'blockd/store/checkpointer.ts',
  find: 'const JOURNAL_BYTES_MIN = 8 * 2 ** 20;',
  replace: 'const JOURNAL_BYTES_MIN = 4096;',
};
export const run = promisify(execFile);

/** One event, and how long the disk's log was when it was noted: it had happened by then. */
export interface NotedEvent {
  readonly position: number;
  /** `served`: an image is served under the epoch of this number. */
  readonly event: DiskEvent | { readonly kind: 'served'; readonly epoch: number };
}

export interface Recording {
  readonly disk: RecordedDisk;
  /** How long the log was when the file system was mounted, with nothing on it. */
  readonly from: number;
  readonly events: readonly NotedEvent[];
}

/** A daemon that says when it serves. */
export class Program {
  readonly #child: ReturnType<typeof spawn>;

  private constructor(child: ReturnType<typeof spawn>) {
    this.#child = child;
  }

  static async start(script: string, words: readonly string[], plants: readonly Planted[] = []): Promise<Program> {
    const child = spawn(process.execPath, [...process.execArgv, script, ...words], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: planting(plants),
    });
    let said = '';
    await new Promise<void>((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`${script} exited with ${code}`)));
      child.stdout?.on('data', (chunk: Buffer) => {
        said += chunk.toString();
        if (said.includes('Ctrl-C stops')) resolve();
      });
    });
    return new Program(child);
  }

  async stop(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill(signal);
    await exited;
  }
}

/** Records some lives of a blockd, each ended by a kill. `root`: a directory for mounts and sockets. */
export async function record(root: string, prng: Prng, plants: readonly Planted[] = []): Promise<Recording> {
  const disk = new RecordedDisk(DISK_BYTES);
  const [sockets, files, at] = ['sockets', 'files', 'ext4'].map((name) => join(root, name)) as [string, string, string];
  await Promise.all([sockets, files, at].map((path) => mkdir(path, { recursive: true })));
  const path = join(sockets, 'disk.sock');
  const served = await exportDevice(disk, { name: 'disk', bytes: DISK_BYTES }, path, createLog('test', 'silent'));
  const fuse = await Program.start(FUSE, ['--sockets', sockets, '--at', files]);
  try {
    await run('mkfs.ext4', ['-q', '-F', '-E', 'nodiscard', '-J', 'size=4', join(files, 'disk')]);
    // This process is the disk, and connects to a socket on it: with times of access the connection would wait for the
    // file system's journal, the journal for the disk, and the disk for the connection.
    await run('mount', ['-o', `loop,noatime,commit=${COMMIT_SECONDS}`, join(files, 'disk'), at]);
    try {
      const from = disk.log.length;
      return { disk, from, events: await useDisk(disk, join(at, 'data'), prng, [SHORT_JOURNAL, ...plants]) };
    } finally {
      await run('umount', [at]);
    }
  } finally {
    await fuse.stop('SIGTERM');
    await served.close();
  }
}

async function useDisk(
  disk: RecordedDisk,
  data: string,
  prng: Prng,
  plants: readonly Planted[],
): Promise<NotedEvent[]> {
  const events: NotedEvent[] = [];
  const note = (event: NotedEvent['event']): void => void events.push({ position: disk.log.length, event });
  const load = new RandomLoad({ prng, bytes: IMAGE_BYTES, tell: note });
  for (let epoch = 1; epoch <= LIVES; epoch++) {
    const blockd = await Program.start(ALONE, ['--alone', '--data', data, '--image', `web:${IMAGE_BYTES}`], plants);
    try {
      note({ kind: 'served', epoch });
      const client = await NbdConnection.open(socketOf(data, 'web'), 'web');
      const end = await load.run(client, REQUESTS);
      if (end !== undefined) throw end;
      client.close();
    } finally {
      await blockd.stop('SIGKILL');
    }
  }
  return events;
}
