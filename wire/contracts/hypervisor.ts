// The calls of a node's hypervisor agent: machines, and the two ends of a migration's hold (SOUNDNESS B1).
import { Type } from '#typebox';
import { contract, method } from '../contract.ts';
import { Bytes, Endpoint, Ipv4, Mac, MigrationId, Name } from '../names.ts';
import { Closing } from './blockd.ts';
import { PeerFigures, RateFigures } from './doctor.ts';

const Empty = Type.Object({});
const Count = Type.Integer({ minimum: 0 });

/** A VM's shape: what must be the same at every node it moves to. */
export const MachineSpec = Type.Object({
  vm: Name,
  memoryMB: Type.Integer({ minimum: 64, maximum: 1_048_576 }),
  cpus: Type.Integer({ minimum: 1, maximum: 64 }),
  machine: Type.String(),
  cpuModel: Type.String(),
  disks: Type.Array(Type.Object({ image: Name, bytes: Bytes })),
  mac: Mac,
  ip: Ipv4,
  boot: Type.Object({ kernel: Type.String(), initrd: Type.String(), commandLine: Type.String() }),
});
export type MachineSpec = Type.Static<typeof MachineSpec>;

/** What a node can run. */
export const Capabilities = Type.Object({
  family: Type.Union([Type.Literal('tcg'), Type.Literal('kvm'), Type.Literal('xen')]),
  /** One sentence: how the family was found out. */
  proof: Type.String(),
  version: Type.String(),
  machines: Type.Array(Type.String()),
  cpuModels: Type.Array(Type.String()),
  cpus: Count,
  memoryMB: Count,
});
export type Capabilities = Type.Static<typeof Capabilities>;

/** The destination's single record, or that it has not been written. */
export const Decision = Type.Union([Type.Literal('undecided'), Type.Literal('started'), Type.Literal('refused')]);
export type Decision = Type.Static<typeof Decision>;

/** One machine at one node. */
export const MachineState = Type.Object({
  vm: Name,
  state: Type.Union([
    Type.Literal('running'),
    Type.Literal('paused'),
    Type.Literal('held'),
    Type.Literal('incoming'),
    Type.Literal('stopped'),
  ]),
  epoch: Count,
  cpuSeconds: Type.Number(),
});

/** How far a migration's memory is. Rates in bytes per second, times in ms. */
export const MemoryProgress = Type.Object({
  phase: Type.Union([Type.Literal('memory'), Type.Literal('hold'), Type.Literal('decided')]),
  transferredBytes: Bytes,
  remainingBytes: Bytes,
  totalBytes: Bytes,
  rateBytesPerSecond: Bytes,
  dirtyBytesPerSecond: Bytes,
  iteration: Count,
});
export type MemoryProgress = Type.Static<typeof MemoryProgress>;

/** How a migration ended at its source. */
export const Outcome = Type.Object({
  decision: Decision,
  /** One sentence; empty when it moved. */
  reason: Type.String(),
  closings: Type.Array(Closing),
  memoryBytes: Bytes,
  /** From the order at the source to the memory's stream being open, ms. */
  streamMs: Type.Number(),
  /** From the guest's stop at the source to the moment its record was written, by the source's clock, ms. */
  holdMs: Type.Number(),
  /** Where the hold's time went, by the source's clock: stop to port closed, frozen, released, decided; ms. */
  steps: Type.Array(Type.Object({ step: Type.String(), atMs: Type.Number() })),
});
export type Outcome = Type.Static<typeof Outcome>;

/** Every command of a migration names the controller's term (SOUNDNESS B8); agents refuse lower ones than they saw. */
const Command = { term: Count, migration: MigrationId };

/** The hypervisor agent's calls. */
export const hypervisorContract = contract('hypervisor', {
  'node.capabilities': method(['controller'], Empty, Capabilities),
  /** This node's wall clock, ms since 1970. */
  'clock.read': method(['node', 'controller'], Empty, Type.Object({ wallMs: Type.Number() })),
  /**
   * What this node finds of another one: ports, round trips, its clock, and how long a packet goes there in one piece: to
   * `path`, whither the tunnel's packets are sent. Null: that cannot be said, as for a node behind a relay.
   */
  'peer.look': method(
    ['controller'],
    Type.Object({ peer: Endpoint, isController: Type.Boolean(), path: Type.Union([Ipv4, Type.Null()]) }),
    PeerFigures,
    // Ports and round trips have 4 s each, some of them one after the other, and then pings.
    { timeoutMs: 30_000 },
  ),
  /** How fast bytes come from another node: 8 MiB or 2 s of a transfer. */
  'peer.rate': method(['controller'], Type.Object({ peer: Endpoint }), RateFigures),
  'machine.list': method(['controller'], Empty, Type.Object({ machines: Type.Array(MachineState) })),
  /** Boots a machine on opened disks and an attached port, which is opened as the machine starts. Repeating it is safe. */
  'machine.create': method(
    ['controller'],
    Type.Object({
      term: Count,
      epoch: Count,
      spec: MachineSpec,
      sockets: Type.Array(Type.String()),
      port: Type.String(),
    }),
    Empty,
    { timeoutMs: 60_000 },
  ),
  'machine.delete': method(['controller'], Type.Object({ term: Count, vm: Name }), Empty, { timeoutMs: 30_000 }),
  /** Its image has become larger: QEMU and the guest are told. Refused while it moves; repeating it is safe. */
  'machine.resize': method(['controller'], Type.Object({ term: Count, vm: Name, image: Name, bytes: Bytes }), Empty, {
    timeoutMs: 60_000,
  }),
  /** The last lines of the guest's serial console. */
  'machine.console': method(['controller'], Type.Object({ vm: Name }), Type.Object({ text: Type.String() })),
  /** Destination: starts a machine that waits for the memory stream and never starts by itself. */
  'migration.incoming': method(
    ['controller'],
    Type.Object({
      ...Command,
      epoch: Count,
      spec: MachineSpec,
      sockets: Type.Array(Type.String()),
      port: Type.String(),
      source: Endpoint,
      deadlineMs: Count,
    }),
    Empty,
    { timeoutMs: 60_000 },
  ),
  /**
   * Source: opens the connections to the destination that the memory will need. It changes nothing, and what comes of
   * it is no news: what is not there by then is opened then.
   */
  'migration.warm': method(['controller'], Type.Object({ migration: MigrationId, destination: Endpoint }), Empty),
  /** Source: sends the memory, holds, releases and waits for the destination's record. */
  'migration.outgoing': method(
    ['controller'],
    Type.Object({
      ...Command,
      vm: Name,
      destination: Endpoint,
      maxBandwidthBytesPerSecond: Bytes,
      downtimeLimitMs: Count,
    }),
    Outcome,
    { progress: MemoryProgress, timeoutMs: 0 },
  ),
  /** Source: give up before the release, or have the destination asked to refuse after it. */
  'migration.abort': method(
    ['controller'],
    Type.Object({ ...Command, reason: Type.String() }),
    Type.Object({ decision: Decision }),
  ),
  /** What this node's journal says of a migration; `closings` is what a source has released, empty before. */
  'migration.record': method(
    ['controller', 'node'],
    Type.Object({ migration: MigrationId }),
    Type.Object({ decision: Decision, closings: Type.Array(Closing) }),
  ),
  /**
   * Source to destination: the one message of the hold, carried by the controller where the two are cut off from each
   * other. Answers at once with the decision so far.
   */
  'hold.released': method(
    ['node', 'controller'],
    Type.Object({ migration: MigrationId, closings: Type.Array(Closing) }),
    Type.Object({ decision: Decision }),
  ),
  /** Source to destination: answers as soon as the record is written, or `undecided` after the wait. */
  'hold.decision': method(
    ['node', 'controller'],
    Type.Object({ migration: MigrationId, waitMs: Count }),
    Type.Object({ decision: Decision }),
    { timeoutMs: 30_000 },
  ),
  /** To the source, from the controller: the destination's record, where the two are cut off from each other. */
  'hold.decided': method(
    ['controller'],
    Type.Object({ migration: MigrationId, decision: Decision }),
    Type.Object({ decision: Decision }),
  ),
  /** Whoever wants to abort asks the destination to write `refused`; the answer is what stands. */
  'hold.refuse': method(
    ['node', 'controller'],
    Type.Object({ migration: MigrationId, reason: Type.String() }),
    Type.Object({ decision: Decision }),
  ),
});
