// What each gate was turned to, a byte for each port, written in place: it outlives the agent from that moment on, which the
// journal's record does only once the disk has answered. It is for one run of the kernel; without power no guest is left.
import type { Disk, DiskFile } from '../../common/disk/disk.ts';
import { isFull } from '../../common/disk/disk-room.ts';
import { messageOf } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import { AGENT_PORT_FIRST, AGENT_PORT_LAST } from '../pipeline.ts';

/** The kernel's run before the gates: 36 characters (random(4), boot_id). */
const RUN_BYTES = 64;
const SAID = { nothing: 0, open: 1, closed: 2 } as const;

export class GatePage {
  readonly #file: DiskFile;
  readonly #bytes: Buffer;
  readonly #log: Pick<Log, 'error'>;

  private constructor(file: DiskFile, bytes: Buffer, log: Pick<Log, 'error'>) {
    this.#file = file;
    this.#bytes = bytes;
    this.#log = log;
  }

  /** What an earlier agent of this run of the kernel has noted, or nothing yet. @throws Error of the disk */
  static async open(disk: Disk, path: string, log: Pick<Log, 'error'>): Promise<GatePage> {
    const file = await disk.open(path, 'write');
    try {
      const run = Buffer.alloc(RUN_BYTES);
      run.write(disk.kernelRun);
      const bytes = Buffer.alloc(RUN_BYTES + AGENT_PORT_LAST - AGENT_PORT_FIRST + 1);
      await file.read(bytes, 0);
      if (!bytes.subarray(0, RUN_BYTES).equals(run)) {
        bytes.fill(0);
        run.copy(bytes);
        await file.write(bytes, 0).catch((error: unknown) => {
          if (!isFull(error)) throw error;
          log.error({ reason: messageOf(error) }, 'how gates are turned is only in the journal');
        });
      }
      return new GatePage(file, bytes, log);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Undefined where nothing was noted. */
  isOpen(portNo: number): boolean | undefined {
    const said = this.#bytes[placeOf(portNo)];
    return said === SAID.nothing ? undefined : said === SAID.open;
  }

  /** Takes microseconds and never throws: a disk that cannot do it keeps no gate from turning. */
  note(portNo: number, open: boolean): void {
    const at = placeOf(portNo);
    this.#bytes[at] = open ? SAID.open : SAID.closed;
    try {
      this.#file.writeSync(this.#bytes.subarray(at, at + 1), at);
    } catch (error) {
      this.#log.error({ reason: messageOf(error), portNo, open }, 'a gate is only in the journal');
    }
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

function placeOf(portNo: number): number {
  return RUN_BYTES + portNo - AGENT_PORT_FIRST;
}
