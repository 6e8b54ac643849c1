// A node's store on a disk of the test's, with exports that nobody comes to and no other node. Not a test itself.
import { Converter } from '../../../blockd/convert/converter.ts';
import { ImageShelf } from '../../../blockd/image/image-shelf.ts';
import type { Serve } from '../../../blockd/image/served-image.ts';
import type { Dial } from '../../../blockd/peer/peer-stream.ts';
import type { CacheLimits } from '../../../blockd/upkeep/cache-cap.ts';
import type { Clock } from '../../../common/clock.ts';
import { createLog } from '../../../common/log.ts';
import type { CrashDisk } from '../../crash/crash-disk.ts';
import { ManualClock } from './manual-clock.ts';

/** How a node reaches others, and its clock; by default it reaches nobody and no time passes. */
export interface Surroundings {
  readonly dial?: Dial;
  readonly clock?: Clock;
  readonly serve?: Serve;
  readonly cache?: CacheLimits;
}

const quietServe: Serve = async (_device, name) => ({
  path: `/${name}.sock`,
  connections: 0,
  close: async () => undefined,
});

/** What a start of the daemon finds. */
export async function shelfOn(disk: CrashDisk, node: string, around: Surroundings = {}): Promise<ImageShelf> {
  const serve = around.serve ?? quietServe;
  const shelf = new ImageShelf({
    disk,
    clock: around.clock ?? new ManualClock(),
    log: createLog('test', 'silent'),
    node,
    state: '/state',
    dial: around.dial ?? (() => Promise.reject(new Error('unreachable'))),
    serve,
    converter: new Converter({ disk, serve, room: async () => ({ freeBytes: 1e12, totalBytes: 1e12 }) }),
    ...(around.cache === undefined ? {} : { cache: around.cache }),
  });
  await shelf.start();
  return shelf;
}
