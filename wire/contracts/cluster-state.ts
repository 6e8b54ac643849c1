// What the orchestrator shows of a cluster: nodes, VMs and their migrations, images; the command line and the status page
// read it. What is asked for it is in `orchestrator.ts`.
import { Type } from '#typebox';
import { Bytes, Ipv4, LayerId, MigrationId, Name, Sequence } from '../names.ts';
import { StoreImage, StoreLayer } from './blockd.ts';
import { Head } from './catalogue.ts';
import { NetworkEvent, StubEvent } from './events.ts';
import { NodeOutside } from './guest-network.ts';
import { HeatMap } from './heat.ts';
import { Capabilities, MachineSpec } from './hypervisor.ts';
import { PropagationSettings, PropagationStatus } from './propagation.ts';
import { NodeUnderlay } from './sdnd.ts';

const Count = Type.Integer({ minimum: 0 });

/** One member as the orchestrator holds it. */
export const NodeState = Type.Object({
  node: Name,
  cloud: Name,
  address: Ipv4,
  /** Absent: in the one network of all such nodes. */
  underlay: Type.Optional(NodeUnderlay),
  /** Absent: no network leaves there. */
  outside: Type.Optional(NodeOutside),
  role: Type.Union([Type.Literal('controller'), Type.Literal('node')]),
  up: Type.Boolean(),
  /** One sentence when it is not up. */
  reason: Type.String(),
  capabilities: Type.Union([Capabilities, Type.Null()]),
});
export type NodeState = Type.Static<typeof NodeState>;

/** How far a migration is; each step is journalled before it is taken. */
export const MigrationStep = Type.Union([
  Type.Literal('precheck'),
  Type.Literal('transfer'),
  Type.Literal('prepare'),
  Type.Literal('incoming'),
  /** Blocks go ahead, and the memory waits for them. */
  Type.Literal('ahead'),
  Type.Literal('memory'),
  Type.Literal('hold'),
  Type.Literal('complete'),
  Type.Literal('moved'),
  Type.Literal('failed'),
  Type.Literal('undecided'),
]);
export type MigrationStep = Type.Static<typeof MigrationStep>;

/**
 * Something that was done for a migration: when it began, in ms from the order, and how long it took. What ran side by
 * side overlaps.
 */
export const StepTime = Type.Object({ step: Type.String(), atMs: Type.Number(), tookMs: Type.Number() });
export type StepTime = Type.Static<typeof StepTime>;

/** A migration's figures; bytes are those that crossed between nodes because of it. */
export const MigrationState = Type.Object({
  migration: MigrationId,
  vm: Name,
  from: Name,
  to: Name,
  step: MigrationStep,
  /** One sentence when it failed or is undecided. */
  reason: Type.String(),
  /** What a person should know while it goes on, in a sentence, with the remedy: it does not converge, or waits. */
  hint: Type.Optional(Type.String()),
  startedAtMs: Type.Number(),
  totalMs: Type.Number(),
  /** Where the time went, as far as it is over. */
  stepTimes: Type.Array(StepTime),
  holdMs: Type.Number(),
  /** Where the hold's time went, ms from the guest's stop at the source. */
  holdSteps: Type.Array(Type.Object({ step: Type.String(), atMs: Type.Number() })),
  memoryBytes: Bytes,
  remainingBytes: Bytes,
  rateBytesPerSecond: Bytes,
  entryBytes: Bytes,
  blockBytes: Bytes,
  fetchedOnDemandBlocks: Count,
  /** Blocks that the VM would lose with the source: 0 when it is independent of it. */
  dependsOnSourceBlocks: Count,
  /**
   * From the order until the VM's images depended on no other node, ms; null while they do, or when nobody saw it. Known
   * to a quarter of a second in the first minute, to some seconds after it.
   */
  independentMs: Type.Union([Type.Number(), Type.Null()]),
});
export type MigrationState = Type.Static<typeof MigrationState>;

/** One VM. */
export const VmState = Type.Object({
  vm: Name,
  node: Name,
  cloud: Name,
  state: Type.Union([
    Type.Literal('creating'),
    Type.Literal('running'),
    /** Its node says that it has no process, or one that has ended: the guest shut down or crashed. */
    Type.Literal('stopped'),
    Type.Literal('migrating'),
    Type.Literal('undecided'),
    Type.Literal('unknown'),
    Type.Literal('deleting'),
  ]),
  epoch: Count,
  spec: MachineSpec,
  migration: Type.Union([MigrationState, Type.Null()]),
});
export type VmState = Type.Static<typeof VmState>;

/** One layer of an image, and what the stores that can be reached have of it. */
export const ImageLayer = Type.Object({
  layer: LayerId,
  bytes: Bytes,
  isTop: Type.Boolean(),
  /** Of its newest write. */
  lastSequence: Sequence,
  holders: Type.Array(Type.Object({ node: Name, layer: StoreLayer })),
});
export type ImageLayer = Type.Static<typeof ImageLayer>;

/** How an image under `async` stands: what would be lost with its writer's disk. Times in ms, moments since 1970. */
const RecoveryState = Type.Object({
  place: Name,
  rpoSeconds: Type.Number(),
  /** The moment of the newest point that is whole at the place; null before the first. */
  safeAtMs: Type.Union([Type.Number(), Type.Null()]),
  /** Its age, 0 if nothing was written since; null as before. */
  lostMs: Type.Union([Type.Number(), Type.Null()]),
  /** The RPO is not kept now. */
  isLate: Type.Boolean(),
  /** Why the last attempt at a point failed, in a sentence; or empty. */
  reason: Type.String(),
});
export type RecoveryState = Type.Static<typeof RecoveryState>;

/** An image with its head and what each store that can be reached says of it. */
export const ImageState = Type.Object({
  head: Head,
  stores: Type.Array(Type.Object({ node: Name, store: StoreImage })),
  /** The newest first. */
  layers: Type.Array(ImageLayer),
  /** At its writer; null where it has none, cannot be asked or notes nothing, or when no cells were asked for. */
  heat: Type.Union([HeatMap, Type.Null()]),
  /** Under `async`. */
  recovery: Type.Union([RecoveryState, Type.Null()]),
  /** Where it is open for reading, and how many clients it has there; null of a node that cannot be asked. */
  readers: Type.Array(Type.Object({ node: Name, clients: Type.Union([Count, Type.Null()]) })),
  unreachable: Type.Array(Name),
});
export type ImageState = Type.Static<typeof ImageState>;

/** Everything the status page shows, whole, each time something changed. */
export const Status = Type.Object({
  nodes: Type.Array(NodeState),
  vms: Type.Array(VmState),
  images: Type.Array(Head),
  migrations: Type.Array(MigrationState),
  events: Type.Array(StubEvent),
  /** Since the orchestrator's start, the newest first. */
  network: Type.Array(NetworkEvent),
});
export type Status = Type.Static<typeof Status>;

/** How an image's blocks get to other places, and which node writes it. */
export const PropagationView = Type.Object({
  image: Name,
  settings: PropagationSettings,
  writer: Type.Union([Name, Type.Null()]),
  /** Of a writer that can be asked. */
  status: Type.Union([PropagationStatus, Type.Null()]),
});
export type PropagationView = Type.Static<typeof PropagationView>;
