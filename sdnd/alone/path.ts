// A pair of hosts and the entries that carry its frames one way: facts, and what tells them apart.
import type { Host } from './host-table.ts';
import type { MeshSwitch } from './mesh-switch.ts';

/** One switch's entry for a pair: frames that come in there go out here. */
export interface Hop {
  readonly at: MeshSwitch;
  readonly inPort: number;
  readonly outPort: number;
  /** Ethernet addresses as numbers. */
  readonly from: number;
  readonly to: number;
}

/** A frame at a switch that waits for its path. */
export interface Held {
  readonly at: MeshSwitch;
  readonly inPort: number;
  readonly bufferId: number;
  /** Of its own, not a view. */
  readonly data: Uint8Array;
}

/** From the sender's port to the receiver's. */
export interface Path {
  readonly from: Host;
  readonly to: Host;
  readonly hops: readonly Hop[];
  state: 'installing' | 'installed' | 'removing' | 'gone';
  /** Switches that have not answered yet. */
  awaited: number;
  held: readonly Held[];
}

export function pairKey(from: number, to: number): string {
  return `${from}-${to}`;
}
