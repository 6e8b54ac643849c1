// The shell around the destination's half of a hold: makes the waiting machine, takes its memory's stream, and carries
// the effects out with the driver and the local daemons. It decides nothing.
import type { TLSSocket } from 'node:tls';
import type { Clock } from '../../common/clock.ts';
import { codeOf, messageOf } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { Closing } from '../../wire/contracts/blockd.ts';
import type { Decision } from '../../wire/contracts/hypervisor.ts';
import type { Endpoint } from '../../wire/names.ts';
import type { AgentJournal } from '../agent-journal.ts';
import type { MachineRecord } from '../agent-records.ts';
import type { IncomingMachine } from '../driver.ts';
import type { Machines } from '../machines.ts';
import { LOCAL_TIMEOUT_MS, type Neighbours } from '../neighbours.ts';
import { dialRam } from '../qemu/ram-socket.ts';
import type {
  DestinationChore,
  DestinationEffect,
  DestinationInput,
  DestinationRecord,
  HoldDestination,
} from './hold-destination.ts';
import { joinStreams } from './memory-stream.ts';
import type { RamPump } from './ram-pump.ts';
import { Wake } from './wake.ts';

/**
 * The controller is told at once that the guest runs here, so that the switches do not wait for the way by the source;
 * it hears the same from there, so a few tries are enough.
 */
const TELL_TRIES = 5;
const TELL_RETRY_MS = 1_000;

export interface MigrationDestinationParts {
  readonly migration: string;
  readonly vm: string;
  readonly source: Endpoint;
  readonly deadlineMs: number;
  /** Those of a migration that the journal has as started. */
  readonly closings?: readonly Closing[];
  readonly hold: HoldDestination;
  readonly machines: Pick<Machines, 'incoming' | 'find' | 'living' | 'kill'>;
  readonly journal: Pick<AgentJournal, 'append'>;
  readonly neighbours: Pick<Neighbours, 'attachPort' | 'warm' | 'verify' | 'store' | 'port' | 'moved'>;
  readonly clock: Clock;
  readonly log: Log;
}

export class MigrationDestination {
  readonly #parts: MigrationDestinationParts;
  readonly #wake: Wake;
  #isStopped = false;
  /** As the source released them, or as the journal has them from before. */
  #closings: readonly Closing[];
  #machine: IncomingMachine | undefined;
  #pump: RamPump | undefined;
  /** Ends the making of the machine when it is not wanted any more. */
  readonly #giveUp = new AbortController();
  #preparing: Promise<void> | undefined;
  #waiting: (() => void)[] = [];

  constructor(parts: MigrationDestinationParts) {
    this.#parts = parts;
    this.#closings = parts.closings ?? [];
    this.#wake = new Wake(parts.clock, () => this.feed({ type: 'tick' }));
  }

  get vm(): string {
    return this.#parts.vm;
  }
  get source(): Endpoint {
    return this.#parts.source;
  }
  get decision(): Decision {
    return this.#parts.hold.decision;
  }
  /** How the source closed the disks of a guest that runs here; empty before it does. */
  get closings(): readonly Closing[] {
    return this.decision === 'started' ? this.#closings : [];
  }
  /** Nothing is decided and nothing speaks against it. */
  get isWaiting(): boolean {
    return this.#parts.hold.phase === 'waiting';
  }
  get reason(): string {
    return this.#parts.hold.reason;
  }
  get isSettled(): boolean {
    return this.#parts.hold.phase === 'settled';
  }

  feed(input: DestinationInput): void {
    const { hold, clock } = this.#parts;
    if (this.#isStopped) return;
    // The first release is the one that is compared, and so the one that counts.
    if (input.type === 'released' && this.#closings.length === 0) this.#closings = input.closings;
    for (const effect of hold.step(input, clock.nowMs())) this.#do(effect);
    this.#wake.at(hold.wakeAtMs);
  }

  /** Makes the machine, once; its failure is a refusal, and is thrown for the controller. */
  prepare(record: MachineRecord): Promise<void> {
    this.#preparing ??= this.#make(record).catch((error: unknown) => {
      this.feed({ type: 'died', reason: messageOf(error) });
      throw error;
    });
    return this.#preparing;
  }

  async #make(record: MachineRecord): Promise<void> {
    const { signal } = this.#giveUp;
    signal.throwIfAborted();
    const { journal, machines, migration, vm, source, deadlineMs } = this.#parts;
    await journal.append(record, { kind: 'destination', migration, vm, source, deadlineMs, entry: 'incoming' });
    signal.throwIfAborted();
    const images = record.spec.disks.map(({ image }) => image);
    await this.#attachPort(record.spec.mac);
    // The hold needs these connections, the memory does not: they have all its time to be made. Never rejects.
    void this.#parts.neighbours.warm(vm, images, 'port.close');
    const machine = await machines.incoming(record, signal);
    machine.on('exited', ({ reason }) => this.feed({ type: 'died', reason: `the waiting machine ended (${reason})` }));
    this.#machine = machine;
  }

  /**
   * The port was made for this migration, but an earlier one of this VM may have taken it away since: it has settled by
   * now, so that nobody does any more. A switch agent that does not answer now is no news yet.
   */
  async #attachPort(mac: string): Promise<void> {
    const { neighbours, vm, migration, log } = this.#parts;
    try {
      await neighbours.attachPort(vm, mac);
    } catch (error) {
      log.warn({ migration, reason: messageOf(error) }, 'it is not certain that the port is there');
    }
  }

  /** The memory's stream, from the node that was named as the source, once. */
  async take(remote: TLSSocket): Promise<void> {
    const machine = this.#machine;
    if (!machine || this.#pump || this.#parts.hold.phase !== 'waiting') {
      this.#parts.log.warn({ migration: this.#parts.migration }, 'a memory stream came that is not expected');
      remote.destroy();
      return;
    }
    try {
      this.#pump = joinStreams(await dialRam(machine.ramSocketPath), remote);
      this.#pump.done.catch((error: unknown) => this.feed({ type: 'broken', reason: messageOf(error) }));
      await machine.loaded();
      this.feed({ type: 'loaded' });
    } catch (error) {
      remote.destroy();
      this.feed({ type: 'broken', reason: messageOf(error) });
    }
  }

  /** Waits for the record, at most as long as given. */
  async decisionWithin(waitMs: number): Promise<Decision> {
    if (this.decision !== 'undecided') return this.decision;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push(resolve);
    const timer = this.#parts.clock.setTimer(waitMs, resolve);
    await promise;
    timer.cancel();
    this.#waiting = this.#waiting.filter((entry) => entry !== resolve);
    return this.decision;
  }

  /** The process ends: nothing is done any more, as if it had been killed. */
  stop(): void {
    this.#isStopped = true;
    this.#wake.at(Number.POSITIVE_INFINITY);
    this.#pump?.cut('the agent ends');
  }

  #do(effect: DestinationEffect): void {
    switch (effect.type) {
      case 'journal':
        void this.#journal(effect.record);
        return;
      case 'verify':
        void this.#verify(effect.closings, effect.timeoutMs);
        return;
      case 'chore':
        void this.#chore(effect.chore);
        return;
      case 'decided': {
        const { log, migration } = this.#parts;
        log.info({ migration, vm: this.vm, decision: effect.decision, reason: effect.reason }, 'decided');
        for (const resolve of this.#waiting) resolve();
        if (effect.decision === 'started') void this.#tellController();
        return;
      }
      case 'settled':
        return;
    }
  }

  /** Beside the chores and the source's question: it holds nothing up, and nothing depends on it. Never rejects. */
  async #tellController(): Promise<void> {
    const { neighbours, migration, clock, log } = this.#parts;
    for (let tries = 1; tries <= TELL_TRIES && !this.#isStopped; tries++) {
      try {
        await neighbours.moved(migration);
        return;
      } catch (error) {
        log.info(
          { migration, tries, reason: messageOf(error) },
          'the controller was not told that the guest runs here',
        );
        // It answers, and will not: it heard of the end before, or of none.
        if (codeOf(error) === 'MIGRATION_UNKNOWN' || codeOf(error) === 'NOT_ALLOWED') return;
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      clock.setTimer(TELL_RETRY_MS, resolve);
      await promise;
    }
  }

  async #journal(entry: DestinationRecord): Promise<void> {
    const { journal, migration, vm, source, deadlineMs } = this.#parts;
    const closed = entry === 'started' ? { closings: [...this.#closings] } : {};
    const record = { kind: 'destination', migration, vm, source, deadlineMs, entry, ...closed } as const;
    await journal.append(record, ...(entry === 'refused' ? [{ kind: 'gone', vm } as const] : []));
    this.feed({ type: 'journaled', record: entry });
  }

  async #verify(closings: readonly Closing[], timeoutMs: number): Promise<void> {
    const { neighbours, migration, log } = this.#parts;
    const waitMs = Math.floor(timeoutMs);
    try {
      const params = { migration, closings: [...closings], timeoutMs: waitMs };
      const { equal, reason } = await neighbours.verify(params, { timeoutMs: waitMs + LOCAL_TIMEOUT_MS });
      this.feed({ type: 'verified', equal, reason });
    } catch (error) {
      log.warn({ migration, reason: messageOf(error) }, 'the tables could not be compared');
      this.feed({ type: 'verifyFailed' });
    }
  }

  async #chore(chore: DestinationChore): Promise<void> {
    try {
      await this.#doChore(chore);
      this.feed({ type: 'choreDone', chore });
    } catch (error) {
      const { migration, log } = this.#parts;
      log.warn({ migration, chore, reason: messageOf(error) }, 'it will be tried again');
      this.feed({ type: 'choreFailed', chore });
    }
  }

  async #doChore(chore: DestinationChore): Promise<void> {
    const { neighbours, machines, migration, log } = this.#parts;
    switch (chore) {
      case 'activate':
        await neighbours.store('standby.activate', { migration });
        return;
      case 'openPort':
        await neighbours.port('port.open', this.vm);
        return;
      case 'cont':
        await (await machines.find(this.vm))?.cont();
        return;
      case 'announce':
        // The network's tables do not wait for it; it only teaches switches that none of ours drives.
        await machines
          .living(this.vm)
          ?.announce()
          .catch((error: unknown) => log.warn({ err: error }, 'not announced'));
        return;
      case 'kill':
        this.#giveUp.abort(new Error('the migration was refused'));
        this.#pump?.cut('the migration was refused');
        // Its failure is what the giving up wants; whoever ordered it is told.
        await this.#preparing?.catch(() => undefined);
        return machines.kill(this.vm);
      case 'cancelStandby':
        await neighbours.store('standby.cancel', { migration });
        return;
      case 'detachPort':
        await neighbours.port('port.detach', this.vm);
        return;
    }
  }
}
