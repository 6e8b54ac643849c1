// What goes into the source's half of a hold and what comes out of it, and the times it keeps. Shapes only.
import type { Closing } from '../../wire/contracts/blockd.ts';
import type { Decision } from '../../wire/contracts/hypervisor.ts';

/** From the guest's stop to the durable release, in ms; longer means that a local daemon hangs, and the guest runs on. */
export const RELEASE_LIMIT_MS = 3_000;
/** After the guest's stop the source no longer offers the release but asks for a refusal, in ms. */
export const DEADLINE_MS = 10_000;
/** Silence of the destination after which the controller is told, in ms: it must know within 5 s. */
export const SILENCE_MS = 4_000;
/** One question that waits at the destination for its record, in ms; under SILENCE_MS, so that an answer breaks it. */
export const DECISION_WAIT_MS = 2_000;
/** Waiting between a question without answer and the next, in ms. */
export const ASK_RETRY_MS = 500;
/** Waiting after `undecided` before the next question, in ms: a destination that answers at once makes no busy loop. */
export const ASK_PAUSE_MS = 20;
/** How long an answer may take, in ms: twice the longest supported delay (5 s each way) and some work. */
export const ASK_TIMEOUT_MS = 12_000;

/** What the source keeps durably of one migration, in this order. */
export type SourceRecord =
  | { readonly kind: 'outgoing' }
  | { readonly kind: 'released'; readonly closings: readonly Closing[] }
  | { readonly kind: 'decided'; readonly decision: Decided }
  | { readonly kind: 'settled' };

export type Decided = Exclude<Decision, 'undecided'>;
export type Question = 'released' | 'decision' | 'refuse';

/**
 * What must be done in the end. `thaw`, `openPort`, `resume`: the guest runs here (`resume`: whatever its process is at,
 * unless it is gone). `kill`, `releaseWriter`, `detachPort`: it runs elsewhere.
 */
export type SourceChore = 'thaw' | 'resume' | 'openPort' | 'kill' | 'releaseWriter' | 'detachPort';

export type SourceEffect =
  | { readonly type: 'journal'; readonly record: SourceRecord }
  | { readonly type: 'sendMemory' }
  | { readonly type: 'closePort' }
  | { readonly type: 'freeze' }
  | { readonly type: 'continueMemory' }
  /** Ask the destination; `waitMs` says how long it may hold its answer back. `ask` comes back with the answer. */
  | {
      readonly type: 'ask';
      readonly ask: number;
      readonly question: Question;
      readonly closings: readonly Closing[];
      readonly waitMs: number;
      readonly reason: string;
    }
  | { readonly type: 'chore'; readonly chore: SourceChore }
  /** For the controller: at most once `undecided`, then once what was decided. */
  | { readonly type: 'outcome'; readonly decision: Decision; readonly reason: string }
  /** Nothing more will come; the VM may migrate again. */
  | { readonly type: 'settled' };

export type SourceInput =
  /** Once, first: a new migration, or one that the journal knows after a restart. */
  | { readonly type: 'begin' }
  | { readonly type: 'journaled'; readonly kind: SourceRecord['kind'] }
  /** The guest is stopped, its disks drained, the last pass of its memory not sent. */
  | { readonly type: 'drained' }
  | { readonly type: 'portClosed' }
  | { readonly type: 'frozen'; readonly closings: readonly Closing[] }
  /** The memory's sending, the port's closing or the freezing failed, or the machine died. */
  | { readonly type: 'failed'; readonly reason: string }
  | { readonly type: 'memorySent' }
  /** What stands at the destination; `ask` 0 when it came by way of the controller. */
  | { readonly type: 'answer'; readonly ask: number; readonly decision: Decision }
  | { readonly type: 'noAnswer'; readonly ask: number }
  | { readonly type: 'abort'; readonly reason: string }
  | { readonly type: 'choreDone'; readonly chore: SourceChore }
  | { readonly type: 'choreFailed'; readonly chore: SourceChore }
  | { readonly type: 'tick' };

export type SourcePhase =
  | 'new'
  | 'memory'
  | 'closing'
  | 'freezing'
  | 'releasing'
  | 'released'
  | 'deciding'
  | 'ending'
  | 'settling'
  | 'settled';

/** Where the hold's time went, by the source's clock; `atMs` counts from the guest's stop. */
export interface HoldStep {
  readonly step: 'stopped' | 'port closed' | 'frozen' | 'released' | 'memory sent' | 'decided';
  readonly atMs: number;
}
