// The sequence of a migration (ARCHITECTURE, "A migration, step by step"): each step is journalled before it is taken.
// It never decides how a migration ends: that is the destination's single record, which this asks for and follows.
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../common/clock.ts';
import { OperationError } from '../common/errors.ts';
import type { Log } from '../common/log.ts';
import type { Closing } from '../wire/contracts/blockd.ts';
import type { Decision, Outcome } from '../wire/contracts/hypervisor.ts';
import type { MigrationState, MigrationStep } from '../wire/contracts/orchestrator.ts';
import type { Images } from './images.ts';
import type { Members } from './members.ts';
import { type Baseline, baselineOf, memoryFigures, storageFigures } from './migration-figures.ts';
import { precheckMigration } from './precheck.ts';
import type { MigrationRecord, State, VmRecord } from './state.ts';
import { Undo } from './undo.ts';
import type { Vms } from './vms.ts';

/** How long the destination waits for everything after the release before it refuses (SOUNDNESS B1). */
const DEADLINE_MS = 10_000;
/** The last pass over the memory may take this long at the measured rate; the rest of the hold is round trips. */
const DOWNTIME_LIMIT_MS = 50;
/** The lab's link is 200 Mbit/s; a tenth is left to the guest, the calls and the version entries. */
const MAX_BANDWIDTH_BYTES_PER_SECOND = 22_500_000;
/** How often the two ends are asked for their records when the answer got lost. */
const SETTLE_INTERVAL_MS = 1_000;
/** A person hears of a migration that nobody decides within this (PROMISES C3). */
const UNDECIDED_AFTER_MS = 5_000;
/** How often figures are read while they are followed: one small call. */
const FOLLOW_INTERVAL_MS = 250;
/** Figures are followed this long after the move: the span over which PEERS counts a migration's bytes. */
const FOLLOW_MS = 60_000;
/** Journals of ended migrations that are kept per VM, for `vm show`. */
const KEEP_ENDED = 8;

export interface MigrationOptions {
  readonly maxBandwidthBytesPerSecond?: number | undefined;
  readonly downtimeLimitMs?: number | undefined;
}

type Watcher = (state: MigrationState) => void;

const ENDED: readonly MigrationStep[] = ['moved', 'failed'];

export class Migrations {
  readonly #state: State;
  readonly #members: Members;
  readonly #images: Images;
  readonly #vms: Vms;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #stopping: AbortSignal;

  constructor(options: {
    state: State;
    members: Members;
    images: Images;
    vms: Vms;
    clock: Clock;
    log: Log;
    stopping: AbortSignal;
  }) {
    this.#state = options.state;
    this.#members = options.members;
    this.#images = options.images;
    this.#vms = options.vms;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#stopping = options.stopping;
  }

  #running(vm: string): MigrationRecord | undefined {
    return this.#state.all('migrations').find((record) => record.vm === vm && !ENDED.includes(record.step));
  }

  /** Moves a VM and answers when it runs at the destination; any failure leaves it running where it was. */
  async migrate(vm: string, to: string, options: MigrationOptions, watch: Watcher): Promise<MigrationState> {
    const record = await this.#order(vm, to);
    const undo = new Undo(this.#log);
    const baselines = new Map<string, Baseline>();
    let outcome: Outcome;
    try {
      await this.#prepare(record, undo, baselines, watch);
      outcome = await this.#send(record, options, watch);
      if (outcome.decision === 'undecided') outcome = await this.#settle(record.migration, outcome.reason, watch);
    } catch (error) {
      outcome = await this.#outcomeAfter(record.migration, error, watch);
    }
    return this.#end(record.migration, outcome, undo, baselines, watch);
  }

  /** Checks the order and writes the journal's first record. */
  async #order(vm: string, to: string): Promise<MigrationRecord> {
    const before = this.#vms.record(vm);
    const target = this.#members.upNodeOf(to);
    const running = this.#running(vm);
    if (running !== undefined) {
      throw new OperationError('ALREADY_MIGRATING', `VM ${vm} is on its way from ${running.from} to ${running.to}`, {
        remedy: `wait for it, or stop it with 'supercloud migrate ${vm} --cancel'`,
      });
    }
    if (before.phase !== 'settled') throw new OperationError('VM_BUSY', `VM ${vm} is ${before.phase}`);
    precheckMigration(before, this.#members.upNodeOf(before.node), target, this.#state.all('vms'));
    // An epoch that was offered once is never offered again, also when that migration came to nothing.
    const offered = before.offeredEpoch + 1;
    await this.#state.put('vms', vm, { ...before, offeredEpoch: offered });
    const record = newRecord(before, target.node, offered, this.#state.term, this.#clock.wallMs());
    await this.#state.put('migrations', record.migration, record);
    return record;
  }

  /** The steps before the memory moves; each is undone if a later one fails. */
  async #prepare(record: MigrationRecord, undo: Undo, baselines: Map<string, Baseline>, watch: Watcher): Promise<void> {
    const { migration, vm, from, to } = record;
    const { spec } = this.#vms.record(vm);
    const { catalogue, sdnd } = this.#members.controller;
    const target = this.#members.clients(to);

    await this.#step(migration, 'transfer', watch);
    const images = spec.disks.map(({ image }) => image);
    await this.#rememberCounters(to, images, baselines);
    undo.add('the transfer', () => catalogue.call('transfer.finish', { migration, moved: false, closings: [] }));
    const { heads } = await catalogue.call('transfer.begin', { migration, images, from, to });

    await this.#step(migration, 'prepare', watch);
    undo.add('the port', () => target.switchAgent.call('port.detach', { owner: vm }));
    const { port } = await target.switchAgent.call('port.attach', { owner: vm, mac: spec.mac });
    await this.#state.put('migrations', migration, { ...this.#journal(migration), port });
    const binding = { owner: vm, mac: spec.mac, ip: spec.ip, node: to, port, epoch: record.epoch };
    undo.add('the flows', () => sdnd.call('migration.cancel', { migration }));
    await sdnd.call('migration.prepare', { migration, to: binding });

    await this.#step(migration, 'standby', watch);
    undo.add('the stand-by', () => target.blockd.call('standby.cancel', { migration }));
    const sockets: string[] = [];
    for (const head of heads) {
      const { image, bytes } = head;
      const epoch = head.transfer?.epoch ?? head.epoch;
      const source = this.#members.endpoint(from);
      sockets.push(
        (await target.blockd.call('standby.start', { migration, image, bytes, epoch, from: source })).socket,
      );
    }

    await this.#step(migration, 'incoming', watch);
    const source = this.#members.endpoint(from);
    const { term, epoch } = record;
    await target.hypervisor.call('migration.incoming', {
      ...{ term, migration, epoch, spec, sockets, port, source },
      deadlineMs: DEADLINE_MS,
    });
  }

  async #rememberCounters(node: string, images: readonly string[], baselines: Map<string, Baseline>): Promise<void> {
    const { images: stores } = await this.#members.clients(node).blockd.call('image.list', {});
    for (const image of images) baselines.set(image, baselineOf(stores.find((store) => store.image === image)));
  }

  #send(record: MigrationRecord, options: MigrationOptions, watch: Watcher): Promise<Outcome> {
    const { migration, term, vm, from, to } = record;
    const params = {
      ...{ term, migration, vm },
      destination: this.#members.endpoint(to),
      maxBandwidthBytesPerSecond: options.maxBandwidthBytesPerSecond ?? MAX_BANDWIDTH_BYTES_PER_SECOND,
      downtimeLimitMs: options.downtimeLimitMs ?? DOWNTIME_LIMIT_MS,
    };
    return this.#step(migration, 'memory', watch).then(() =>
      this.#members.clients(from).hypervisor.call('migration.outgoing', params, {
        onProgress: (progress) => {
          this.#show(memoryFigures(this.#journal(migration), progress, this.#clock.wallMs()), watch);
        },
      }),
    );
  }

  /**
   * A step failed or its answer was lost. Before the memory step nothing was released and the reason is final; after
   * it the two ends are asked until one of them shows a record.
   */
  async #outcomeAfter(migration: string, error: unknown, watch: Watcher): Promise<Outcome> {
    const reason = error instanceof Error ? error.message : String(error);
    if (!(error instanceof OperationError)) this.#log.error({ err: error, migration }, 'migration step failed');
    const { step } = this.#journal(migration);
    if (step !== 'memory' && step !== 'hold') return refused(reason);
    return this.#settle(migration, reason, watch);
  }

  /** Carries news between both ends until the migration is decided; meanwhile the VM is paused, or runs on (B4). */
  async #settle(migration: string, reason: string, watch: Watcher): Promise<Outcome> {
    const startedMs = this.#clock.nowMs();
    for (;;) {
      const { decision, closings } = await this.#carryRecords(migration, reason);
      if (decision === 'started') return { ...refused(''), decision, closings };
      if (decision === 'refused') return refused(reason);
      if (this.#clock.nowMs() - startedMs > UNDECIDED_AFTER_MS && this.#journal(migration).step !== 'undecided') {
        await this.#step(migration, 'undecided', watch, `${reason}; waiting for the destination's record`);
      }
      await sleep(SETTLE_INTERVAL_MS, undefined, { signal: this.#stopping });
    }
  }

  /** What both journals say; each end is told what the other knows, since they may be cut off from one another. */
  async #carryRecords(migration: string, reason: string): Promise<{ decision: Decision; closings: Closing[] }> {
    const { from, to } = this.#journal(migration);
    const source = this.#members.clients(from).hypervisor;
    const destination = this.#members.clients(to).hypervisor;
    const [there, here] = await Promise.allSettled([
      destination.call('migration.record', { migration }),
      source.call('migration.record', { migration }),
    ]);
    const closings = here.status === 'fulfilled' ? here.value.closings : [];
    const told = there.status === 'fulfilled' ? there.value : undefined;
    if (told !== undefined && told.decision !== 'undecided') {
      const { decision } = told;
      const heard = await Promise.allSettled([source.call('hold.decided', { migration, decision })]);
      this.#logFailures(migration, heard);
      return { decision, closings: closings.length > 0 ? closings : told.closings };
    }
    if (here.status === 'rejected') return { decision: 'undecided', closings };
    if (here.value.decision !== 'undecided') return here.value;
    // The source has released: the destination may start. It has not: nothing is lost by refusing.
    const asked = await Promise.allSettled([
      closings.length > 0
        ? destination.call('hold.released', { migration, closings })
        : destination.call('hold.refuse', { migration, reason }),
    ]);
    this.#logFailures(migration, asked);
    return { decision: 'undecided', closings };
  }

  #logFailures(migration: string, outcomes: readonly PromiseSettledResult<unknown>[]): void {
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') this.#log.info({ err: outcome.reason, migration }, 'one end was not reached');
    }
  }

  async #end(
    migration: string,
    outcome: Outcome,
    undo: Undo,
    baselines: ReadonlyMap<string, Baseline>,
    watch: Watcher,
  ): Promise<MigrationState> {
    if (outcome.decision === 'started') return this.#complete(migration, outcome, baselines, watch);
    await undo.run();
    const { vm, from, to } = this.#journal(migration);
    await this.#step(migration, 'failed', watch, outcome.reason);
    await this.#forgetOld(vm);
    throw new OperationError('MIGRATION_FAILED', `VM ${vm} did not move from ${from} to ${to}: ${outcome.reason}`, {
      remedy: this.#members.isUp(from)
        ? `it runs on at ${from}; mend the cause, then order the migration again`
        : `it is at ${from}, which gives no sign of life; nothing restarts it elsewhere until that node is back`,
    });
  }

  /** The destination runs: switches, catalogue and records follow; none of it can turn the migration back. */
  async #complete(
    migration: string,
    outcome: Outcome,
    baselines: ReadonlyMap<string, Baseline>,
    watch: Watcher,
  ): Promise<MigrationState> {
    await this.#step(migration, 'complete', watch);
    const { vm, to, epoch, port } = this.#journal(migration);
    await this.#members.controller.sdnd.call('migration.complete', { migration });
    const closings: Closing[] = outcome.closings;
    await this.#members.controller.catalogue.call('transfer.finish', { migration, moved: true, closings });
    const record = this.#vms.record(vm);
    await this.#state.put('vms', vm, { ...record, node: to, epoch, port });
    const journal = this.#journal(migration);
    const moved: MigrationRecord = {
      ...journal,
      step: 'moved',
      memoryBytes: Math.max(outcome.memoryBytes, journal.memoryBytes),
      remainingBytes: 0,
      holdMs: outcome.holdMs,
      holdSteps: outcome.steps,
      totalMs: this.#clock.wallMs() - journal.startedAtMs,
    };
    await this.#state.put('migrations', migration, moved);
    for (const { image } of record.spec.disks) await this.#images.startPull(image, to);
    const followed = await this.#readStores(migration, record, baselines);
    watch(followed);
    void this.#follow(migration, record, baselines);
    await this.#forgetOld(vm);
    return followed;
  }

  /** Keeps the figures up to date while the destination fetches what it lacks. */
  async #follow(migration: string, vm: VmRecord, baselines: ReadonlyMap<string, Baseline>): Promise<void> {
    const endMs = this.#clock.nowMs() + FOLLOW_MS;
    try {
      while (this.#clock.nowMs() < endMs) {
        await sleep(FOLLOW_INTERVAL_MS, undefined, { signal: this.#stopping });
        // The VM may have moved on, or be gone: then its figures are final.
        if (this.#state.get('migrations', migration)?.to !== this.#state.get('vms', vm.vm)?.node) return;
        await this.#readStores(migration, vm, baselines);
      }
    } catch (error) {
      if (!this.#stopping.aborted) this.#log.warn({ err: error, migration }, 'figures are followed no further');
    }
  }

  async #readStores(
    migration: string,
    vm: VmRecord,
    baselines: ReadonlyMap<string, Baseline>,
  ): Promise<MigrationRecord> {
    const record = this.#journal(migration);
    const { blockd } = this.#members.clients(record.to);
    const stores = await Promise.all(vm.spec.disks.map(({ image }) => blockd.call('image.show', { image })));
    const figures = storageFigures(record, stores, baselines);
    this.#state.show('migrations', migration, figures);
    return figures;
  }

  /** Before the release the source gives up; after it the destination is asked to refuse. Either may be too late. */
  async cancel(vm: string): Promise<void> {
    const record = this.#running(vm);
    if (record === undefined) throw new OperationError('NOT_MIGRATING', `VM ${vm} is not migrating`);
    const { migration, term, from } = record;
    const reason = 'cancelled by the operator';
    const { hypervisor } = this.#members.clients(from);
    const { decision } = await hypervisor.call('migration.abort', { migration, term, reason });
    if (decision === 'started') throw new OperationError('TOO_LATE', `VM ${vm} runs at ${record.to} already`);
  }

  /** After a crash of the orchestrator: every unfinished migration is followed to its end. */
  async recover(): Promise<void> {
    const unfinished = this.#state.all('migrations').filter((record) => !ENDED.includes(record.step));
    await Promise.all(unfinished.map((record) => this.#recoverOne(record)));
  }

  async #recoverOne(record: MigrationRecord): Promise<void> {
    const { migration, vm, to } = record;
    const target = this.#members.clients(to);
    const undo = new Undo(this.#log);
    undo.add('the transfer', () =>
      this.#members.controller.catalogue.call('transfer.finish', { migration, moved: false, closings: [] }),
    );
    undo.add('the port', () => target.switchAgent.call('port.detach', { owner: vm }));
    undo.add('the flows', () => this.#members.controller.sdnd.call('migration.cancel', { migration }));
    undo.add('the stand-by', () => target.blockd.call('standby.cancel', { migration }));
    const nobody: Watcher = () => undefined;
    try {
      const outcome = await this.#settle(migration, 'the controller restarted', nobody);
      await this.#end(migration, outcome, undo, new Map(), nobody);
    } catch (error) {
      this.#log.warn({ err: error, migration }, 'migration ended after a restart');
    }
  }

  #journal(migration: string): MigrationRecord {
    const record = this.#state.get('migrations', migration);
    if (record === undefined) throw new OperationError('MIGRATION_UNKNOWN', `there is no migration ${migration}`);
    return record;
  }

  async #step(migration: string, step: MigrationStep, watch: Watcher, reason = ''): Promise<void> {
    const before = this.#journal(migration);
    const record = { ...before, step, reason, totalMs: this.#clock.wallMs() - before.startedAtMs };
    await this.#state.put('migrations', migration, record);
    watch(record);
  }

  #show(record: MigrationRecord, watch: Watcher): void {
    this.#state.show('migrations', record.migration, record);
    watch(record);
  }

  async #forgetOld(vm: string): Promise<void> {
    const ended = this.#state
      .all('migrations')
      .filter((record) => record.vm === vm && ENDED.includes(record.step))
      .sort((a, b) => b.startedAtMs - a.startedAtMs);
    for (const { migration } of ended.slice(KEEP_ENDED)) await this.#state.remove('migrations', migration);
  }
}

function refused(reason: string): Outcome {
  return { decision: 'refused', reason, closings: [], memoryBytes: 0, holdMs: 0, steps: [] };
}

function newRecord(vm: VmRecord, to: string, epoch: number, term: number, nowMs: number): MigrationRecord {
  return {
    migration: randomBytes(8).toString('hex'),
    ...{ vm: vm.vm, from: vm.node, to, term, epoch, port: '' },
    ...{ step: 'precheck', reason: '', startedAtMs: nowMs, totalMs: 0, holdMs: 0, holdSteps: [] },
    ...{ memoryBytes: 0, remainingBytes: 0, rateBytesPerSecond: 0, entryBytes: 0, blockBytes: 0 },
    ...{ fetchedOnDemandBlocks: 0, dependsOnSourceBlocks: 0 },
  };
}
