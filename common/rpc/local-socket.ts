// The way to a server at a unix socket of this machine that takes calls in the clear: whom its directory lets in may call.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { messageOf } from '../errors.ts';
import { type PathTarget, type Target, unreachable } from '../membership/tls.ts';

/** @throws OperationError UNREACHABLE */
export async function connectLocal(target: Target | PathTarget): Promise<Socket> {
  if (!('path' in target)) throw new TypeError('calls in the clear go to a unix socket');
  const socket = connect(target.path);
  try {
    await once(socket, 'connect');
  } catch (cause) {
    throw unreachable(target, messageOf(cause), cause);
  }
  return socket;
}
