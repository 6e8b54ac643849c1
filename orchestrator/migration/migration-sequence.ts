// The steps of a migration up to its memory (ARCHITECTURE, "A migration, step by step"). It only goes forward: what
// becomes of a step that failed, and how the migration ends, is decided elsewhere.
import type { Clock } from '../../common/clock.ts';
import { codeOf, messageOf, OperationError } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { Head } from '../../wire/contracts/catalogue.ts';
import type { MachineSpec, Outcome } from '../../wire/contracts/hypervisor.ts';
import type { Cluster } from '../cluster.ts';
import type { StoreWatch } from '../images/store-watch.ts';
import type { Patience } from '../patience.ts';
import { sideBySide } from '../side-by-side.ts';
import type { MigrationRecord, Reversal } from '../state.ts';
import { memoryFigures } from './migration-figures.ts';
import type { MigrationFollower } from './migration-follower.ts';
import type { MigrationJournal } from './migration-journal.ts';
import { leadMsOf, pushAhead } from './push-ahead.ts';
import { SwitchSessions } from './switch-sessions.ts';

/** How long the destination waits for everything after the release before it refuses (SOUNDNESS B1). */
const DEADLINE_MS = 10_000;
/** The last pass over the memory may take this long at the measured rate; the rest of the hold is round trips. */
const DOWNTIME_LIMIT_MS = 50;
/** The lab's link is 200 Mbit/s; a tenth is left to the guest, the calls and the version entries. */
const MAX_BANDWIDTH_BYTES_PER_SECOND = 22_500_000;
/** What is left of an earlier migration at the destination is gone within this: a machine's end, a daemon's restart. */
const CLEARING_MS = 12_000;
/** How often it is looked for. */
const CLEARING_INTERVAL_MS = 500;

export interface MigrationOptions {
  readonly maxBandwidthBytesPerSecond?: number | undefined;
  readonly downtimeLimitMs?: number | undefined;
}

export class MigrationSequence {
  readonly #cluster: Cluster;
  readonly #journal: MigrationJournal;
  readonly #follower: MigrationFollower;
  readonly #stores: Pick<StoreWatch, 'check'>;
  readonly #switches: SwitchSessions;
  readonly #patience: Patience;
  readonly #clock: Clock;
  readonly #log: Log;

  constructor(options: {
    cluster: Cluster;
    journal: MigrationJournal;
    follower: MigrationFollower;
    stores: Pick<StoreWatch, 'check'>;
    patience: Patience;
    clock: Clock;
    log: Log;
  }) {
    this.#cluster = options.cluster;
    this.#journal = options.journal;
    this.#follower = options.follower;
    this.#stores = options.stores;
    this.#switches = new SwitchSessions(options);
    this.#patience = options.patience;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /** Makes everything ready at the destination; the signal gives it up between and within the steps. */
  async prepare(record: MigrationRecord, spec: MachineSpec, signal: AbortSignal): Promise<void> {
    const { migration, from, to, vm } = record;
    const images = spec.disks.map(({ image }) => image);
    void this.#warm(record);
    await this.#timed(record, 'precheck', () =>
      sideBySide(signal, (side) => [
        this.#whenCleared(side, () => this.#refuseIfThere(vm, to, side)),
        this.#follower.begin(migration, to, images, side),
        // The catalogue, which begins the transfer next, refuses what a store that was put back leaves in doubt.
        this.#stores.check([from, to], { signal: side }),
        this.#switches.check(record, side),
      ]),
    );
    await this.#begin(record, 'transfer', ['transfer'], signal);
    const order = { migration, images, from, to };
    const { catalogue } = this.#cluster.controller;
    const { heads } = await this.#timed(record, 'transfer', () => catalogue.call('transfer.begin', order, { signal }));
    await this.#makeReady(record, spec, heads, signal);
    await this.#pushAhead(record, heads, signal);
  }

  /** The blocks of those images whose policy has the memory wait for them. */
  async #pushAhead(record: MigrationRecord, heads: readonly Head[], signal: AbortSignal): Promise<void> {
    const leading = heads.filter((head) => leadMsOf(head) > 0);
    if (leading.length === 0) return;
    await this.#begin(record, 'ahead', [], signal);
    const { blockd } = this.#cluster.clients(record.from);
    await this.#timed(record, 'ahead', async () => {
      await Promise.all(leading.map((head) => pushAhead(head, record.to, { blockd, log: this.#log, signal })));
    });
  }

  /** What the memory will need at the source, while the destination makes ready. Its failure is no news. */
  async #warm({ migration, from, to }: MigrationRecord): Promise<void> {
    try {
      const destination = this.#cluster.endpoint(to);
      await this.#cluster.clients(from).hypervisor.call('migration.warm', { migration, destination });
    } catch (error) {
      this.#log.info({ migration, reason: messageOf(error) }, 'the source connects later');
    }
  }

  /** Port and stores know nothing of each other; the machine needs both, but no switch's flows and no whole table. */
  async #makeReady(
    record: MigrationRecord,
    spec: MachineSpec,
    heads: readonly Head[],
    signal: AbortSignal,
  ): Promise<void> {
    await this.#begin(record, 'prepare', ['port', 'standby'], signal);
    await sideBySide(signal, (side) => {
      const port = this.#attachPort(record, spec, side);
      const sockets = this.#standBy(record, heads, side);
      return [
        port.then((name) => this.#tellSwitches(record, spec, name, side)),
        sockets.then(() => this.#tables(record, side)),
        Promise.all([port, sockets]).then((made) => this.#machine(record, spec, made, side)),
      ];
    });
    signal.throwIfAborted();
  }

  #timed<T>({ migration }: MigrationRecord, step: string, work: () => Promise<T>): Promise<T> {
    return this.#journal.timed(migration, step, work);
  }

  /** Writes what is about to be done, and what will have to be taken back then. */
  async #begin(
    { migration }: MigrationRecord,
    step: MigrationRecord['step'],
    toUndo: readonly Reversal[],
    signal: AbortSignal,
  ): Promise<void> {
    signal.throwIfAborted();
    await this.#journal.step(migration, step, '', (before) => ({ toUndo: [...before.toUndo, ...toUndo] }));
    signal.throwIfAborted();
  }

  #attachPort(record: MigrationRecord, { vm, mac }: MachineSpec, signal: AbortSignal): Promise<string> {
    const { switchAgent } = this.#cluster.clients(record.to);
    return this.#timed(record, 'port', async () => {
      return (await switchAgent.call('port.attach', { owner: vm, mac }, { signal })).port;
    });
  }

  async #tellSwitches(record: MigrationRecord, spec: MachineSpec, port: string, signal: AbortSignal): Promise<void> {
    const { migration, vm, to, epoch } = record;
    const { mac, ip } = spec;
    signal.throwIfAborted();
    await this.#journal.change(migration, (before) => ({ ...before, port, toUndo: [...before.toUndo, 'flows'] }));
    signal.throwIfAborted();
    const binding = { owner: vm, mac, ip, node: to, port, epoch };
    const { sdnd } = this.#cluster.controller;
    await this.#timed(record, 'switches', () => sdnd.call('migration.prepare', { migration, to: binding }, { signal }));
  }

  #standBy(record: MigrationRecord, heads: readonly Head[], signal: AbortSignal): Promise<string[]> {
    const { migration, to } = record;
    const from = this.#cluster.endpoint(record.from);
    const { blockd } = this.#cluster.clients(to);
    const sockets: string[] = [];
    return this.#timed(record, 'standby', async () => {
      await sideBySide(signal, (side) =>
        heads.map(async ({ image, bytes, stack, transfer, epoch: own, propagation }, disk) => {
          const along = propagation === undefined ? {} : { propagation };
          const params = { migration, image, bytes, stack, epoch: transfer?.epoch ?? own, from, ...along };
          sockets[disk] = (await blockd.call('standby.start', params, { signal: side })).socket;
        }),
      );
      return sockets;
    });
  }

  async #tables(record: MigrationRecord, signal: AbortSignal): Promise<void> {
    const { migration, to } = record;
    const { blockd } = this.#cluster.clients(to);
    signal.throwIfAborted();
    await this.#timed(record, 'tables', () => blockd.call('standby.ready', { migration }, { signal }));
  }

  async #machine(
    record: MigrationRecord,
    spec: MachineSpec,
    [port, sockets]: readonly [string, string[]],
    signal: AbortSignal,
  ): Promise<void> {
    await this.#begin(record, 'incoming', ['machine'], signal);
    const { term, migration, epoch, from, to } = record;
    const source = this.#cluster.endpoint(from);
    const params = { term, migration, epoch, spec, sockets, port, source, deadlineMs: DEADLINE_MS };
    const { hypervisor } = this.#cluster.clients(to);
    const order = (): Promise<unknown> => hypervisor.call('migration.incoming', params, { signal });
    await this.#timed(record, 'machine', () => this.#whenCleared(signal, order));
  }

  /** What an earlier migration left there is on its way out: its source's machine, its refused destination's port. */
  async #whenCleared<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const untilMs = this.#clock.nowMs() + CLEARING_MS;
    for (;;) {
      signal.throwIfAborted();
      try {
        return await work();
      } catch (error) {
        if (!isClearing(error) || this.#clock.nowMs() >= untilMs) throw error;
      }
      await this.#patience.pause(CLEARING_INTERVAL_MS);
    }
  }

  /** Its port would be taken away under the new machine, and its disks are not free. */
  async #refuseIfThere(vm: string, node: string, signal: AbortSignal): Promise<void> {
    const { machines } = await this.#cluster.clients(node).hypervisor.call('machine.list', {}, { signal });
    const machine = machines.find((one) => one.vm === vm);
    if (machine === undefined) return;
    throw new OperationError('STILL_THERE', `node ${node} still has a machine of VM ${vm} (${machine.state})`, {
      remedy: 'it is being taken away; try again in some seconds',
    });
  }

  /** Has the source send the memory, and answers what it says of the end; `undecided` when it heard nothing. */
  async send(record: MigrationRecord, options: MigrationOptions, signal: AbortSignal): Promise<Outcome> {
    const { migration, term, vm, from, to } = record;
    const params = {
      ...{ term, migration, vm },
      destination: this.#cluster.endpoint(to),
      maxBandwidthBytesPerSecond: options.maxBandwidthBytesPerSecond ?? MAX_BANDWIDTH_BYTES_PER_SECOND,
      downtimeLimitMs: options.downtimeLimitMs ?? DOWNTIME_LIMIT_MS,
    };
    await this.#begin(record, 'memory', [], signal);
    const begunMs = this.#clock.wallMs();
    // From here on the source is asked to give up: a call that nobody waits for would go on all the same.
    const outcome = await this.#cluster.clients(from).hypervisor.call('migration.outgoing', params, {
      onProgress: (progress) =>
        this.#journal.show(migration, (before) => memoryFigures(before, progress, this.#clock.wallMs())),
    });
    this.#note(migration, begunMs, outcome);
    return outcome;
  }

  /** By the source's word on how long its parts took, and this clock on when they began and ended. */
  #note(migration: string, begunMs: number, { streamMs, holdMs }: Outcome): void {
    const heldMs = this.#clock.wallMs() - holdMs;
    this.#journal.note(migration, 'stream', begunMs, streamMs);
    this.#journal.note(migration, 'memory', begunMs + streamMs, heldMs - begunMs - streamMs);
    if (holdMs > 0) this.#journal.note(migration, 'hold', heldMs, holdMs);
  }
}

function isClearing(error: unknown): boolean {
  const code = codeOf(error);
  return code === 'ALREADY_MOVING' || code === 'STILL_THERE';
}
