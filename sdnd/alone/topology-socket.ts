// Where others ask a running lone controller what it knows: a unix socket that says it as JSON to whoever connects, and ends.
import { connect, createServer, type Server } from 'node:net';
import { json } from 'node:stream/consumers';
import { messageOf, OperationError } from '../../common/errors.ts';
import { listenOn } from '../../common/rpc/listen.ts';
import { jsonText } from '../../common/terminal/json-file.ts';
import type { LoneTopology } from './lone-topology.ts';

const ANSWER_MS = 5_000;

/** Starts to answer. @throws Error with the operating system's code */
export async function serveTopology(path: string, topology: () => LoneTopology): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.setTimeout(ANSWER_MS, () => socket.destroy());
    socket.end(jsonText(topology()));
  });
  await listenOn(server, { path });
  return server;
}

/** @throws OperationError NOT_SERVED */
export async function askTopology(path: string): Promise<LoneTopology> {
  const socket = connect(path);
  try {
    return (await json(socket)) as LoneTopology;
  } catch (cause) {
    throw new OperationError('NOT_SERVED', `no sdnd --alone answers at ${path}: ${messageOf(cause)}`, {
      remedy: `Start it with 'supercloud sdnd --alone --control ${path}'.`,
      cause,
    });
  } finally {
    socket.destroy();
  }
}
