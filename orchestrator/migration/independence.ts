// When a VM that has moved came to depend on no other node, by what its stores said to whoever asked them. A figure for
// people: nothing is decided by it, and what its node would lose in a crash is not looked into.
import type { Clock } from '../../common/clock.ts';
import type { StoreImage } from '../../wire/contracts/blockd.ts';
import type { MigrationRecord, State } from '../state.ts';
import type { MigrationJournal } from './migration-journal.ts';

export class Independence {
  readonly #state: State;
  readonly #journal: MigrationJournal;
  readonly #clock: Clock;

  constructor(options: { state: State; journal: MigrationJournal; clock: Clock }) {
    this.#state = options.state;
    this.#journal = options.journal;
    this.#clock = options.clock;
  }

  /** The stores of all the VM's images at its node; noted once, and only where the VM still is. */
  async see(vm: string, stores: readonly StoreImage[]): Promise<void> {
    if (stores.some(({ role, dependsOn }) => role !== 'writer' || dependsOn.length > 0)) return;
    const migration = this.#moveOf(vm);
    if (migration === undefined || migration.independentMs !== null) return;
    const nowMs = this.#clock.wallMs();
    await this.#journal.change(migration.migration, (record) => {
      if (record.independentMs !== null) return record;
      return { ...record, independentMs: nowMs - record.startedAtMs };
    });
  }

  /** The migration by which the VM came to where it is. */
  #moveOf(vm: string): MigrationRecord | undefined {
    const record = this.#state.get('vms', vm);
    return this.#state
      .all('migrations')
      .find((one) => one.vm === vm && one.step === 'moved' && one.to === record?.node && one.epoch === record.epoch);
  }
}
