// Follows a migration's figures from its order until a minute after the move, while the destination fetches what it
// lacks. Figures only: a failure in here fails nothing else.
import type { Clock } from '../../common/clock.ts';
import { messageOf } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { MachineSpec } from '../../wire/contracts/hypervisor.ts';
import type { Cluster } from '../cluster.ts';
import type { Patience } from '../patience.ts';
import type { State } from '../state.ts';
import type { Independence } from './independence.ts';
import { type Baseline, baselineOf, storageFigures } from './migration-figures.ts';
import type { MigrationJournal } from './migration-journal.ts';

/** How often figures are read: one small call. */
const FOLLOW_INTERVAL_MS = 250;
/** The bytes of a move are counted up to a minute after it: most of what is missing is fetched by then. */
const FOLLOW_MS = 60_000;

const NO_BASELINES: ReadonlyMap<string, Baseline> = new Map();

export class MigrationFollower {
  readonly #state: State;
  readonly #cluster: Cluster;
  readonly #journal: MigrationJournal;
  readonly #independence: Pick<Independence, 'see'>;
  readonly #patience: Patience;
  readonly #clock: Clock;
  readonly #log: Log;
  /** The destination's counters at the order, by migration and image. */
  readonly #baselines = new Map<string, ReadonlyMap<string, Baseline>>();

  constructor(options: {
    state: State;
    cluster: Cluster;
    journal: MigrationJournal;
    independence: Pick<Independence, 'see'>;
    patience: Patience;
    clock: Clock;
    log: Log;
  }) {
    this.#state = options.state;
    this.#cluster = options.cluster;
    this.#journal = options.journal;
    this.#independence = options.independence;
    this.#patience = options.patience;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /** Remembers what the destination's counters say before anything is sent there. */
  async begin(migration: string, node: string, images: readonly string[], signal: AbortSignal): Promise<void> {
    const { images: stores } = await this.#cluster.clients(node).blockd.call('image.list', {}, { signal });
    const baselines = images.map((image) => {
      return [image, baselineOf(stores.find((store) => store.image === image))] as const;
    });
    this.#baselines.set(migration, new Map(baselines));
  }

  /** The figures of a migration that moved; they go on in the background. */
  async follow(migration: string, spec: MachineSpec): Promise<void> {
    await this.#read(migration, spec);
    void this.#goOn(migration, spec);
  }

  /** Those of a migration that did not move are of no use. */
  forget(migration: string): void {
    this.#baselines.delete(migration);
  }

  async #goOn(migration: string, spec: MachineSpec): Promise<void> {
    const endMs = this.#clock.nowMs() + FOLLOW_MS;
    try {
      while (this.#clock.nowMs() < endMs && this.#isThere(migration)) {
        await this.#patience.pause(FOLLOW_INTERVAL_MS);
        await this.#read(migration, spec);
      }
    } catch (error) {
      if (!this.#patience.isStopping) this.#log.warn({ err: error, migration }, 'figures are followed no further');
    }
    this.forget(migration);
  }

  /** A VM that has moved on, or is gone, changes these figures no more. */
  #isThere(migration: string): boolean {
    const record = this.#journal.find(migration);
    return record !== undefined && this.#state.get('vms', record.vm)?.node === record.to;
  }

  async #read(migration: string, { vm, disks }: MachineSpec): Promise<void> {
    try {
      const { blockd } = this.#cluster.clients(this.#journal.get(migration).to);
      const stores = await Promise.all(disks.map(({ image }) => blockd.call('image.show', { image })));
      if (!this.#isThere(migration)) return;
      const before = this.#baselines.get(migration) ?? NO_BASELINES;
      this.#journal.show(migration, (record) => storageFigures(record, stores, before));
      await this.#independence.see(vm, stores);
    } catch (error) {
      this.#log.debug({ migration, reason: messageOf(error) }, 'figures were not read');
    }
  }
}
