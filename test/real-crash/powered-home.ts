// A daemon's directory on a real ext4 whose disk can lose its power: below it a loop device on a file that our own FUSE mount
// and NBD server give, in memory. Needs root and namespaces of its own. Not a test itself.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { exportDevice } from '../../blockd/nbd/nbd-server.ts';
import { createLog } from '../../common/log.ts';
import type { Prng } from '../sim/prng.ts';
import { MortalDisk } from './mortal-disk.ts';
import { Program, run } from './recording.ts';

const DISK_BYTES = 64 * 2 ** 20;
const FUSE = fileURLToPath(new URL('../../blockd/fuse-main.ts', import.meta.url));
/** Where ext4 ends a transaction that nobody waits for, seconds: often, so that cuts find some of them. */
const COMMIT_SECONDS = 1;

/** The homes of some daemons, by one FUSE mount. */
export class PoweredHomes {
  readonly #sockets: string;
  readonly #files: string;
  readonly #fuse: Program;
  readonly #homes: PoweredHome[] = [];

  private constructor(sockets: string, files: string, fuse: Program) {
    this.#sockets = sockets;
    this.#files = files;
    this.#fuse = fuse;
  }

  /** `root`: a directory for mounts and sockets. */
  static async begin(root: string): Promise<PoweredHomes> {
    const [sockets, files] = [join(root, 'sockets'), join(root, 'files')];
    await Promise.all([sockets, files].map((path) => mkdir(path, { recursive: true })));
    return new PoweredHomes(sockets, files, await Program.start(FUSE, ['--sockets', sockets, '--at', files]));
  }

  /** A new, empty one, mounted at the path. */
  async make(name: string, at: string): Promise<PoweredHome> {
    const disk = new MortalDisk(DISK_BYTES);
    const path = join(this.#sockets, `${name}.sock`);
    const served = await exportDevice(disk, { name, bytes: DISK_BYTES }, path, createLog('test', 'silent'));
    const file = join(this.#files, name);
    await run('mkfs.ext4', ['-q', '-F', '-E', 'nodiscard', '-J', 'size=4', file]);
    const home = new PoweredHome(disk, file, at, () => served.close());
    await home.mount();
    this.#homes.push(home);
    return home;
  }

  async end(): Promise<void> {
    for (const home of this.#homes) await home.end();
    await this.#fuse.stop('SIGTERM');
    for (const home of this.#homes) await home.close();
  }
}

export class PoweredHome {
  readonly disk: MortalDisk;
  readonly close: () => Promise<void>;
  readonly #file: string;
  readonly #at: string;

  constructor(disk: MortalDisk, file: string, at: string, close: () => Promise<void>) {
    this.disk = disk;
    this.close = close;
    this.#file = file;
    this.#at = at;
  }

  /** What is there is read, as after any power cut, by the journal of the file system. */
  async mount(): Promise<void> {
    await mkdir(this.#at, { recursive: true });
    // This process is the disk, and connects to a socket on it: with times of access the connection would wait for the
    // file system's journal, the journal for the disk, and the disk for the connection.
    await run('mount', ['-o', `loop,noatime,commit=${COMMIT_SECONDS}`, this.#file, this.#at]);
  }

  /** All that was made there is durable. */
  async sync(): Promise<void> {
    await run('sync', ['-f', this.#at]);
  }

  /** After a cut, once nobody uses it any more: as it is when the power is back. */
  async restore(prng: Prng): Promise<void> {
    await run('umount', [this.#at]);
    this.disk.restore(prng);
    await this.mount();
  }

  async end(): Promise<void> {
    await run('umount', [this.#at]);
  }
}
