// What an image's blocks and entries cost on the wire. Plain counters.

/** Bytes of frames since the daemon's start, TLS records not counted. */
export interface Traffic {
  blockBytesIn: number;
  blockBytesOut: number;
  entryBytesIn: number;
  entryBytesOut: number;
}

export function newTraffic(): Traffic {
  return { blockBytesIn: 0, blockBytesOut: 0, entryBytesIn: 0, entryBytesOut: 0 };
}
