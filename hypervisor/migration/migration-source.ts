// The shell around the source's half of a hold: carries the machine's effects out with the driver, the local daemons and
// the destination's agent, and tells it what came of them. It decides nothing.
import type { Clock } from '../../common/clock.ts';
import { messageOf } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { Decision, MemoryProgress, Outcome } from '../../wire/contracts/hypervisor.ts';
import type { Endpoint } from '../../wire/names.ts';
import type { AgentJournal } from '../agent-journal.ts';
import type { Machine } from '../driver.ts';
import type { Machines } from '../machines.ts';
import type { Neighbours } from '../neighbours.ts';
import type { HoldSource } from './hold-source.ts';
import {
  ASK_TIMEOUT_MS,
  type SourceChore,
  type SourceEffect,
  type SourceInput,
  type SourceRecord,
} from './hold-source-steps.ts';
import { MemorySender } from './memory-sender.ts';
import { Wake } from './wake.ts';
import type { WarmStreams } from './warm-streams.ts';

export interface MigrationSourceParts {
  readonly migration: string;
  readonly vm: string;
  readonly images: readonly string[];
  readonly destination: Endpoint;
  readonly maxBandwidthBytesPerSecond: number;
  readonly downtimeLimitMs: number;
  readonly hold: HoldSource;
  readonly machines: Machines;
  readonly journal: AgentJournal;
  readonly neighbours: Neighbours;
  readonly streams: Pick<WarmStreams, 'take'>;
  readonly clock: Clock;
  readonly log: Log;
}

export class MigrationSource {
  readonly #parts: MigrationSourceParts;
  readonly #wake: Wake;
  #isStopped = false;
  readonly #outcome = Promise.withResolvers<Outcome>();
  readonly #memory: MemorySender;
  /** Resolves when the sending up to the hold has come to its end, whatever end. */
  #sending: Promise<void> = Promise.resolve();
  onProgress: (progress: MemoryProgress) => void = () => undefined;

  constructor(parts: MigrationSourceParts) {
    this.#parts = parts;
    this.#memory = new MemorySender(parts, (progress) => this.onProgress(progress));
    this.#wake = new Wake(parts.clock, () => this.feed({ type: 'tick' }));
    parts.machines
      .living(parts.vm)
      ?.on('exited', () => this.feed({ type: 'failed', reason: "the VM's process ended" }));
  }

  get vm(): string {
    return this.#parts.vm;
  }
  get hold(): HoldSource {
    return this.#parts.hold;
  }
  get isSettled(): boolean {
    return this.#parts.hold.phase === 'settled';
  }
  /** What the controller is told first: how it ended, or that this is undecided. */
  get outcome(): Promise<Outcome> {
    return this.#outcome.promise;
  }

  /** Gives the hold one input and starts what follows from it. */
  feed(input: SourceInput): void {
    const { hold, clock } = this.#parts;
    if (this.#isStopped) return;
    for (const effect of hold.step(input, clock.nowMs())) this.#do(effect);
    this.#wake.at(hold.wakeAtMs);
  }

  /** The process ends: nothing is done any more, as if it had been killed. */
  stop(): void {
    this.#isStopped = true;
    this.#wake.at(Number.POSITIVE_INFINITY);
    this.#memory.stop('the agent ends');
  }

  #do(effect: SourceEffect): void {
    switch (effect.type) {
      case 'journal':
        void this.#journal(effect.record);
        return;
      case 'sendMemory':
        this.#sending = this.#sendMemory();
        return;
      case 'closePort':
        void this.#attempt(async () => {
          await this.#parts.neighbours.port('port.close', this.vm);
          return { type: 'portClosed' };
        });
        return;
      case 'freeze':
        void this.#attempt(() => this.#freeze());
        return;
      case 'continueMemory':
        void this.#attempt(() => this.#continueMemory());
        return;
      case 'ask':
        void this.#ask(effect);
        return;
      case 'chore':
        void this.#chore(effect.chore);
        return;
      case 'outcome':
        this.#tell(effect.decision, effect.reason);
        return;
      case 'settled':
        this.#parts.log.info({ migration: this.#parts.migration, decision: this.hold.decision }, 'settled');
        return;
    }
  }

  async #journal(entry: SourceRecord): Promise<void> {
    const { journal, migration, vm, destination } = this.#parts;
    const closed = entry.kind === 'released' ? { ...entry, closings: [...entry.closings] } : entry;
    const record = { kind: 'source', migration, vm, destination, entry: closed } as const;
    const isGone = entry.kind === 'settled' && this.hold.decision === 'started';
    await journal.append(record, ...(isGone ? [{ kind: 'gone', vm } as const] : []));
    this.feed({ type: 'journaled', kind: entry.kind });
  }

  /** Something that fails as a whole: the hold decides what that means. */
  async #attempt(work: () => Promise<SourceInput>): Promise<void> {
    try {
      this.feed(await work());
    } catch (error) {
      this.#parts.log.warn({ migration: this.#parts.migration, err: error }, 'a step of the migration failed');
      this.feed({ type: 'failed', reason: messageOf(error) });
    }
  }

  #machine(): Machine {
    const machine = this.#parts.machines.living(this.vm);
    if (!machine) throw new Error(`VM ${this.vm} has no process on this node any more`);
    return machine;
  }

  async #sendMemory(): Promise<void> {
    void this.#warm();
    await this.#attempt(async () => {
      await this.#memory.send(this.#machine());
      return { type: 'drained' };
    });
  }

  /** Connections that stand before the hold. Their failures show in it, if they last. */
  async #warm(): Promise<void> {
    const { neighbours, destination, migration, images } = this.#parts;
    await Promise.allSettled([
      neighbours.warm(this.vm, images, 'port.open'),
      neighbours.agent(destination).call('hold.decision', { migration, waitMs: 0 }),
    ]);
  }

  async #freeze(): Promise<SourceInput> {
    const { neighbours, migration, images } = this.#parts;
    const { closings } = await neighbours.store('writer.freeze', { migration, images: [...images] });
    return { type: 'frozen', closings };
  }

  async #continueMemory(): Promise<SourceInput> {
    this.#tellPhase('hold');
    await this.#machine().continueMigration();
    return { type: 'memorySent' };
  }

  async #ask(effect: Extract<SourceEffect, { type: 'ask' }>): Promise<void> {
    try {
      const decision = await this.#question(effect);
      this.feed({ type: 'answer', ask: effect.ask, decision });
    } catch (error) {
      this.#parts.log.warn({ migration: this.#parts.migration, reason: messageOf(error) }, 'no answer');
      this.feed({ type: 'noAnswer', ask: effect.ask });
    }
  }

  async #question({ question, closings, waitMs, reason }: Extract<SourceEffect, { type: 'ask' }>): Promise<Decision> {
    const { neighbours, destination, migration } = this.#parts;
    const agent = neighbours.agent(destination);
    const options = { timeoutMs: ASK_TIMEOUT_MS };
    switch (question) {
      case 'released':
        return (await agent.call('hold.released', { migration, closings: [...closings] }, options)).decision;
      case 'decision':
        return (await agent.call('hold.decision', { migration, waitMs }, options)).decision;
      case 'refuse':
        return (await agent.call('hold.refuse', { migration, reason }, options)).decision;
    }
  }

  async #chore(chore: SourceChore): Promise<void> {
    try {
      await this.#doChore(chore);
      this.feed({ type: 'choreDone', chore });
    } catch (error) {
      const { migration, log } = this.#parts;
      log.warn({ migration, chore, reason: messageOf(error) }, 'it will be tried again');
      this.feed({ type: 'choreFailed', chore });
    }
  }

  async #doChore(chore: SourceChore): Promise<void> {
    const { neighbours, machines, migration } = this.#parts;
    switch (chore) {
      case 'thaw':
        await neighbours.store('writer.thaw', { migration });
        return;
      case 'resume':
        return this.#resume();
      case 'openPort':
        await neighbours.port('port.open', this.vm);
        return;
      case 'kill':
        this.#memory.stop('the VM runs at the destination');
        return machines.kill(this.vm);
      case 'releaseWriter':
        await neighbours.store('writer.release', { migration });
        return;
      case 'detachPort':
        await neighbours.port('port.detach', this.vm);
        return;
    }
  }

  /** Whatever the process is at, the guest runs afterwards; a process that is gone is no failure of this chore. */
  async #resume(): Promise<void> {
    this.#memory.stop('the VM stays here');
    await this.#sending;
    const machine = await this.#parts.machines.find(this.vm);
    if (!machine) return;
    if ((await machine.status()).state === 'held') await machine.cancelMigration();
    const { state } = await machine.status();
    if (state !== 'running' && state !== 'ended') await machine.cont();
  }

  #tell(decision: Decision, reason: string): void {
    this.#tellPhase('decided');
    const { hold, log, migration } = this.#parts;
    const steps = [...hold.steps];
    const holdMs = steps.find(({ step }) => step === 'decided')?.atMs ?? steps.at(-1)?.atMs ?? 0;
    const outcome = {
      decision,
      reason,
      holdMs,
      steps,
      closings: [...hold.closings],
      memoryBytes: this.#memory.sentBytes,
      streamMs: this.#memory.streamMs,
    };
    log.info({ migration, vm: this.vm, ...outcome, closings: undefined }, 'outcome');
    this.#outcome.resolve(outcome);
  }

  #tellPhase(phase: 'hold' | 'decided'): void {
    this.onProgress(this.#memory.progressAt(phase));
  }
}
