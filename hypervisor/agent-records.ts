// What the agent keeps durably: the controller's term, the machines that are here, and both ends' records of each
// migration. Pure: the records' shapes and what a sequence of them means.
import { type Static, Type } from '#typebox';
import { Closing } from '../wire/contracts/blockd.ts';
import { MachineSpec } from '../wire/contracts/hypervisor.ts';
import { Endpoint, MigrationId, Name } from '../wire/names.ts';

const Count = Type.Integer({ minimum: 0 });
const Decided = Type.Union([Type.Literal('started'), Type.Literal('refused')]);

/** A machine that was started here, as it was ordered; running or waiting for a migration's memory. */
const MachineRecord = Type.Object({
  kind: Type.Literal('machine'),
  epoch: Count,
  spec: MachineSpec,
  sockets: Type.Array(Type.String()),
  port: Type.String(),
});
export type MachineRecord = Static<typeof MachineRecord>;

const SourceEntry = Type.Union([
  Type.Object({ kind: Type.Literal('outgoing') }),
  Type.Object({ kind: Type.Literal('released'), closings: Type.Array(Closing) }),
  Type.Object({ kind: Type.Literal('decided'), decision: Decided }),
  Type.Object({ kind: Type.Literal('settled') }),
]);

/** `incoming`: ordered, nothing decided. The other entries are the destination machine's own. */
const DestinationEntry = Type.Union([Type.Literal('incoming'), Decided, Type.Literal('settled')]);

export const AgentRecord = Type.Union([
  Type.Object({ kind: Type.Literal('term'), term: Count }),
  MachineRecord,
  Type.Object({ kind: Type.Literal('gone'), vm: Name }),
  Type.Object({
    kind: Type.Literal('source'),
    migration: MigrationId,
    vm: Name,
    destination: Endpoint,
    entry: SourceEntry,
  }),
  Type.Object({
    kind: Type.Literal('destination'),
    migration: MigrationId,
    vm: Name,
    source: Endpoint,
    deadlineMs: Count,
    entry: DestinationEntry,
    /** With `started`: how the source closed the disks, which the source may not live to say. */
    closings: Type.Optional(Type.Array(Closing)),
  }),
  /** A refusal that was asked for before the migration was known here: it shall not begin any more. */
  Type.Object({ kind: Type.Literal('refusal'), migration: MigrationId }),
]);
export type AgentRecord = Static<typeof AgentRecord>;
export type SourceRecordOf = Extract<AgentRecord, { kind: 'source' }>;
export type DestinationRecordOf = Extract<AgentRecord, { kind: 'destination' }>;

/**
 * Ended migrations whose record is kept: a source may ask for it until it knows it, and has at most one migration per
 * machine open, so this is far more than can ever be asked for.
 */
export const ENDED_KEPT_MAX = 4_096;

/** The journal's meaning. `apply` is called with each record once it is durable, in order. */
export class AgentState {
  term = 0;
  readonly machines = new Map<string, MachineRecord>();
  readonly sources = new Map<string, SourceRecordOf[]>();
  readonly destinations = new Map<string, DestinationRecordOf[]>();
  readonly refusals = new Set<string>();

  static of(records: readonly AgentRecord[]): AgentState {
    const state = new AgentState();
    for (const record of records) state.apply(record);
    return state;
  }

  apply(record: AgentRecord): void {
    switch (record.kind) {
      case 'term':
        this.term = Math.max(this.term, record.term);
        return;
      case 'machine':
        this.machines.set(record.spec.vm, record);
        return;
      case 'gone':
        this.machines.delete(record.vm);
        return;
      case 'source':
        append(this.sources, record);
        return;
      case 'destination':
        append(this.destinations, record);
        return;
      case 'refusal':
        this.refusals.add(record.migration);
        return;
    }
  }

  /** The same meaning in few records: for the journal's rewrite. */
  compact(): AgentRecord[] {
    return [
      { kind: 'term', term: this.term },
      ...this.machines.values(),
      ...keptOf(this.sources, (last) => last.entry.kind === 'settled'),
      ...keptOf(this.destinations, (last) => last.entry === 'settled'),
      ...[...this.refusals].slice(-ENDED_KEPT_MAX).map((migration) => ({ kind: 'refusal', migration }) as const),
    ];
  }
}

function append<R extends { readonly migration: string }>(map: Map<string, R[]>, record: R): void {
  const records = map.get(record.migration) ?? [];
  map.set(record.migration, [...records, record]);
}

function keptOf<R>(map: ReadonlyMap<string, readonly R[]>, isSettled: (last: R) => boolean): R[] {
  const all = [...map.values()];
  const ended = all.filter((records) => records.slice(-1).some(isSettled));
  const dropped = new Set(ended.slice(0, Math.max(0, ended.length - ENDED_KEPT_MAX)));
  return all.filter((records) => !dropped.has(records)).flat();
}
