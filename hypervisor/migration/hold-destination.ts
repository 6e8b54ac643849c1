// The destination's half of a migration's hold (SOUNDNESS B1) as a pure machine. It writes the single record that
// decides, `started` or `refused`, exactly once, and must never let the guest run before `started` is durable.
import type { Closing } from '../../wire/contracts/blockd.ts';
import type { Decision } from '../../wire/contracts/hypervisor.ts';
import { Chores } from '../chores.ts';
import type { Decided } from './hold-source-steps.ts';

/** Waiting before the tables are compared again when the block daemon did not answer, in ms. */
export const VERIFY_RETRY_MS = 200;

/** What the destination keeps durably of one migration: the record, then that all that follows from it is done. */
export type DestinationRecord = Decided | 'settled';

/** `kill` must leave no process of the machine; `cont` succeeds without effect when the guest runs or its process is gone. */
export type DestinationChore = 'activate' | 'openPort' | 'cont' | 'announce' | 'kill' | 'cancelStandby' | 'detachPort';

export type DestinationEffect =
  | { readonly type: 'journal'; readonly record: DestinationRecord }
  /** Compare the stand-by's tables with the writer's closings; the answer may take up to the time given. */
  | { readonly type: 'verify'; readonly closings: readonly Closing[]; readonly timeoutMs: number }
  | { readonly type: 'chore'; readonly chore: DestinationChore }
  /** The record is durable: answer everybody who waits for it. */
  | { readonly type: 'decided'; readonly decision: Decided; readonly reason: string }
  | { readonly type: 'settled' };

export type DestinationInput =
  /** Once, first: a prepared machine, or one that the journal knows after a restart. */
  | { readonly type: 'begin' }
  | { readonly type: 'released'; readonly closings: readonly Closing[] }
  /** The machine's whole state is here and the guest paused. */
  | { readonly type: 'loaded' }
  /** The memory's stream ended; no news once all is loaded. */
  | { readonly type: 'broken'; readonly reason: string }
  /** The machine's process ended or could not be made. */
  | { readonly type: 'died'; readonly reason: string }
  | { readonly type: 'verified'; readonly equal: boolean; readonly reason: string }
  /** The block daemon did not answer. */
  | { readonly type: 'verifyFailed' }
  | { readonly type: 'refuse'; readonly reason: string }
  | { readonly type: 'journaled'; readonly record: DestinationRecord }
  | { readonly type: 'choreDone'; readonly chore: DestinationChore }
  | { readonly type: 'choreFailed'; readonly chore: DestinationChore }
  | { readonly type: 'tick' };

/**
 * `waiting`: no record. `killing`: the own copy is being killed before `refused`. `recording`: the record is being
 * written. `ending`: it is durable and its consequences are under way.
 */
export type DestinationPhase = 'new' | 'waiting' | 'killing' | 'recording' | 'ending' | 'settling' | 'settled';

const NEVER = Number.POSITIVE_INFINITY;

export class HoldDestination {
  #phase: DestinationPhase = 'new';
  /** What an earlier process wrote, perhaps nothing; undefined for a new migration. */
  readonly #restored: readonly DestinationRecord[] | undefined;
  readonly #deadlineMs: number;
  #closings: readonly Closing[] | undefined;
  #isLoaded = false;
  #isEqual = false;
  #chores: Chores<DestinationChore> | undefined;
  #decision: Decision = 'undecided';
  #reason = '';
  #deadlineAtMs = NEVER;
  #verifyAtMs = NEVER;

  /** `deadlineMs`: how long after the release or the load, whichever is known first, the guest may wait for the other. */
  constructor(deadlineMs: number, restored?: readonly DestinationRecord[]) {
    this.#deadlineMs = deadlineMs;
    this.#restored = restored;
  }

  get phase(): DestinationPhase {
    return this.#phase;
  }
  /** The durable record. */
  get decision(): Decision {
    return this.#decision;
  }
  /** Why it was refused, in one sentence; empty otherwise. */
  get reason(): string {
    return this.#reason;
  }
  /** When to give a `tick`, ms; Infinity when only other inputs matter. */
  get wakeAtMs(): number {
    return Math.min(this.#deadlineAtMs, this.#verifyAtMs, this.#chores?.wakeAtMs ?? NEVER);
  }

  /** One input at a time; the effects are to be started in their order. Inputs that come late or twice are no news. */
  step(input: DestinationInput, nowMs: number): DestinationEffect[] {
    switch (input.type) {
      case 'begin':
        return this.#phase === 'new' ? this.#begin(nowMs) : [];
      case 'released':
        return this.#released(input.closings, nowMs);
      case 'loaded':
        return this.#loaded(nowMs);
      case 'broken':
        return this.#isLoaded ? [] : this.#refuse(input.reason, nowMs);
      case 'died':
        return this.#refuse(input.reason, nowMs);
      case 'verified':
        return this.#verified(input.equal, input.reason, nowMs);
      case 'verifyFailed':
        if (this.#phase === 'waiting') this.#verifyAtMs = nowMs + VERIFY_RETRY_MS;
        return [];
      case 'refuse':
        return this.#refuse(input.reason, nowMs);
      case 'journaled':
        return this.#journaled(input.record, nowMs);
      case 'choreDone':
        return this.#choreDone(input.chore, nowMs);
      case 'choreFailed':
        this.#chores?.failed(input.chore, nowMs);
        return [];
      case 'tick':
        return this.#tick(nowMs);
    }
  }

  #begin(nowMs: number): DestinationEffect[] {
    this.#phase = 'waiting';
    if (!this.#restored) return [];
    if (this.#restored.includes('settled')) this.#phase = 'settled';
    const record = this.#restored.find((entry) => entry !== 'settled');
    if (!record) return this.#refuse('the agent at the destination was restarted before its record', nowMs);
    this.#decision = record;
    return this.#phase === 'settled' ? [{ type: 'settled' }] : this.#end(record, nowMs);
  }

  #released(closings: readonly Closing[], nowMs: number): DestinationEffect[] {
    if (this.#phase !== 'waiting' || this.#closings) return [];
    this.#closings = closings;
    this.#startDeadline(nowMs);
    return this.#verify(nowMs);
  }

  #verify(nowMs: number): DestinationEffect[] {
    this.#verifyAtMs = NEVER;
    return [{ type: 'verify', closings: this.#closings ?? [], timeoutMs: Math.max(0, this.#deadlineAtMs - nowMs) }];
  }

  #loaded(nowMs: number): DestinationEffect[] {
    if (this.#phase !== 'waiting' || this.#isLoaded) return [];
    this.#isLoaded = true;
    this.#startDeadline(nowMs);
    return this.#startIfReady();
  }

  #startDeadline(nowMs: number): void {
    if (this.#deadlineAtMs === NEVER) this.#deadlineAtMs = nowMs + this.#deadlineMs;
  }

  #verified(equal: boolean, reason: string, nowMs: number): DestinationEffect[] {
    if (this.#phase !== 'waiting' || !this.#closings) return [];
    if (!equal) return this.#refuse(`the disks' tables differ: ${reason}`, nowMs);
    this.#isEqual = true;
    return this.#startIfReady();
  }

  #startIfReady(): DestinationEffect[] {
    if (!this.#isLoaded || !this.#isEqual) return [];
    return this.#record('started');
  }

  /** Reached once: no input leads back from `recording`. */
  #record(record: Decided): DestinationEffect[] {
    this.#phase = 'recording';
    this.#deadlineAtMs = this.#verifyAtMs = NEVER;
    return [{ type: 'journal', record }];
  }

  #refuse(reason: string, nowMs: number): DestinationEffect[] {
    if (this.#phase !== 'waiting') return [];
    this.#phase = 'killing';
    this.#reason = reason;
    this.#deadlineAtMs = this.#verifyAtMs = NEVER;
    this.#chores = new Chores<DestinationChore>([['kill']]);
    return this.#choreEffects(this.#chores.due(nowMs));
  }

  #journaled(record: DestinationRecord, nowMs: number): DestinationEffect[] {
    if (record === 'settled' && this.#phase === 'settling') {
      this.#phase = 'settled';
      return [{ type: 'settled' }];
    }
    if (record === 'settled' || this.#phase !== 'recording') return [];
    this.#decision = record;
    return this.#end(record, nowMs);
  }

  #end(decision: Decided, nowMs: number): DestinationEffect[] {
    this.#phase = 'ending';
    this.#chores = new Chores<DestinationChore>(
      decision === 'started' ? [['activate', 'openPort'], ['cont'], ['announce']] : [['cancelStandby', 'detachPort']],
    );
    return [{ type: 'decided', decision, reason: this.#reason }, ...this.#choreEffects(this.#chores.due(nowMs))];
  }

  #choreDone(chore: DestinationChore, nowMs: number): DestinationEffect[] {
    const next = this.#chores?.done(chore, nowMs) ?? [];
    if (!this.#chores?.finished) return this.#choreEffects(next);
    if (this.#phase === 'ending') {
      this.#phase = 'settling';
      return [{ type: 'journal', record: 'settled' }];
    }
    return this.#phase === 'killing' ? this.#record('refused') : [];
  }

  #choreEffects(chores: readonly DestinationChore[]): DestinationEffect[] {
    return chores.map((chore) => ({ type: 'chore', chore }));
  }

  #tick(nowMs: number): DestinationEffect[] {
    if (nowMs >= this.#deadlineAtMs) return this.#refuse(this.#lateReason(), nowMs);
    if (nowMs >= this.#verifyAtMs) return this.#verify(nowMs);
    return this.#choreEffects(this.#chores?.due(nowMs) ?? []);
  }

  #lateReason(): string {
    const missing = !this.#closings ? 'the release' : !this.#isLoaded ? 'the memory' : 'an equal disk table';
    return `${missing} did not arrive within ${this.#deadlineMs} ms`;
  }
}
