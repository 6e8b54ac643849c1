// Migrations from order to end: one at a time per VM, followed across restarts of the orchestrator. How one ends is the
// destination's single record (SOUNDNESS B1), never a failure, a silence or the orchestrator's own end.
import { randomBytes } from 'node:crypto';
import type { Clock } from '../../common/clock.ts';
import { messageOf, OperationError } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { StoreImage } from '../../wire/contracts/blockd.ts';
import type { MigrationState } from '../../wire/contracts/cluster-state.ts';
import type { Outcome } from '../../wire/contracts/hypervisor.ts';
import type { Admission } from '../admission.ts';
import type { Cluster } from '../cluster.ts';
import type { StoreWatch } from '../images/store-watch.ts';
import type { MachineReports } from '../machine-reports.ts';
import type { Patience } from '../patience.ts';
import type { MigrationRecord, State, VmRecord } from '../state.ts';
import { Independence } from './independence.ts';
import { MigrationCompletion } from './migration-completion.ts';
import { MigrationFollower } from './migration-follower.ts';
import { isBeforeMemory, MigrationJournal, type Watcher } from './migration-journal.ts';
import { MigrationReversal } from './migration-reversal.ts';
import { type MigrationOptions, MigrationSequence } from './migration-sequence.ts';
import { MigrationSettlement, outcomeOf } from './migration-settlement.ts';
import { precheckMigration } from './precheck.ts';

/** A cancelled migration is decided within this when both ends answer; the call itself may take 15 s. */
const CANCEL_WAIT_MS = 10_000;
/** Only for the wording of a failure. */
const LOOK_TIMEOUT_MS = 5_000;

/** What a migration came to, and what its failure asks of a person: '' where nobody has said. */
interface Attempt {
  readonly outcome: Outcome;
  readonly advice: string;
}

export interface MigrationsParts {
  readonly state: State;
  readonly cluster: Cluster;
  readonly admission: Admission;
  readonly reports: MachineReports;
  /** Asks the stores of both ends whether one of them was put back. */
  readonly stores: Pick<StoreWatch, 'check'>;
  /** Begins the background pull where a VM has come to. */
  readonly startPull: (image: string, node: string) => Promise<void>;
  readonly patience: Patience;
  readonly clock: Clock;
  readonly log: Log;
}

export class Migrations {
  readonly #parts: MigrationsParts;
  readonly #journal: MigrationJournal;
  readonly #follower: MigrationFollower;
  readonly #independence: Independence;
  readonly #sequence: MigrationSequence;
  readonly #settlement: MigrationSettlement;
  readonly #completion: MigrationCompletion;
  readonly #reversal: MigrationReversal;
  /** Those that this process has begun and not ended, by which they are given up before the memory. */
  readonly #giveUps = new Map<string, AbortController>();

  constructor(parts: MigrationsParts) {
    const journal = new MigrationJournal(parts);
    const independence = new Independence({ ...parts, journal });
    const follower = new MigrationFollower({ ...parts, journal, independence });
    const settlement = new MigrationSettlement({ ...parts, journal });
    this.#parts = parts;
    this.#journal = journal;
    this.#follower = follower;
    this.#independence = independence;
    this.#settlement = settlement;
    this.#sequence = new MigrationSequence({ ...parts, journal, follower });
    this.#completion = new MigrationCompletion({ ...parts, journal, settlement });
    this.#reversal = new MigrationReversal({ ...parts, journal });
  }

  /**
   * Moves a VM and answers when its record is at the destination; any failure leaves it running where it was.
   * @throws OperationError of the checks, MIGRATION_FAILED, STOPPING
   */
  async migrate(vm: string, to: string, options: MigrationOptions, watch: Watcher): Promise<MigrationState> {
    await this.#clear(vm, to);
    const record = await this.#parts.admission.inTurn(() => this.#order(vm, to));
    const { migration } = record;
    const unwatch = this.#journal.watch(migration, watch);
    try {
      return await this.#end(migration, await this.#attempt(record, options));
    } finally {
      unwatch();
    }
  }

  /** What earlier failures left at the destination is taken back first; a later detaching would take the new port. */
  async #clear(vm: string, to: string): Promise<void> {
    const left = this.#leftovers(vm, this.#parts.cluster.nodeOf(to).node);
    await Promise.all(left.map(({ migration }) => this.#reversal.tryOnce(migration)));
  }

  /** What stands in the way of the VM at a node: all that is left there, and of the transfer and the flows anywhere. */
  #leftovers(vm: string, node: string): MigrationRecord[] {
    return this.#journal.leftovers().filter((left) => left.vm === vm && (left.to === node || hasShared(left.toUndo)));
  }

  /** @throws OperationError LEFT_OVER while a failed migration of a VM of that name is not taken back at the node */
  refuseLeftOver(vm: string, node: string): void {
    const [left] = this.#leftovers(vm, node);
    if (left === undefined) return;
    throw new OperationError(
      'LEFT_OVER',
      `an earlier migration of VM ${vm} to ${left.to} is not taken back yet: ${left.toUndo.join(', ')}`,
      { remedy: 'that is tried every few seconds; look at its daemons with supercloud node list, then try again' },
    );
  }

  /** Checks the order and writes the journal's first record. */
  async #order(vm: string, to: string): Promise<MigrationRecord> {
    const { state, cluster, clock } = this.#parts;
    const before = this.#vm(vm);
    const target = cluster.upNodeOf(to);
    this.#refuseIfBusy(before);
    precheckMigration(before, cluster.upNodeOf(before.node), target, state.all('vms'), state.all('migrations'));
    this.refuseLeftOver(vm, target.node);
    // An epoch that was offered once is never offered again, also when that migration came to nothing.
    const offered = before.offeredEpoch + 1;
    await state.put('vms', vm, { ...before, offeredEpoch: offered });
    const record = newRecord(before, target.node, offered, state.term, clock.wallMs());
    await this.#journal.begin(record);
    return record;
  }

  #refuseIfBusy({ vm, phase, node }: VmRecord): void {
    const running = this.#journal.running(vm);
    if (running !== undefined) {
      throw new OperationError('ALREADY_MIGRATING', `VM ${vm} is on its way from ${running.from} to ${running.to}`, {
        remedy: `wait for it, or stop it with 'supercloud migrate ${vm} --cancel'`,
      });
    }
    if (phase !== 'settled') throw new OperationError('VM_BUSY', `VM ${vm} is ${phase}`);
    if (!this.#parts.reports.isStopped(vm, node)) return;
    throw new OperationError('VM_STOPPED', `VM ${vm} does not run any more at ${node}`, {
      remedy: 'only a running VM moves: delete it, and create it where it is to run',
    });
  }

  /** As far as the source's answer, or until a record is found. Failures before the memory are final. */
  async #attempt(record: MigrationRecord, options: MigrationOptions): Promise<Attempt> {
    const { migration } = record;
    const giveUp = new AbortController();
    this.#giveUps.set(migration, giveUp);
    let reason: string;
    try {
      await this.#sequence.prepare(record, this.#vm(record.vm).spec, giveUp.signal);
      const outcome = await this.#sequence.send(record, options, giveUp.signal);
      if (outcome.decision !== 'undecided') return { outcome, advice: '' };
      reason = outcome.reason;
    } catch (error) {
      this.#parts.patience.throwIfStopping();
      const cause: unknown = giveUp.signal.aborted ? giveUp.signal.reason : error;
      const advice = cause instanceof OperationError ? cause.remedy : '';
      reason = messageOf(cause);
      if (!(error instanceof OperationError)) this.#parts.log.error({ err: error, migration }, 'a step failed');
      if (isBeforeMemory(this.#journal.get(migration))) return { outcome: outcomeOf('refused', reason), advice };
    } finally {
      this.#giveUps.delete(migration);
    }
    const outcome = await this.#parts.patience.untilDone('the settlement', () =>
      this.#settlement.settle(migration, reason),
    );
    return { outcome, advice: '' };
  }

  /** What follows from the record. An orchestrator that is told to stop does nothing more: its journal goes on. */
  async #end(migration: string, { outcome, advice }: Attempt): Promise<MigrationState> {
    this.#parts.patience.throwIfStopping();
    if (outcome.decision !== 'started') return this.#fail(migration, outcome.reason, advice);
    await this.#completion.complete(migration, outcome);
    const { vm, to } = this.#journal.get(migration);
    const { spec } = this.#vm(vm);
    this.#parts.reports.begin(vm);
    for (const { image } of spec.disks) void this.#parts.startPull(image, to);
    await this.#follower.follow(migration, spec);
    const moved = this.#journal.get(migration);
    await this.#journal.forgetOld(vm);
    return moved;
  }

  async #fail(migration: string, reason: string, advice: string): Promise<never> {
    this.#follower.forget(migration);
    await this.#parts.patience.untilDone('the journal', () => this.#reversal.fail(migration, reason));
    const { vm, from, to } = this.#journal.get(migration);
    await this.#reversal.tryOnce(migration);
    const remedy = await this.#remedy(vm, from, advice);
    await this.#journal.forgetOld(vm);
    throw new OperationError('MIGRATION_FAILED', `VM ${vm} did not move from ${from} to ${to}: ${reason}`, { remedy });
  }

  /** What is true of the VM now, as its node says. */
  async #remedy(vm: string, node: string, advice: string): Promise<string> {
    try {
      const { hypervisor } = this.#parts.cluster.clients(node);
      const { machines } = await hypervisor.call('machine.list', {}, { timeoutMs: LOOK_TIMEOUT_MS });
      const state = machines.find((machine) => machine.vm === vm)?.state ?? 'stopped';
      if (state === 'stopped') return `its machine at ${node} does not run any more; delete it and create it again`;
      const runs = state === 'running' ? 'runs on' : 'is being continued';
      const next = advice === '' ? 'mend the cause, then order the migration again' : `to mend the cause: ${advice}`;
      return `it ${runs} at ${node}; ${next}`;
    } catch (error) {
      this.#parts.log.info({ vm, node, reason: messageOf(error) }, 'its node was not asked');
      return `it is at ${node}, which does not answer; nothing restarts it elsewhere until that node is back`;
    }
  }

  /**
   * Stops a migration: before the memory at once, later by asking the source, which asks the destination to refuse.
   * @throws OperationError NOT_MIGRATING, TOO_LATE, UNDECIDED
   */
  async cancel(vm: string): Promise<void> {
    const record = this.#journal.running(vm);
    if (record === undefined) throw new OperationError('NOT_MIGRATING', `VM ${vm} is not migrating`);
    const { migration, from, to } = record;
    const reason = 'cancelled by the operator';
    this.#giveUps.get(migration)?.abort(new OperationError('CANCELLED', reason));
    if (!isBeforeMemory(record) && record.step !== 'complete') {
      const { hypervisor } = this.#parts.cluster.clients(from);
      await hypervisor.call('migration.abort', { migration, term: this.#parts.state.term, reason });
    }
    await this.#journal.decidedWithin(migration, CANCEL_WAIT_MS);
    const step = this.#journal.find(migration)?.step;
    if (step === 'failed') return;
    if (step === 'moved' || step === 'complete') {
      throw new OperationError('TOO_LATE', `VM ${vm} runs at ${to} already, so its migration cannot be cancelled`, {
        remedy: `move it back with 'supercloud migrate ${vm} --to ${from}'`,
      });
    }
    throw new OperationError('UNDECIDED', `node ${to} was asked to refuse VM ${vm} and has not answered yet`, {
      remedy: `the VM waits for that answer; look with 'supercloud vm show ${vm}'`,
    });
  }

  /** After a restart of the orchestrator: every unfinished migration is followed to its end. Never rejects. */
  async recover(): Promise<void> {
    await Promise.all(this.#journal.unfinished().map((record) => this.#recoverOne(record)));
  }

  async #recoverOne(record: MigrationRecord): Promise<void> {
    const { migration } = record;
    const reason = 'the controller restarted';
    try {
      const outcome = isBeforeMemory(record)
        ? outcomeOf('refused', reason)
        : await this.#parts.patience.untilDone('the settlement', () => this.#settlement.settle(migration, reason));
      await this.#end(migration, { outcome, advice: '' });
    } catch (error) {
      if (!this.#parts.patience.isStopping) this.#parts.log.warn({ err: error, migration }, 'ended after a restart');
    }
  }

  /** What the stores of a VM's images at its node say, to whoever asked them. */
  stores(vm: string, stores: readonly StoreImage[]): Promise<void> {
    return this.#independence.see(vm, stores);
  }

  /** Drops the journals of a VM that is gone, but for what is still to be taken back. */
  forget(vm: string): Promise<void> {
    return this.#journal.forgetOld(vm, 0);
  }

  /** Once more what failed migrations have left. */
  async tidy(): Promise<void> {
    const left = this.#journal.leftovers();
    await this.#reversal.tidy();
    for (const { vm } of left) {
      if (this.#parts.state.get('vms', vm) === undefined) await this.forget(vm);
    }
  }

  #vm(vm: string): VmRecord {
    const record = this.#parts.state.get('vms', vm);
    if (record !== undefined) return record;
    const known = this.#parts.state.all('vms').map((other) => other.vm);
    throw new OperationError('VM_UNKNOWN', `there is no VM ${vm}`, {
      remedy: known.length > 0 ? `the VMs are ${known.join(', ')}` : `make one with 'supercloud vm create'`,
    });
  }
}

/** The catalogue takes no second transfer of an image, nor the overlay a second preparation of a guest. */
function hasShared(toUndo: MigrationRecord['toUndo']): boolean {
  return toUndo.includes('transfer') || toUndo.includes('flows');
}

function newRecord(vm: VmRecord, to: string, epoch: number, term: number, nowMs: number): MigrationRecord {
  return {
    migration: randomBytes(8).toString('hex'),
    ...{ vm: vm.vm, from: vm.node, to, term, epoch, port: '', toUndo: [] },
    ...{ step: 'precheck', reason: '', startedAtMs: nowMs, totalMs: 0, stepTimes: [], holdMs: 0, holdSteps: [] },
    ...{ memoryBytes: 0, remainingBytes: 0, rateBytesPerSecond: 0, entryBytes: 0, blockBytes: 0 },
    ...{ fetchedOnDemandBlocks: 0, dependsOnSourceBlocks: 0, independentMs: null },
  };
}
