// Streams between stores as TLS sockets: dialling out and taking in. The only room of peers that touches sockets.
import type { TLSSocket } from 'node:tls';
import type { Clock } from '../../common/clock.ts';
import { OperationError } from '../../common/errors.ts';
import type { Identity } from '../../common/membership/identity.ts';
import { openBulkIntake } from '../../common/rpc/bulk.ts';
import { BLOCKD_PORT } from '../../wire/ports.ts';
import { PeerSession, type PeerSessionParts } from './peer-session.ts';
import type { Dial, PeerStream, StreamEvents } from './peer-stream.ts';

/** Dials members by their addresses. The dial rejects with UNKNOWN_NODE while a node's address is not known. */
export function peerDial(identity: Identity, addressOf: (node: string) => string | undefined): Dial {
  return async (node, layer, events, purpose = 'blocks') => {
    const address = addressOf(node);
    if (address === undefined) {
      throw new OperationError('UNKNOWN_NODE', `the address of node ${node} is not known here`, {
        remedy: 'It is told when the node is a member.',
      });
    }
    const target = { node, address, port: BLOCKD_PORT };
    const { socket, intake } = await openBulkIntake(target, identity, purpose, layer);
    intake.deliver(events.received);
    return { ...streamOf(socket, events), write: gathered(socket) };
  };
}

/** Requests that are made in one turn of the event loop go with one system call. */
function gathered(socket: TLSSocket): PeerStream['write'] {
  const go = (): void => socket.uncork();
  return (bytes, done) => {
    if (socket.writableCorked === 0) {
      socket.cork();
      setImmediate(go);
    }
    return socket.write(bytes, done);
  };
}

/** Serves a stream that another node's store opened; without a layer it ends at once, and the other store waits. */
export function servePeer(
  socket: TLSSocket,
  clock: Clock,
  peer: string,
  layer: Pick<PeerSessionParts, 'store' | 'isStale' | 'isMerged' | 'traffic' | 'followers'> | undefined,
): void {
  if (layer === undefined) {
    socket.destroy();
    return;
  }
  const events: StreamEvents = {
    received: (chunk) => {
      layer.traffic.meter(peer, 'served').bytesIn += chunk.length;
      session.received(chunk);
    },
    drained: () => session.drained(),
    closed: () => session.closed(),
  };
  socket.on('data', events.received);
  const session: PeerSession = new PeerSession({ ...layer, peer, clock, stream: streamOf(socket, events) });
}

/** Keeps a copy for the writer that opened the stream. */
export function serveCopy(
  socket: TLSSocket,
  source: string,
  shelf: { accept(stream: PeerStream, source: string): StreamEvents },
): void {
  const events: StreamEvents = {
    received: (chunk) => accepted.received(chunk),
    drained: () => accepted.drained(),
    closed: () => accepted.closed(),
  };
  const accepted = shelf.accept(streamOf(socket, events), source);
  socket.on('data', events.received);
}

function streamOf(socket: TLSSocket, events: StreamEvents): PeerStream {
  socket.setNoDelay(true);
  socket.on('drain', events.drained);
  socket.once('close', events.closed);
  socket.on('end', () => socket.destroy());
  return { write: (bytes, done) => socket.write(bytes, done), close: () => void socket.destroy() };
}
