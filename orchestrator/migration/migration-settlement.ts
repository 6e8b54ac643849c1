// Finds out how a migration ended whose answer was lost, and carries news between its two ends meanwhile. It never
// takes silence, a failure or the orchestrator's own end for an answer: only a record of one of the two is one.
import type { Clock } from '../../common/clock.ts';
import { messageOf } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { Closing } from '../../wire/contracts/blockd.ts';
import type { Decision, Outcome } from '../../wire/contracts/hypervisor.ts';
import type { Cluster, NodeDaemons } from '../cluster.ts';
import type { Patience } from '../patience.ts';
import type { MigrationRecord, State } from '../state.ts';
import { isEnded, type MigrationJournal } from './migration-journal.ts';

/** How often the two ends are asked. */
const SETTLE_INTERVAL_MS = 1_000;
/** A person hears of a migration that nobody decides within this (PROMISES C3). */
const UNDECIDED_AFTER_MS = 5_000;
/**
 * A destination that was told of the release has recorded something by its own deadline, 10 s; one that knows of none
 * by now, with a source that nobody reaches, waits for nothing.
 */
const SILENT_SOURCE_MS = 15_000;

type Hypervisor = NodeDaemons['hypervisor'];

/** What one end's record says. */
interface Told {
  readonly decision: Decision;
  readonly closings: readonly Closing[];
}

export class MigrationSettlement {
  readonly #state: Pick<State, 'term'>;
  readonly #cluster: Cluster;
  readonly #journal: MigrationJournal;
  readonly #patience: Patience;
  readonly #clock: Clock;
  readonly #log: Log;

  constructor(options: {
    state: Pick<State, 'term'>;
    cluster: Cluster;
    journal: MigrationJournal;
    patience: Patience;
    clock: Clock;
    log: Log;
  }) {
    this.#state = options.state;
    this.#cluster = options.cluster;
    this.#journal = options.journal;
    this.#patience = options.patience;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /** Resolves when one end shows a record, however long that takes. @throws OperationError STOPPING */
  async settle(migration: string, reason: string): Promise<Outcome> {
    const startedMs = this.#clock.nowMs();
    const timer = this.#clock.setTimer(UNDECIDED_AFTER_MS, () => void this.#tellUndecided(migration, reason));
    try {
      for (;;) {
        const { decision, closings } = await this.#look(migration, reason, this.#clock.nowMs() - startedMs);
        this.#patience.throwIfStopping();
        if (decision === 'started') return outcomeOf(decision, '', closings);
        if (decision === 'refused') return outcomeOf(decision, reason);
        await this.#patience.pause(SETTLE_INTERVAL_MS);
      }
    } finally {
      timer.cancel();
    }
  }

  async #tellUndecided(migration: string, reason: string): Promise<void> {
    if (this.#patience.isStopping) return;
    try {
      await this.#journal.change(migration, (record) => {
        if (isEnded(record) || record.step === 'complete' || record.step === 'undecided') return record;
        return { ...record, step: 'undecided', reason: `${reason}; waiting for the destination's record` };
      });
    } catch (error) {
      this.#log.error({ err: error, migration }, 'the journal does not say that it is undecided');
    }
  }

  /** Asks both ends and tells each what the other knows, since they may be cut off from one another. */
  async #look(migration: string, reason: string, waitedMs: number): Promise<Told> {
    const record = this.#journal.get(migration);
    const source = this.#cluster.clients(record.from).hypervisor;
    const destination = this.#cluster.clients(record.to).hypervisor;
    const [there, here] = await Promise.all([
      this.#ask(destination, migration, record.to),
      this.#ask(source, migration, record.from),
    ]);
    const closings = here?.closings.length ? here.closings : (there?.closings ?? []);
    if (there !== undefined && there.decision !== 'undecided') {
      const { decision } = there;
      await this.#tell(migration, 'the source', () => source.call('hold.decided', { migration, decision }));
      return { decision, closings };
    }
    if (here === undefined) {
      if (waitedMs >= SILENT_SOURCE_MS) await this.#refuse(destination, migration, reason);
      return { decision: 'undecided', closings };
    }
    if (here.decision !== 'undecided') return { decision: here.decision, closings };
    return this.#carry(record, here, reason);
  }

  /** The source has released: the destination may start. It has not: it alone decides, and is told to give up. */
  async #carry({ migration, from, to }: MigrationRecord, here: Told, reason: string): Promise<Told> {
    const source = this.#cluster.clients(from).hypervisor;
    const destination = this.#cluster.clients(to).hypervisor;
    const closings = [...here.closings];
    if (closings.length > 0) {
      await this.#tell(migration, 'the destination', () => destination.call('hold.released', { migration, closings }));
      return { decision: 'undecided', closings };
    }
    const { term } = this.#state;
    const [given] = await Promise.all([
      this.#tell(migration, 'the source', () => source.call('migration.abort', { migration, term, reason })),
      this.#refuse(destination, migration, reason),
    ]);
    return { decision: given?.decision ?? 'undecided', closings };
  }

  async #refuse(destination: Hypervisor, migration: string, reason: string): Promise<void> {
    await this.#tell(migration, 'the destination', () => destination.call('hold.refuse', { migration, reason }));
  }

  #ask(end: Hypervisor, migration: string, node: string): Promise<Told | undefined> {
    return this.#tell(migration, node, () => end.call('migration.record', { migration }));
  }

  async #tell<T>(migration: string, whom: string, call: () => Promise<T>): Promise<T | undefined> {
    try {
      return await call();
    } catch (error) {
      this.#log.info({ migration, whom, reason: messageOf(error) }, 'not reached');
      return undefined;
    }
  }

  /** How the disks closed at the source. @throws Error while neither end can say */
  async closings(migration: string): Promise<Closing[]> {
    const { from, to } = this.#journal.get(migration);
    for (const node of [from, to]) {
      const told = await this.#ask(this.#cluster.clients(node).hypervisor, migration, node);
      if (told !== undefined && told.closings.length > 0) return [...told.closings];
    }
    throw new Error(`how the disks were closed is known at ${from} and ${to}, and neither says`);
  }
}

/** An end without the figures that only the source's own answer has. */
export function outcomeOf(decision: Decision, reason: string, closings: readonly Closing[] = []): Outcome {
  return { decision, reason, closings: [...closings], memoryBytes: 0, streamMs: 0, holdMs: 0, steps: [] };
}
