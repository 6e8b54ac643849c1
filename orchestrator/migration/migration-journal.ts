// The journals of migrations: each step is written before it is taken, and whoever follows one is told. Changes of one
// record are made one after the other; this room decides nothing.
import type { Clock } from '../../common/clock.ts';
import { OperationError } from '../../common/errors.ts';
import type { MigrationState, MigrationStep, StepTime } from '../../wire/contracts/cluster-state.ts';
import type { MigrationRecord, State } from '../state.ts';
import { Turn } from '../turn.ts';

export type Watcher = (state: MigrationState) => void;

/** Journals of ended migrations that are kept per VM, for `vm show`. */
const KEEP_ENDED = 8;

const ENDED: readonly MigrationStep[] = ['moved', 'failed'];
const BEFORE_MEMORY: readonly MigrationStep[] = ['precheck', 'transfer', 'prepare', 'incoming', 'ahead'];

/** Nothing follows any more but what is left to be taken back. */
export function isEnded({ step }: MigrationState): boolean {
  return ENDED.includes(step);
}

/** The source was not told to send yet, so nothing can have been released. From the memory on only a record says. */
export function isBeforeMemory({ step }: MigrationState): boolean {
  return BEFORE_MEMORY.includes(step);
}

export class MigrationJournal {
  readonly #state: State;
  readonly #clock: Clock;
  readonly #turn = new Turn();
  readonly #watchers = new Map<string, Set<Watcher>>();
  /** Of migrations that this process has in hand: a figure of one step must not be lost to another's writing. */
  readonly #times = new Map<string, StepTime[]>();

  constructor(options: { state: State; clock: Clock }) {
    this.#state = options.state;
    this.#clock = options.clock;
  }

  find(migration: string): MigrationRecord | undefined {
    return this.#state.get('migrations', migration);
  }

  /** @throws OperationError MIGRATION_UNKNOWN */
  get(migration: string): MigrationRecord {
    const record = this.find(migration);
    if (record !== undefined) return record;
    throw new OperationError('MIGRATION_UNKNOWN', `there is no migration ${migration}`);
  }

  running(vm: string): MigrationRecord | undefined {
    return this.unfinished().find((record) => record.vm === vm);
  }

  unfinished(): MigrationRecord[] {
    return this.#state.all('migrations').filter((record) => !isEnded(record));
  }

  /** Those that failed and of which something is still to be taken back. */
  leftovers(): MigrationRecord[] {
    return this.#state.all('migrations').filter((record) => isEnded(record) && record.toUndo.length > 0);
  }

  /** Writes the first record. */
  begin(record: MigrationRecord): Promise<void> {
    return this.#state.put('migrations', record.migration, record);
  }

  step(
    migration: string,
    step: MigrationStep,
    reason = '',
    more: (before: MigrationRecord) => Partial<MigrationRecord> = () => ({}),
  ): Promise<void> {
    return this.change(migration, (record) => ({
      ...record,
      ...more(record),
      step,
      reason,
      totalMs: this.#clock.wallMs() - record.startedAtMs,
    }));
  }

  /** Does a piece of a migration's work and notes how long it took, however it ends. */
  async timed<T>(migration: string, step: string, work: () => Promise<T>): Promise<T> {
    const begunMs = this.#clock.wallMs();
    try {
      return await work();
    } finally {
      this.note(migration, step, begunMs, this.#clock.wallMs() - begunMs);
    }
  }

  /** Notes how long a step took; written with whatever is written next. */
  note(migration: string, step: string, begunMs: number, tookMs: number): void {
    const record = this.find(migration);
    if (record === undefined) return;
    const times = this.#times.get(migration) ?? [...record.stepTimes];
    const time = { step, atMs: begunMs - record.startedAtMs, tookMs };
    this.#times.set(migration, [...times, time]);
    this.show(migration, (before) => before);
  }

  /** Writes what becomes of a record; an unchanged one is not written. */
  change(migration: string, changed: (record: MigrationRecord) => MigrationRecord): Promise<void> {
    return this.#turn.take(async () => {
      const before = this.get(migration);
      const record = changed(before);
      if (record === before) return;
      await this.#state.put('migrations', migration, this.#withTimes(record));
      // What was noted meanwhile is not in what was written.
      this.show(migration, (written) => written);
      if (isEnded(record)) this.#times.delete(migration);
    });
  }

  /** Shows figures, which need not survive a crash; those of a forgotten migration are dropped. */
  show(migration: string, changed: (record: MigrationRecord) => MigrationRecord): void {
    const before = this.find(migration);
    if (before === undefined) return;
    const record = this.#withTimes(changed(before));
    this.#state.show('migrations', migration, record);
    this.#tell(record);
  }

  #withTimes(record: MigrationRecord): MigrationRecord {
    const stepTimes = this.#times.get(record.migration);
    return stepTimes === undefined ? record : { ...record, stepTimes };
  }

  /** Calls back with each change until the answer is called. */
  watch(migration: string, watcher: Watcher): () => void {
    const watchers = this.#watchers.get(migration) ?? new Set();
    this.#watchers.set(migration, watchers.add(watcher));
    return () => {
      watchers.delete(watcher);
      if (watchers.size === 0) this.#watchers.delete(migration);
    };
  }

  #tell(record: MigrationRecord): void {
    for (const watcher of this.#watchers.get(record.migration) ?? []) watcher(record);
  }

  /** Resolves when nothing can turn the migration any more, or after the time given. */
  async decidedWithin(migration: string, waitMs: number): Promise<void> {
    const isOver = (record: MigrationState): boolean => isEnded(record) || record.step === 'complete';
    const { promise, resolve } = Promise.withResolvers<void>();
    const unwatch = this.watch(migration, (record) => isOver(record) && resolve());
    const timer = this.#clock.setTimer(waitMs, resolve);
    if (!isOver(this.get(migration))) await promise;
    timer.cancel();
    unwatch();
  }

  /** Drops all but the newest ended ones; what is left to be taken back is not forgotten. */
  async forgetOld(vm: string, keep = KEEP_ENDED): Promise<void> {
    const ended = this.#state
      .all('migrations')
      .filter((record) => record.vm === vm && isEnded(record) && record.toUndo.length === 0)
      .sort((a, b) => b.startedAtMs - a.startedAtMs);
    for (const { migration } of ended.slice(keep)) await this.#state.remove('migrations', migration);
  }
}
