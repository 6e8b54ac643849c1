// What stores say to each other. Shapes only; how it stands on the wire is in `peer-frame.ts`.
import type { PropagationMemory } from '../../wire/contracts/propagation.ts';
import type { WantedRun } from '../layers/block-fetcher.ts';
import type { EpochEnd } from '../table/block-version.ts';
import type { TableMark } from '../table/version-table.ts';
import type { CopyFrame } from './copy-frame.ts';

export type PeerFrame =
  /** Asks for blocks of these versions. */
  | { readonly type: 'fetch'; readonly id: number; readonly runs: readonly WantedRun[] }
  /** Blocks, one after the other as the runs say. */
  | { readonly type: 'blocks'; readonly id: number; readonly runs: readonly WantedRun[]; readonly data: Buffer }
  /** A run that is not here, and who may have it (empty: unknown). */
  | { readonly type: 'absent'; readonly id: number; readonly run: WantedRun; readonly hint: string }
  /**
   * Whoever asks lets its copies of these go where this store says that it keeps its own; `flushed`: flushes were answered for
   * them, so that it is to keep them until it has something newer, and not only until it has heard of that. `epoch`: the
   * newest of the image that is known there: what a writer of an older one writes over them is nothing newer.
   */
  | {
      readonly type: 'keep';
      readonly id: number;
      readonly flushed: boolean;
      readonly epoch: number;
      readonly runs: readonly WantedRun[];
    }
  /** Those of the runs that are here durably, were read and are what their versions name, and stay. */
  | { readonly type: 'kept'; readonly id: number; readonly runs: readonly WantedRun[] }
  /** Asks for the table and its changes; with a sequence, only for what is newer; with a proof, only if the table is that now. */
  | { readonly type: 'follow'; readonly afterSequence: number | undefined; readonly proof?: TableMark }
  /** What follows is the whole table, or what is newer than was asked. */
  | {
      readonly type: 'begin';
      readonly whole: boolean;
      readonly blocks: number;
      readonly epoch: number;
      readonly ends: readonly EpochEnd[];
    }
  /** The name behind an index in the entries that follow. */
  | { readonly type: 'holder'; readonly index: number; readonly name: string }
  | { readonly type: 'entries'; readonly runs: Buffer }
  /** The table after all entries so far. */
  | { readonly type: 'mark'; readonly mark: TableMark }
  | { readonly type: 'refused'; readonly reason: string }
  /** Who follows takes what is offered; `isComing`: the image is about to be written there. */
  | { readonly type: 'takes'; readonly isComing: boolean }
  /** Blocks of a layer that the follower may want: it fetches those that its table names so. */
  | { readonly type: 'offer'; readonly id: number; readonly layer: string; readonly runs: readonly WantedRun[] }
  /** Whether all of an offer is durable at the follower. */
  | { readonly type: 'settled'; readonly id: number; readonly isHeld: boolean }
  /** Where the image was read, as in `heat-summary.ts`. */
  | { readonly type: 'heat'; readonly summary: Buffer }
  /** What its propagation has learnt. */
  | { readonly type: 'memory'; readonly memory: PropagationMemory }
  | CopyFrame;
