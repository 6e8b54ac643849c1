// What an image's propagation is made from, and what it answers. Shapes only.
import type { PropagationMemory } from '../../wire/contracts/propagation.ts';
import type { Refusal } from './push-allowance.ts';
import type { PushCounts, PushRun } from './push-queue.ts';
import type { Destination } from './transition-table.ts';

/** Blocks to read, with their versions as they are then, and to send to a place; `settled` is told what became of them. */
export interface PushOrder extends PushRun {
  readonly place: string;
}

export interface PropagatorParts {
  readonly blocks: number;
  /** Where this node is. */
  readonly place: string;
  readonly hasData: (block: number) => boolean;
  /** Whether a place had the block's newest version when the image was opened here; asked once for each group. */
  readonly isHeld: (place: string, block: number) => boolean;
  /** Whether a place can be pushed to now; each can without it. Asked at each tick. */
  readonly mayTake?: (place: string) => boolean;
  /** 0 <= x < 1. */
  readonly random: () => number;
  readonly nowMs: number;
  readonly memory?: PropagationMemory;
}

/** What a person may see. */
export interface PropagationStatus {
  readonly s: number;
  readonly destinations: readonly (Destination & { readonly missingBlocks: number; readonly counts: PushCounts })[];
  /** Why nothing is pushed although something could be. */
  readonly paused: Refusal | undefined;
  readonly spent: number;
}
