// What a store's frames travel on: an ordered stream of bytes that may end at any time. The real one is a TLS socket,
// the simulation has another. Interfaces only.

/** One end of a stream. */
export interface PeerStream {
  /**
   * False when the other side does not keep up: wait for `drained` before sending much more. `done`: the bytes may be
   * changed again; a stream that never says so keeps them.
   */
  write(bytes: Uint8Array, done?: () => void): boolean;
  close(): void;
}

/** What a stream tells its owner; nothing after `closed`. */
export interface StreamEvents {
  /** The chunk is valid only during the call. */
  received(chunk: Uint8Array): void;
  drained(): void;
  closed(): void;
}

/** `blocks`: its opener asks; `copies`: its opener offers the layer to be kept. The purposes of streams (`bulk.ts`). */
export type StreamPurpose = 'blocks' | 'copies';

/** Opens a stream to a node's store for one layer. Rejects when the node cannot be reached or refuses. */
export type Dial = (node: string, layer: string, events: StreamEvents, purpose?: StreamPurpose) => Promise<PeerStream>;
