// The source's half of a migration's hold (SOUNDNESS B1) as a pure machine: inputs in, effects out, no clock and no
// socket of its own. It must never let the guest's disk or port open again between its durable `released` and the
// destination's record, and never send the release before it is durable.
import type { Closing } from '../../wire/contracts/blockd.ts';
import type { Decision } from '../../wire/contracts/hypervisor.ts';
import { Chores } from '../chores.ts';
import {
  ASK_PAUSE_MS,
  ASK_RETRY_MS,
  ASK_TIMEOUT_MS,
  DEADLINE_MS,
  DECISION_WAIT_MS,
  type Decided,
  type HoldStep,
  RELEASE_LIMIT_MS,
  SILENCE_MS,
  type SourceChore,
  type SourceEffect,
  type SourceInput,
  type SourcePhase,
  type SourceRecord,
} from './hold-source-steps.ts';

const NEVER = Number.POSITIVE_INFINITY;

export class HoldSource {
  #phase: SourcePhase = 'new';
  /** What an earlier process wrote, in its order; undefined for a new migration. */
  readonly #restored: readonly SourceRecord[] | undefined;
  #closings: readonly Closing[] = [];
  #chores: Chores<SourceChore> | undefined;
  #decision: Decided | undefined;
  #reason = '';
  #stoppedAtMs = 0;
  #deadlineAtMs = NEVER;
  #silentAtMs = NEVER;
  #askAtMs = NEVER;
  #ask = 0;
  #releaseHeard = false;
  #refusalWanted = false;
  #undecidedTold = false;
  readonly #steps: HoldStep[] = [];

  constructor(restored?: readonly SourceRecord[]) {
    this.#restored = restored;
  }

  get phase(): SourcePhase {
    return this.#phase;
  }
  /** What was released; empty before. */
  get closings(): readonly Closing[] {
    return this.#closings;
  }
  get steps(): readonly HoldStep[] {
    return this.#steps;
  }
  /** The destination's record as far as it is known here, durably. */
  get decision(): Decision {
    return this.#phase === 'ending' || this.#phase === 'settling' || this.#phase === 'settled'
      ? (this.#decision ?? 'undecided')
      : 'undecided';
  }
  /** When to give a `tick`, ms; Infinity when only other inputs matter. */
  get wakeAtMs(): number {
    return Math.min(this.#deadlineAtMs, this.#silentAtMs, this.#askAtMs, this.#chores?.wakeAtMs ?? NEVER);
  }

  /** One input at a time; the effects are to be started in their order. Inputs that come late or twice are no news. */
  step(input: SourceInput, nowMs: number): SourceEffect[] {
    switch (input.type) {
      case 'begin':
        return this.#phase === 'new' ? this.#begin(nowMs) : [];
      case 'journaled':
        return this.#journaled(input.kind, nowMs);
      case 'drained':
        return this.#drained(nowMs);
      case 'portClosed':
        return this.#portClosed(nowMs);
      case 'frozen':
        return this.#frozen(input.closings, nowMs);
      case 'failed':
        return this.#failed(input.reason, nowMs);
      case 'memorySent':
        if (this.#phase === 'released') this.#mark('memory sent', nowMs);
        return [];
      case 'answer':
        return input.decision === 'undecided'
          ? this.#undecided(input.ask, nowMs)
          : this.#decided(input.decision, nowMs);
      case 'noAnswer':
        if (this.#phase === 'released' && input.ask === this.#ask) this.#askAtMs = nowMs + ASK_RETRY_MS;
        return [];
      case 'abort':
        return this.#abort(input.reason, nowMs);
      case 'choreDone':
        return this.#choreDone(input.chore, nowMs);
      case 'choreFailed':
        this.#chores?.failed(input.chore, nowMs);
        return [];
      case 'tick':
        return this.#tick(nowMs);
    }
  }

  #begin(nowMs: number): SourceEffect[] {
    if (!this.#restored) {
      this.#phase = 'memory';
      return [{ type: 'journal', record: { kind: 'outgoing' } }];
    }
    for (const record of this.#restored) if (record.kind === 'decided') this.#decision = record.decision;
    const last = this.#restored.at(-1);
    switch (last?.kind) {
      case 'released':
        return this.#beginReleased(last.closings, nowMs);
      case 'decided':
        return this.#end(last.decision, nowMs);
      case 'settled':
        this.#phase = 'settled';
        this.#decision ??= 'refused';
        return [{ type: 'settled' }];
      default:
        return this.#recall('the agent at the source was restarted before the release', nowMs);
    }
  }

  /** After a restart: the memory's stream died with the agent, so a refusal is asked for; what stands is answered. */
  #beginReleased(closings: readonly Closing[], nowMs: number): SourceEffect[] {
    this.#closings = closings;
    this.#reason = 'the agent at the source was restarted in the hold';
    this.#refusalWanted = true;
    return this.#awaitRecord(nowMs);
  }

  #journaled(kind: SourceRecord['kind'], nowMs: number): SourceEffect[] {
    if (kind === 'outgoing' && this.#phase === 'memory') return [{ type: 'sendMemory' }];
    if (kind === 'released' && this.#phase === 'releasing') return this.#released(nowMs);
    if (kind === 'decided' && this.#phase === 'deciding' && this.#decision) return this.#end(this.#decision, nowMs);
    if (kind === 'settled' && this.#phase === 'settling') {
      this.#phase = 'settled';
      return [{ type: 'settled' }];
    }
    return [];
  }

  #drained(nowMs: number): SourceEffect[] {
    if (this.#phase !== 'memory') return [];
    this.#phase = 'closing';
    this.#stoppedAtMs = nowMs;
    this.#deadlineAtMs = nowMs + RELEASE_LIMIT_MS;
    this.#mark('stopped', nowMs);
    return [{ type: 'closePort' }];
  }

  #portClosed(nowMs: number): SourceEffect[] {
    if (this.#phase !== 'closing') return [];
    this.#phase = 'freezing';
    this.#mark('port closed', nowMs);
    return [{ type: 'freeze' }];
  }

  #frozen(closings: readonly Closing[], nowMs: number): SourceEffect[] {
    if (this.#phase !== 'freezing') return [];
    this.#phase = 'releasing';
    this.#closings = closings;
    this.#deadlineAtMs = NEVER;
    this.#mark('frozen', nowMs);
    return [{ type: 'journal', record: { kind: 'released', closings } }];
  }

  #released(nowMs: number): SourceEffect[] {
    this.#mark('released', nowMs);
    const ask = this.#awaitRecord(nowMs);
    return this.#refusalWanted ? ask : [...ask, { type: 'continueMemory' }];
  }

  #awaitRecord(nowMs: number): SourceEffect[] {
    this.#phase = 'released';
    this.#deadlineAtMs = this.#refusalWanted ? NEVER : this.#stoppedAtMs + DEADLINE_MS;
    this.#silentAtMs = nowMs + SILENCE_MS;
    return this.#askNow(nowMs);
  }

  #askNow(nowMs: number): SourceEffect[] {
    this.#askAtMs = nowMs + ASK_TIMEOUT_MS;
    this.#ask += 1;
    const question = this.#refusalWanted ? 'refuse' : this.#releaseHeard ? 'decision' : 'released';
    const waitMs = question === 'decision' ? DECISION_WAIT_MS : 0;
    return [{ type: 'ask', ask: this.#ask, question, closings: this.#closings, waitMs, reason: this.#reason }];
  }

  #undecided(ask: number, nowMs: number): SourceEffect[] {
    if (this.#phase !== 'released') return [];
    this.#silentAtMs = this.#undecidedTold ? NEVER : nowMs + SILENCE_MS;
    if (ask !== this.#ask) return [];
    this.#askAtMs = nowMs + ASK_PAUSE_MS;
    if (this.#releaseHeard || this.#refusalWanted) return [];
    this.#releaseHeard = true;
    return this.#askNow(nowMs);
  }

  #decided(decision: Decided, nowMs: number): SourceEffect[] {
    if (this.#phase !== 'released') return [];
    this.#phase = 'deciding';
    this.#decision = decision;
    this.#deadlineAtMs = this.#silentAtMs = this.#askAtMs = NEVER;
    this.#mark('decided', nowMs);
    return [{ type: 'journal', record: { kind: 'decided', decision } }];
  }

  #failed(reason: string, nowMs: number): SourceEffect[] {
    if (this.#phase === 'memory' || this.#phase === 'closing' || this.#phase === 'freezing')
      return this.#recall(reason, nowMs);
    if (this.#phase === 'released' && this.#reason === '') this.#reason = reason;
    return [];
  }

  #abort(reason: string, nowMs: number): SourceEffect[] {
    if (this.#phase === 'releasing') {
      this.#refusalWanted = true;
      this.#reason = reason;
      return [];
    }
    return this.#phase === 'released' ? this.#wantRefusal(reason, nowMs) : this.#failed(reason, nowMs);
  }

  #wantRefusal(reason: string, nowMs: number): SourceEffect[] {
    this.#refusalWanted = true;
    this.#deadlineAtMs = NEVER;
    if (this.#reason === '') this.#reason = reason;
    return this.#askNow(nowMs);
  }

  /** Nothing was released, so nobody else can start the guest: it goes on here, whatever the destination says. */
  #recall(reason: string, nowMs: number): SourceEffect[] {
    this.#reason = reason;
    const ask = { type: 'ask', ask: 0, question: 'refuse', closings: [], waitMs: 0, reason } as const;
    return [ask, ...this.#end('refused', nowMs)];
  }

  #end(decision: Decided, nowMs: number): SourceEffect[] {
    this.#phase = 'ending';
    this.#decision = decision;
    this.#deadlineAtMs = this.#silentAtMs = this.#askAtMs = NEVER;
    this.#chores = new Chores<SourceChore>(
      decision === 'started' ? [['kill'], ['releaseWriter', 'detachPort']] : [['thaw', 'resume', 'openPort']],
    );
    const reason = decision === 'started' ? '' : this.#reason || 'the destination refused';
    return [{ type: 'outcome', decision, reason }, ...this.#choreEffects(this.#chores.due(nowMs))];
  }

  #choreDone(chore: SourceChore, nowMs: number): SourceEffect[] {
    const next = this.#chores?.done(chore, nowMs) ?? [];
    if (this.#phase !== 'ending' || !this.#chores?.finished) return this.#choreEffects(next);
    this.#phase = 'settling';
    return [{ type: 'journal', record: { kind: 'settled' } }];
  }

  #choreEffects(chores: readonly SourceChore[]): SourceEffect[] {
    return chores.map((chore) => ({ type: 'chore', chore }));
  }

  #tick(nowMs: number): SourceEffect[] {
    if (nowMs >= this.#deadlineAtMs) return this.#late(nowMs);
    const effects = this.#choreEffects(this.#chores?.due(nowMs) ?? []);
    if (nowMs >= this.#silentAtMs) {
      this.#silentAtMs = NEVER;
      this.#undecidedTold = true;
      effects.push({ type: 'outcome', decision: 'undecided', reason: this.#undecidedReason() });
    }
    return nowMs >= this.#askAtMs ? [...effects, ...this.#askNow(nowMs)] : effects;
  }

  #undecidedReason(): string {
    return `the destination has not answered for ${SILENCE_MS} ms; the VM is held here until it does${
      this.#reason && ` (${this.#reason})`
    }`;
  }

  #late(nowMs: number): SourceEffect[] {
    this.#deadlineAtMs = NEVER;
    if (this.#phase !== 'released')
      return this.#recall(`port and disks were not closed within ${RELEASE_LIMIT_MS} ms of the guest's stop`, nowMs);
    return this.#wantRefusal(`no record of the destination within ${DEADLINE_MS} ms of the guest's stop`, nowMs);
  }

  #mark(step: HoldStep['step'], nowMs: number): void {
    if (!this.#restored) this.#steps.push({ step, atMs: nowMs - this.#stoppedAtMs });
  }
}
