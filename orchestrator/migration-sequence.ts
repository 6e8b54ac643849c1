// The steps of a migration up to its memory (ARCHITECTURE, "A migration, step by step"). It only goes forward: what
// becomes of a step that failed, and how the migration ends, is decided elsewhere.
import type { Clock } from '../common/clock.ts';
import { codeOf, OperationError } from '../common/errors.ts';
import type { Head } from '../wire/contracts/catalogue.ts';
import type { MachineSpec, Outcome } from '../wire/contracts/hypervisor.ts';
import type { Cluster } from './cluster.ts';
import { memoryFigures } from './migration-figures.ts';
import type { MigrationFollower } from './migration-follower.ts';
import type { MigrationJournal } from './migration-journal.ts';
import type { Patience } from './patience.ts';
import type { MigrationRecord } from './state.ts';

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
  readonly #patience: Patience;
  readonly #clock: Clock;

  constructor(options: {
    cluster: Cluster;
    journal: MigrationJournal;
    follower: MigrationFollower;
    patience: Patience;
    clock: Clock;
  }) {
    this.#cluster = options.cluster;
    this.#journal = options.journal;
    this.#follower = options.follower;
    this.#patience = options.patience;
    this.#clock = options.clock;
  }

  /** Makes everything ready at the destination; the signal gives it up between and within the steps. */
  async prepare(record: MigrationRecord, spec: MachineSpec, signal: AbortSignal): Promise<void> {
    const heads = await this.#transfer(record, spec, signal);
    const port = await this.#network(record, spec, signal);
    const sockets = await this.#standby(record, heads, signal);
    await this.#begin(record, 'incoming', signal);
    const { term, migration, epoch, from, to } = record;
    const source = this.#cluster.endpoint(from);
    const params = { term, migration, epoch, spec, sockets, port, source, deadlineMs: DEADLINE_MS };
    const { hypervisor } = this.#cluster.clients(to);
    await this.#whenCleared(signal, () => hypervisor.call('migration.incoming', params, { signal }));
    signal.throwIfAborted();
  }

  async #begin({ migration }: MigrationRecord, step: MigrationRecord['step'], signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await this.#journal.step(migration, step);
    signal.throwIfAborted();
  }

  async #transfer(record: MigrationRecord, spec: MachineSpec, signal: AbortSignal): Promise<Head[]> {
    const { migration, from, to, vm } = record;
    await this.#whenCleared(signal, () => this.#refuseIfThere(vm, to, signal));
    const images = spec.disks.map(({ image }) => image);
    await this.#follower.begin(migration, to, images);
    await this.#begin(record, 'transfer', signal);
    const order = { migration, images, from, to };
    return (await this.#cluster.controller.catalogue.call('transfer.begin', order, { signal })).heads;
  }

  async #network(record: MigrationRecord, spec: MachineSpec, signal: AbortSignal): Promise<string> {
    const { migration, vm, to, epoch } = record;
    const { mac, ip } = spec;
    await this.#begin(record, 'prepare', signal);
    const { port } = await this.#cluster.clients(to).switchAgent.call('port.attach', { owner: vm, mac }, { signal });
    await this.#journal.change(migration, (before) => ({ ...before, port }));
    const binding = { owner: vm, mac, ip, node: to, port, epoch };
    await this.#cluster.controller.sdnd.call('migration.prepare', { migration, to: binding }, { signal });
    return port;
  }

  async #standby(record: MigrationRecord, heads: readonly Head[], signal: AbortSignal): Promise<string[]> {
    const { migration, to } = record;
    await this.#begin(record, 'standby', signal);
    const from = this.#cluster.endpoint(record.from);
    const { blockd } = this.#cluster.clients(to);
    const sockets: string[] = [];
    for (const { image, bytes, transfer, epoch: own } of heads) {
      const params = { migration, image, bytes, epoch: transfer?.epoch ?? own, from };
      sockets.push((await blockd.call('standby.start', params, { signal })).socket);
    }
    return sockets;
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
    await this.#begin(record, 'memory', signal);
    // From here on the source is asked to give up: a call that nobody waits for would go on all the same.
    return this.#cluster.clients(from).hypervisor.call('migration.outgoing', params, {
      onProgress: (progress) =>
        this.#journal.show(migration, (before) => memoryFigures(before, progress, this.#clock.wallMs())),
    });
  }
}

function isClearing(error: unknown): boolean {
  const code = codeOf(error);
  return code === 'ALREADY_MOVING' || code === 'STILL_THERE';
}
