// Whatever may befall one of the daemons between which a disk moves, at a moment that a seed draws. Not a test itself.
import type { BlockdNode } from '../interop/blockd-node.ts';
import type { Planted } from '../planted/planted.ts';

export type Side = 'source' | 'destination';

/** One daemon under threat. */
export interface Held {
  /** What is to befall it. */
  readonly how: string;
  /** The move is over: nothing befalls it any more. Answers whether anything did. */
  letGo(): Promise<boolean>;
}

/** Strikes at daemons of one image. */
export interface Striker {
  /** Whether it has looked at a move in peace: from then on it strikes. */
  readonly isReady: boolean;
  /** Where a daemon's state is to be, if it matters. */
  stateOf(name: string): Promise<string | undefined>;
  /** `lost`: told when the daemon's node lost its power, and with it what was not flushed. */
  hold(node: BlockdNode, side: Side, lost: () => void): Promise<Held>;
  /** What its daemons need. */
  readonly plants: readonly Planted[];
  /** Before a daemon is started, the first time too; answers what it finds in its environment. */
  revive(name: string): Promise<NodeJS.ProcessEnv>;
  end(): Promise<void>;
}
