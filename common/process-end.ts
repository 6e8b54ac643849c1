// The end of a process that has loaded native libraries: none of them has a last word. koffi syncs standard output and error
// when it is unloaded, and waits for itself for ever when a sync fails, as one does to a log on a broken disk.
import { flushCompileCache } from 'node:module';
import koffi from 'koffi';

const leave = koffi.load('libc.so.6').func('void _exit(int status)');

/** From now on this process ends as _exit(2) does, once its `exit` listeners that were there before have run. */
export function endAtOnce(): void {
  process.on('exit', (code) => {
    // Node keeps it only at an end of the other kind.
    flushCompileCache();
    leave(code);
  });
}
