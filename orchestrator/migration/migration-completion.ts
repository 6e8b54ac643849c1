// What follows when the destination has started: switches, catalogue and records are moved, each tried until it is
// done. Nothing in here can turn the migration back.
import type { Clock } from '../../common/clock.ts';
import { codeOf } from '../../common/errors.ts';
import type { Outcome } from '../../wire/contracts/hypervisor.ts';
import type { Cluster } from '../cluster.ts';
import type { Patience } from '../patience.ts';
import type { MigrationRecord, State, VmRecord } from '../state.ts';
import type { MigrationJournal } from './migration-journal.ts';
import type { MigrationSettlement } from './migration-settlement.ts';

export class MigrationCompletion {
  readonly #state: State;
  readonly #cluster: Cluster;
  readonly #journal: MigrationJournal;
  readonly #settlement: MigrationSettlement;
  readonly #patience: Patience;
  readonly #clock: Clock;

  constructor(options: {
    state: State;
    cluster: Cluster;
    journal: MigrationJournal;
    settlement: MigrationSettlement;
    patience: Patience;
    clock: Clock;
  }) {
    this.#state = options.state;
    this.#cluster = options.cluster;
    this.#journal = options.journal;
    this.#settlement = options.settlement;
    this.#patience = options.patience;
    this.#clock = options.clock;
  }

  /** Resolves when the VM's record is at the destination, however long that takes. @throws OperationError STOPPING */
  async complete(migration: string, outcome: Outcome): Promise<void> {
    await this.#patience.untilDone('the journal', () => this.#journal.step(migration, 'complete'));
    // Neither waits for the other: a catalogue that is away must not keep the VM off the network.
    await this.#journal.timed(migration, 'complete', () =>
      Promise.all([
        this.#patience.untilDone('the switches', () => this.#moveNetwork(migration)),
        this.#patience.untilDone('the catalogue', () => this.#moveImages(migration, outcome)),
      ]),
    );
    await this.#patience.untilDone('the records', () => this.#moveRecords(migration, outcome));
  }

  async #moveNetwork(migration: string): Promise<void> {
    const { sdnd } = this.#cluster.controller;
    try {
      await sdnd.call('migration.complete', { migration });
    } catch (error) {
      if (codeOf(error) !== 'MIGRATION_UNKNOWN') throw error;
      await sdnd.call('binding.set', { binding: this.#binding(migration) });
    }
  }

  /** What an overlay controller is told that has lost the preparation: the newer epoch wins (PROMISES N3). */
  #binding(migration: string): { owner: string; mac: string; ip: string; node: string; port: string; epoch: number } {
    const { vm, to, port, epoch } = this.#journal.get(migration);
    const { mac, ip } = this.#vm(vm).spec;
    return { owner: vm, mac, ip, node: to, port, epoch };
  }

  async #moveImages(migration: string, outcome: Outcome): Promise<void> {
    const closings = outcome.closings.length > 0 ? outcome.closings : await this.#settlement.closings(migration);
    await this.#cluster.controller.catalogue.call('transfer.finish', { migration, moved: true, closings });
  }

  async #moveRecords(migration: string, outcome: Outcome): Promise<void> {
    const { vm, to, epoch, port } = this.#journal.get(migration);
    await this.#state.put('vms', vm, { ...this.#vm(vm), node: to, epoch, port });
    await this.#journal.change(migration, (record) => this.#moved(record, outcome));
  }

  #moved(record: MigrationRecord, { memoryBytes, holdMs, steps }: Outcome): MigrationRecord {
    return {
      ...record,
      step: 'moved',
      toUndo: [],
      memoryBytes: Math.max(memoryBytes, record.memoryBytes),
      remainingBytes: 0,
      holdMs,
      holdSteps: steps,
      totalMs: this.#clock.wallMs() - record.startedAtMs,
    };
  }

  #vm(vm: string): VmRecord {
    const record = this.#state.get('vms', vm);
    if (record === undefined) throw new Error(`there is no record of VM ${vm}, which is migrating`);
    return record;
  }
}
