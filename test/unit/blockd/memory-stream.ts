// A peer's stream in memory: both ends of a connection between two stores, where a test may come between. Not a test itself.
import type { PeerStream, StreamEvents } from '../../../blockd/peer/peer-stream.ts';

/** Takes what the called store says, and hands it on to its caller: now, later, changed or never. */
export type Carrier = (bytes: Uint8Array, deliver: (bytes: Uint8Array) => void) => void;

/**
 * The caller's end of a stream to the store that `accept` answers for; it hears of what comes by `events`. Either end may
 * close it, and then nothing more arrives.
 */
export function memoryStream(
  events: StreamEvents,
  accept: (stream: PeerStream) => StreamEvents,
  carry: Carrier = (bytes, deliver) => deliver(bytes),
): PeerStream {
  let isOpen = true;
  const close = (): void => {
    if (!isOpen) return;
    isOpen = false;
    called.closed();
    events.closed();
  };
  const deliver = (bytes: Uint8Array): void => {
    if (isOpen) events.received(bytes);
  };
  const called: StreamEvents = accept({
    write: (bytes) => {
      if (isOpen) carry(bytes, deliver);
      return true;
    },
    close,
  });
  return {
    write: (bytes) => {
      if (isOpen) called.received(bytes);
      return true;
    },
    close,
  };
}
