// Takes back what a failed migration has made. What is to be taken back stands in the journal and is tried until it is
// done, for ever if need be; it begins only when the VM certainly stays where it is.
import { codeOf, messageOf } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { Cluster } from '../cluster.ts';
import type { MigrationRecord, Reversal } from '../state.ts';
import type { MigrationJournal } from './migration-journal.ts';

/** Each chain goes on when the link before it is taken back; the controller's do not wait for a node that is away. */
const CHAINS: readonly (readonly Reversal[])[] = [['flows'], ['transfer'], ['machine', 'standby', 'port']];

/** The destination answers within 8 s whether it has refused. */
const REFUSE_TIMEOUT_MS = 10_000;

export class MigrationReversal {
  readonly #cluster: Cluster;
  readonly #journal: MigrationJournal;
  readonly #log: Log;
  readonly #underWay = new Map<string, Promise<void>>();

  constructor(options: { cluster: Cluster; journal: MigrationJournal; log: Log }) {
    this.#cluster = options.cluster;
    this.#journal = options.journal;
    this.#log = options.log;
  }

  /** Ends the migration; what it may have made is in the same record, from before it was made. */
  fail(migration: string, reason: string): Promise<void> {
    return this.#journal.step(migration, 'failed', reason);
  }

  /** Tries once, all of it; what is left stays in the journal. Never rejects. */
  async tryOnce(migration: string): Promise<void> {
    const running = this.#underWay.get(migration) ?? this.#pass(migration);
    this.#underWay.set(migration, running);
    await running;
    this.#underWay.delete(migration);
  }

  /** Tries what is left of all of them. */
  async tidy(): Promise<void> {
    await Promise.all(this.#journal.leftovers().map(({ migration }) => this.tryOnce(migration)));
  }

  async #pass(migration: string): Promise<void> {
    await Promise.all(CHAINS.map((chain) => this.#chain(migration, chain)));
    const record = this.#journal.find(migration);
    if (record !== undefined && record.toUndo.length > 0) {
      this.#log.warn({ migration, vm: record.vm, node: record.to, left: record.toUndo }, 'not all is taken back yet');
    }
  }

  async #chain(migration: string, chain: readonly Reversal[]): Promise<void> {
    for (const reversal of chain) {
      const record = this.#journal.find(migration);
      if (!record?.toUndo.includes(reversal)) continue;
      if (chain.length > 1 && !this.#cluster.isUp(record.to)) return;
      if (!(await this.#tryOne(record, reversal))) return;
    }
  }

  async #tryOne(record: MigrationRecord, reversal: Reversal): Promise<boolean> {
    const { migration } = record;
    try {
      if (!(await this.#takeBack(record, reversal))) return false;
      await this.#journal.change(migration, (before) => ({
        ...before,
        toUndo: before.toUndo.filter((one) => one !== reversal),
      }));
      return true;
    } catch (error) {
      this.#log.warn({ migration, reversal, reason: messageOf(error) }, 'it will be tried again');
      return false;
    }
  }

  /** Each of them may be repeated, and is no error where nothing was made. False: not yet. */
  async #takeBack(record: MigrationRecord, reversal: Reversal): Promise<boolean> {
    const { migration, vm, to } = record;
    const { catalogue, sdnd } = this.#cluster.controller;
    const { blockd, switchAgent } = this.#cluster.clients(to);
    switch (reversal) {
      case 'transfer':
        await catalogue.call('transfer.finish', { migration, moved: false, closings: [] }).catch(neverBegun);
        return true;
      case 'flows':
        await sdnd.call('migration.cancel', { migration });
        return true;
      case 'machine':
        return this.#endMachine(record);
      case 'standby':
        await blockd.call('standby.cancel', { migration });
        return true;
      case 'port':
        await switchAgent.call('port.detach', { owner: vm });
        return true;
    }
  }

  /** The machine that waits there has its memory and its port; it ends with the refusal. */
  async #endMachine({ migration, to, reason }: MigrationRecord): Promise<boolean> {
    const { hypervisor } = this.#cluster.clients(to);
    const options = { timeoutMs: REFUSE_TIMEOUT_MS };
    const { decision } = await hypervisor.call('hold.refuse', { migration, reason }, options);
    if (decision === 'started') {
      this.#log.fatal({ migration, node: to }, 'the source refused, and the destination says that it has started');
    }
    return decision === 'refused';
  }
}

/** The catalogue knows no transfer of that name: none was begun. */
function neverBegun(error: unknown): void {
  if (codeOf(error) !== 'NO_TRANSFER') throw error;
}
