// TCP ports for programs that have to be told theirs. Not a test itself.
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { codeOf } from '../common/errors.ts';

/** Below those that Linux gives to whoever connects (32768 on), and above those of anything that has a name here. */
const [FIRST, END] = [20_000, 32_000];
const TRIES_MAX = 100;

/**
 * Ports of 127.0.0.1 that differ and at which nobody listens now. Unlike a port that the kernel chooses, one of these is
 * taken by no connection of somebody else before its program listens, or while that is killed and started again.
 */
export async function freePorts(count: number): Promise<number[]> {
  const taken = new Map<number, Server>();
  for (let tries = 0; taken.size < count; tries++) {
    if (tries === TRIES_MAX) throw new Error(`no ${count} ports are free from ${FIRST} to ${END}`);
    const port = randomInt(FIRST, END);
    const server = await listening(port);
    if (server !== undefined) taken.set(port, server);
  }
  await Promise.all(Array.from(taken.values(), (server) => once(server.close(), 'close')));
  return [...taken.keys()];
}

/** Nothing when somebody listens there. */
async function listening(port: number): Promise<Server | undefined> {
  const server = createServer();
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening');
    return server;
  } catch (error) {
    if (codeOf(error) === 'EADDRINUSE') return undefined;
    throw error;
  }
}
