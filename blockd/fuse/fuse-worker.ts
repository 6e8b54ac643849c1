// The thread of a FUSE mount. It hears nothing but its descriptors; the main thread has the signals.
import { workerData } from 'node:worker_threads';
import { createLog } from '../../common/log.ts';
import { FuseLoop, type LoopOptions } from './fuse-loop.ts';

const { device, waker, sockets, waitMs } = workerData as LoopOptions;
const log = createLog('fuse', 'warn');
new FuseLoop({ device, waker, sockets, waitMs }, (image, trouble) => log.warn({ image }, trouble)).run();
