// One migration's memory stream at one end: the hypervisor's unix socket and the TLS stream to the other node, with a
// pump between them. A stream that stands still is broken, since a peer without power sends no farewell.
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { RamPump } from './ram-pump.ts';

/**
 * Silence in both directions after which the other end is taken for dead, ms: a cut of 20 s must be lived through, and
 * the longest silence of a healthy migration is its hold (10 s).
 */
export const STREAM_IDLE_MS = 30_000;

/** Joins the two; the pump owns them from now on. */
export function joinStreams(local: Socket, remote: TLSSocket): RamPump {
  // The stream's two directions end one after the other.
  remote.allowHalfOpen = true;
  remote.setNoDelay(true);
  const pump = new RamPump(local, remote);
  remote.setTimeout(STREAM_IDLE_MS, () => pump.cut(`no byte for ${STREAM_IDLE_MS} ms`));
  return pump;
}
