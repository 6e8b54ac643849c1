// A disk that became larger under a running guest. QEMU learns an NBD export's size when it connects, and connects again
// when it has something to ask; only then it accepts the size, and tells the guest. Seen with 7.2.
import { setTimeout as sleep } from 'node:timers/promises';
import { type QmpClient, QmpError } from '../qmp/qmp-client.ts';

/** A new connection is made in milliseconds; the guest's own requests come before ours. */
const TRIES_MAX = 100;
const PAUSE_MS = 100;
/** What QEMU says while it has not connected again. */
const NOT_SEEN_YET = /grow NBD/;

/** The export has the size already, and QEMU's connection was ended. @throws QmpError */
export async function growDisk(qmp: Pick<QmpClient, 'execute'>, nodeName: string, bytes: number): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await qmp.execute('block_resize', { 'node-name': nodeName, size: bytes });
      return;
    } catch (error) {
      const isEarly = error instanceof QmpError && NOT_SEEN_YET.test(error.desc ?? '');
      if (!isEarly || tries === TRIES_MAX) throw error;
    }
    // Asks where data is, which the export answers at once from its tables: no other node is waited for.
    await qmp.execute('human-monitor-command', { 'command-line': `qemu-io ${nodeName} "alloc 0 512"` });
    await sleep(PAUSE_MS);
  }
}
