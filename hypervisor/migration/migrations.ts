// The migrations of this node, as their source and as their destination, from order to settlement and across restarts
// of the agent. One machine is in one migration at a time.
import type { TLSSocket } from 'node:tls';
import type { Clock } from '../../common/clock.ts';
import { messageOf, OperationError } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { Peer } from '../../common/membership/identity.ts';
import type { Params, Result } from '../../wire/contract.ts';
import type { Decision, hypervisorContract } from '../../wire/contracts/hypervisor.ts';
import type { AgentJournal } from '../agent-journal.ts';
import type { DestinationRecordOf, MachineRecord, SourceRecordOf } from '../agent-records.ts';
import type { Machines } from '../machines.ts';
import type { Neighbours } from '../neighbours.ts';
import { type DestinationRecord, HoldDestination } from './hold-destination.ts';
import { HoldSource } from './hold-source.ts';
import { MigrationDestination } from './migration-destination.ts';
import { MigrationSource } from './migration-source.ts';
import { WarmStreams } from './warm-streams.ts';

/** From the release or the load to a refusal unless the order says otherwise, ms. */
export const DEFAULT_DEADLINE_MS = 10_000;
/** The last pass shall take less than this at the given bandwidth unless the order says otherwise, ms. */
export const DEFAULT_DOWNTIME_LIMIT_MS = 50;
/** 1 Gbit/s, unless the order says otherwise. */
export const DEFAULT_BANDWIDTH_BYTES_PER_SECOND = 125_000_000;
/** A refusal is one process's end and one write away; whoever asked for it waits so long, ms. */
const REFUSAL_WAIT_MS = 8_000;
/** The longest wait that a question for the record may ask for, ms: under the time its caller gives it. */
const DECISION_WAIT_MS_MAX = 20_000;

type ParamsOf<N extends keyof (typeof hypervisorContract)['methods'] & string> = Params<typeof hypervisorContract, N>;

export interface MigrationsParts {
  readonly machines: Machines;
  readonly journal: AgentJournal;
  readonly neighbours: Neighbours;
  readonly clock: Clock;
  readonly log: Log;
}

export class Migrations {
  readonly #parts: MigrationsParts;
  readonly #sources = new Map<string, MigrationSource>();
  readonly #destinations = new Map<string, MigrationDestination>();
  readonly #streams: WarmStreams;

  constructor(parts: MigrationsParts) {
    this.#parts = parts;
    this.#streams = new WarmStreams(parts);
  }

  /** Goes on with what the journal says was under way, when the living machines have been adopted. */
  resume(): void {
    const { sources, destinations } = this.#parts.journal.state;
    for (const records of sources.values()) this.#restoreSource(records);
    for (const records of destinations.values()) this.#restoreDestination(records);
  }

  #restoreSource(records: readonly SourceRecordOf[]): void {
    const [first] = records;
    if (!first) return;
    const source = this.#source(first, new HoldSource(records.map(({ entry }) => entry)));
    source.feed({ type: 'begin' });
  }

  #restoreDestination(records: readonly DestinationRecordOf[]): void {
    const [first] = records;
    if (!first) return;
    const entries = records
      .map(({ entry }) => entry)
      .filter((entry): entry is DestinationRecord => entry !== 'incoming');
    const closings = records.find(({ entry }) => entry === 'started')?.closings;
    const order = { ...first, ...(closings && { closings }) };
    const destination = this.#destination(order, new HoldDestination(first.deadlineMs, entries));
    destination.feed({ type: 'begin' });
  }

  /** No timer of ours fires any more; the journal knows where to go on. */
  stop(): void {
    for (const migration of [...this.#sources.values(), ...this.#destinations.values()]) migration.stop();
    this.#streams.close();
  }

  /** Whether a migration that is not settled has the VM's machine in hand. */
  isMoving(vm: string): boolean {
    return this.#movingBy(vm) !== undefined;
  }

  #movingBy(vm: string): string | undefined {
    for (const [migration, entry] of [...this.#sources, ...this.#destinations])
      if (entry.vm === vm && !entry.isSettled) return migration;
    return undefined;
  }

  /** @throws OperationError ALREADY_MOVING */
  refuseIfMoving(vm: string): void {
    const migration = this.#movingBy(vm);
    if (migration)
      throw new OperationError(
        'ALREADY_MOVING',
        `VM ${vm} is in migration ${migration} here, which is not settled yet`,
        {
          remedy: 'Wait until it is, or cancel it.',
        },
      );
  }

  /** Source: begins to open what the memory and the hold will need; nobody waits for it. */
  warm({ migration, destination }: ParamsOf<'migration.warm'>): void {
    const { neighbours, log } = this.#parts;
    this.#streams.begin(migration, () => neighbours.dialAgent(destination));
    neighbours
      .agent(destination)
      .warm()
      .catch((error: unknown) => log.info({ destination, reason: messageOf(error) }, 'not connected ahead'));
  }

  /** Source: starts, and answers with the source's half; a repeated order finds the same. */
  outgoing(params: ParamsOf<'migration.outgoing'>): MigrationSource {
    const { migration, vm, destination } = params;
    const known = this.#sources.get(migration);
    if (known) return known;
    this.refuseIfMoving(vm);
    if (!this.#parts.machines.living(vm))
      throw new OperationError('NO_MACHINE', `VM ${vm} has no running machine on this node`);
    const source = this.#source({ migration, vm, destination }, new HoldSource(), params);
    source.feed({ type: 'begin' });
    return source;
  }

  #source(
    { migration, vm, destination }: Pick<SourceRecordOf, 'migration' | 'vm' | 'destination'>,
    hold: HoldSource,
    limits?: { maxBandwidthBytesPerSecond: number; downtimeLimitMs: number },
  ): MigrationSource {
    const source = new MigrationSource({
      ...{ ...this.#parts, migration, vm, destination, streams: this.#streams },
      images: this.#parts.machines.record(vm)?.spec.disks.map(({ image }) => image) ?? [],
      maxBandwidthBytesPerSecond: limits?.maxBandwidthBytesPerSecond || DEFAULT_BANDWIDTH_BYTES_PER_SECOND,
      downtimeLimitMs: limits?.downtimeLimitMs || DEFAULT_DOWNTIME_LIMIT_MS,
      hold,
    });
    this.#sources.set(migration, source);
    return source;
  }

  /** Destination: makes the waiting machine. A repeated order for a prepared one is no news. */
  async incoming(params: ParamsOf<'migration.incoming'>): Promise<void> {
    const { migration, epoch, spec, sockets, port, source } = params;
    const machine: MachineRecord = { kind: 'machine', epoch, spec, sockets, port };
    const known = this.#destinations.get(migration);
    if (known?.isWaiting) return known.prepare(machine);
    this.#refuseIfRefused(migration, known);
    this.refuseIfMoving(spec.vm);
    if (this.#parts.machines.record(spec.vm))
      throw new OperationError('MACHINE_EXISTS', `VM ${spec.vm} has a machine on this node`);
    const deadlineMs = params.deadlineMs || DEFAULT_DEADLINE_MS;
    const order = { migration, vm: spec.vm, source, deadlineMs };
    const destination = this.#destination(order, new HoldDestination(deadlineMs));
    destination.feed({ type: 'begin' });
    await destination.prepare(machine);
  }

  #refuseIfRefused(migration: string, known: MigrationDestination | undefined): void {
    if (!known && !this.#parts.journal.state.refusals.has(migration)) return;
    const reason = known?.reason || 'it was refused before it began';
    throw new OperationError('REFUSED', `migration ${migration} cannot begin here any more: ${reason}`);
  }

  #destination(
    { migration, vm, source, deadlineMs, closings }: Omit<DestinationRecordOf, 'kind' | 'entry'>,
    hold: HoldDestination,
  ): MigrationDestination {
    const destination = new MigrationDestination({
      ...{ ...this.#parts, migration, vm, source, deadlineMs, hold },
      ...(closings && { closings }),
    });
    this.#destinations.set(migration, destination);
    return destination;
  }

  /** Takes the memory's stream only for a migration that is expected, and only from its source. */
  takeMemory(socket: TLSSocket, peer: Peer, migration: string): void {
    const destination = this.#destinations.get(migration);
    if (destination && destination.source.node === peer.node) {
      void destination.take(socket);
      return;
    }
    this.#parts.log.warn({ peer, migration }, 'a memory stream came from somewhere else than its source');
    socket.destroy();
  }

  async released(params: ParamsOf<'hold.released'>, peer: Peer): Promise<Decision> {
    const destination = this.#destinations.get(params.migration);
    if (!destination) return this.#refuseUnknown(params.migration);
    refuseStranger(destination.source.node, peer);
    destination.feed({ type: 'released', closings: params.closings });
    return destination.decision;
  }

  async decision({ migration, waitMs }: ParamsOf<'hold.decision'>): Promise<Decision> {
    const destination = this.#destinations.get(migration);
    if (destination) return destination.decisionWithin(Math.min(waitMs, DECISION_WAIT_MS_MAX));
    return this.#parts.journal.state.refusals.has(migration) ? 'refused' : 'undecided';
  }

  async refuse({ migration, reason }: ParamsOf<'hold.refuse'>, peer: Peer): Promise<Decision> {
    const destination = this.#destinations.get(migration);
    if (!destination) return this.#refuseUnknown(migration);
    refuseStranger(destination.source.node, peer);
    destination.feed({ type: 'refuse', reason });
    return destination.decisionWithin(REFUSAL_WAIT_MS);
  }

  /** What is not known here cannot have begun, and now never will. */
  async #refuseUnknown(migration: string): Promise<Decision> {
    const { journal } = this.#parts;
    if (!journal.state.refusals.has(migration)) await journal.append({ kind: 'refusal', migration });
    return 'refused';
  }

  /** The source hears the record by way of the controller. */
  decided({ migration, decision }: ParamsOf<'hold.decided'>): Decision {
    const source = this.#sources.get(migration);
    source?.feed({ type: 'answer', ask: 0, decision });
    return source?.hold.decision ?? 'undecided';
  }

  /** Source: gives up before the release, has the destination asked to refuse after it; answers what stands so far. */
  abort({ migration, reason }: ParamsOf<'migration.abort'>): Decision {
    const source = this.#sources.get(migration);
    source?.feed({ type: 'abort', reason });
    return source?.hold.decision ?? 'undecided';
  }

  /** What this node's journal says. */
  record(migration: string): Result<typeof hypervisorContract, 'migration.record'> {
    const hold = this.#sources.get(migration)?.hold;
    if (hold) return { decision: hold.decision, closings: [...hold.closings] };
    const isRefused = this.#parts.journal.state.refusals.has(migration);
    const destination = this.#destinations.get(migration);
    const decision = destination?.decision ?? (isRefused ? 'refused' : 'undecided');
    return { decision, closings: [...(destination?.closings ?? [])] };
  }
}

function refuseStranger(source: string, peer: Peer): void {
  if (peer.role === 'controller' || peer.node === source) return;
  throw new OperationError('FORBIDDEN', `the source of this migration is node ${source}, not ${peer.node}`);
}
