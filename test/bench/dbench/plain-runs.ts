// Runs under plain QEMU: its disk by NFS from the old cloud, or a file that is mirrored whole before the memory goes.
import type { ProgressLine } from '../../../common/terminal/progress.ts';
import type { PreparedGuest } from '../../../lab/guest/build.ts';
import type { Lab } from '../../../lab/lab.ts';
import { FROM, MAX_BANDWIDTH_BYTES_PER_SECOND, TO } from '../move-limits.ts';
import { PLAIN_ADDRESS, type PlainOptions, PlainQemu, plainConsole } from '../plain-qemu.ts';
import { LoadWatch } from './load-watch.ts';
import { type DbenchRun, type Load, measuredRun } from './measured-run.ts';
import { NfsServer } from './nfs-server.ts';

/** What ours may come to with a guest that does not converge (switchover-limit.ts), and here no pass ends sooner. */
const DOWNTIME_LIMIT_MS = 500;

export class PlainRuns {
  readonly #lab: Lab;
  readonly #guest: PreparedGuest;
  readonly #load: Load;
  readonly #line: ProgressLine;

  constructor(lab: Lab, guest: PreparedGuest, load: Load, line: ProgressLine) {
    this.#lab = lab;
    this.#guest = guest;
    this.#load = load;
    this.#line = line;
  }

  /** With the disk on an NFS server in the old cloud, which ends with the run. */
  async nfs(): Promise<DbenchRun> {
    const server = await NfsServer.start(this.#lab.cloud(FROM), this.#guest.diskImage);
    try {
      return await this.#run({ address: server.address, path: server.disk });
    } finally {
      await server.stop();
    }
  }

  mirror(): Promise<DbenchRun> {
    return this.#run('mirror');
  }

  async #run(disk: PlainOptions['disk']): Promise<DbenchRun> {
    const plain = new PlainQemu(this.#lab, this.#guest, {
      disk,
      memoryMB: this.#guest.memoryMB,
      maxBandwidthBytesPerSecond: MAX_BANDWIDTH_BYTES_PER_SECOND,
      downtimeLimitMs: DOWNTIME_LIMIT_MS,
    });
    const consoles = this.#lab.clouds.map((cloud) => plainConsole(cloud));
    const watch = new LoadWatch(consoles, this.#load.goalBytes);
    try {
      await plain.boot(FROM);
      // Before the start: virsh would start it within the move, in some 0.2 s.
      await plain.await(TO);
      const move = async (): Promise<number> => {
        const orderedMs = performance.now();
        const { totalMs } = await plain.move();
        return orderedMs + totalMs;
      };
      return await measuredRun(this.#lab, watch, { address: PLAIN_ADDRESS, load: this.#load, line: this.#line, move });
    } finally {
      watch.stop();
      await plain.stop();
    }
  }
}
