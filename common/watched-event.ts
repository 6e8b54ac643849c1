// An eventfd(2) that the event loop waits for beside everything else: whoever writes to it, the kernel too, has its
// callback called in a turn of its own.
import { Socket } from 'node:net';
import koffi from 'koffi';
import { addressOf, systemError } from './native-memory.ts';

const O_CLOEXEC = 0o2000000;
const O_NONBLOCK = 0o4000;
const COUNTER_BYTES = 8;

const libc = koffi.load('libc.so.6');
const callPipe = libc.func('int pipe2(uintptr_t fds, int flags)');
const callEvent = libc.func('int eventfd(unsigned int count, int flags)');
const callDup = libc.func('int dup3(int from, int to, int flags)');
const callClose = libc.func('int close(int fd)');

export interface WatchedEvent {
  readonly descriptor: number;
  /** Whether the process lives on for it; it does not at first. */
  hold(isHeld: boolean): void;
}

/** Opens one for as long as the process lives. @throws Error with `code` */
export function watchedEvent(happened: () => void): WatchedEvent {
  const descriptor = pipeReader();
  // More than a counter: what fills a buffer is read on at once, with a call for nothing.
  const onread = {
    buffer: Buffer.allocUnsafeSlow(2 * COUNTER_BYTES),
    callback: () => {
      happened();
      return true;
    },
  };
  const socket = new Socket({ fd: descriptor, readable: true, writable: false, onread });
  socket.resume();
  socket.unref();
  become(descriptor);
  return {
    descriptor,
    hold: (isHeld) => void (isHeld ? socket.ref() : socket.unref()),
  };
}

/** Node opens what it knows, and it knows no eventfd: that takes a pipe's number before anything was read. */
function become(descriptor: number): void {
  const event: number = callEvent(0, O_CLOEXEC | O_NONBLOCK);
  if (event < 0 || callDup(event, descriptor, O_CLOEXEC) < 0) throw systemError('eventfd', 'to be woken by');
  callClose(event);
}

/** What nobody writes to. */
function pipeReader(): number {
  const fds = new Int32Array(2);
  if (callPipe(addressOf(fds), O_CLOEXEC) !== 0) throw systemError('pipe2', 'to be woken by');
  callClose(fds[1] ?? -1);
  return fds[0] ?? -1;
}
