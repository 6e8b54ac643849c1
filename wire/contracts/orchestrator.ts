// The calls of the orchestrator: what the CLI and the status page use, and the nodes' registration.
import { Type } from '#typebox';
import { contract, method } from '../contract.ts';
import { Bytes, Ipv4, Mac, Name, PortName } from '../names.ts';
import { ExportedFile, ExportFormat, ImageFormat, ScrubReport } from './blockd.ts';
import { cacheCalls } from './cache.ts';
import { Head, Leaving, Pin, Snapshot } from './catalogue.ts';
import { ImageState, MigrationState, NodeState, PropagationView, Status, VmState } from './cluster-state.ts';
import { DoctorReport, DoctorRequest } from './doctor.ts';
import { egressCalls } from './egress.ts';
import { StubEvent } from './events.ts';
import { NodeOutside } from './guest-network.ts';
import { HeatCells } from './heat.ts';
import { Capabilities } from './hypervisor.ts';
import { ipv6Calls } from './ipv6.ts';
import { ClusterMetrics } from './metrics.ts';
import { ControllerState } from './network-controllers.ts';
import { stubCalls } from './network-stubs.ts';
import { PropagationSettings } from './propagation.ts';
import { readerCalls } from './readers.ts';
import { RebuildReport } from './rebuild.ts';
import { NodeUnderlay, SwitchState } from './sdnd.ts';
import { groupCalls } from './security-groups.ts';
import { ClusterTopology } from './topology.ts';
import { NetworkTrace, TraceRequest } from './trace.ts';
import { NetworkFigures } from './traffic.ts';

const Empty = Type.Object({});
const Count = Type.Integer({ minimum: 0 });

const ControllerStates = Type.Object({ controllers: Type.Array(ControllerState) });
const Progress = Type.Object({ doneBytes: Bytes, totalBytes: Bytes });
const FileTarget = { node: Type.Optional(Name), path: Type.String(), format: ExportFormat };
const Exported = Type.Object({ node: Name, file: ExportedFile });
/** What was ordered holds at once; these nodes have still to hear of it, or to let go of layers. */
const WaitsFor = Type.Object({ waitsFor: Type.Array(Name) });

/** The orchestrator's calls. */
export const orchestratorContract = contract('orchestrator', {
  /**
   * A node's agent says that it is there, at which address the other members reach it, how its switch stands in its
   * underlay networks, and whether networks may leave there; repeated every few seconds as the sign of life.
   */
  'node.register': method(
    ['node'],
    Type.Object({
      ...{ cloud: Name, address: Ipv4, capabilities: Capabilities },
      ...{ underlay: Type.Optional(NodeUnderlay), outside: Type.Optional(NodeOutside) },
    }),
    Empty,
  ),
  'node.list': method(['operator'], Empty, Type.Object({ nodes: Type.Array(NodeState) })),
  /** A join string for one node; its secret is shown once. */
  'token.create': method(['operator'], Type.Object({ ttlSeconds: Count }), Type.Object({ token: Type.String() })),
  'image.create': method(
    ['operator'],
    Type.Object({
      image: Name,
      node: Name,
      path: Type.Optional(Type.String()),
      format: Type.Optional(ImageFormat),
      bytes: Type.Optional(Bytes),
    }),
    Head,
    { progress: Progress, timeoutMs: 0 },
  ),
  /** Writes a closed image to a new file of a node that has all its blocks: the one named, or the one that closed it. */
  'image.export': method(['operator'], Type.Object({ image: Name, ...FileTarget }), Exported, {
    progress: Progress,
    timeoutMs: 0,
  }),
  'image.list': method(['operator'], Empty, Type.Object({ images: Type.Array(Head) })),
  'image.show': method(['operator'], Type.Object({ image: Name, heatCells: Type.Optional(HeatCells) }), ImageState),
  'image.delete': method(['operator'], Type.Object({ image: Name }), WaitsFor, { timeoutMs: 60_000 }),
  /** A new image on a snapshot; no block is copied. `disk`: which image of a snapshot of several. */
  'image.clone': method(['operator'], Type.Object({ image: Name, from: Name, disk: Type.Optional(Name) }), Head),
  /** Makes an image larger; where a VM runs on it, its guest sees that at once. */
  'image.resize': method(['operator'], Type.Object({ image: Name, bytes: Bytes }), Head, { timeoutMs: 150_000 }),
  /** Brings the read-only layers of a snapshot or an image to nodes (or clouds) with all blocks; answers the nodes. */
  'image.seed': method(
    ['operator'],
    Type.Object({
      source: Name,
      to: Type.Array(Name, { minItems: 1 }),
      rateBytesPerSecond: Type.Optional(Type.Integer({ minimum: 1 })),
    }),
    Type.Object({ nodes: Type.Array(Name) }),
    { progress: Progress, timeoutMs: 0 },
  ),
  /**
   * An image or a snapshot to one place, a cloud or a node, that has all of it; null frees it. Answers what else stands on
   * it, and the nodes elsewhere that have still to let go of it.
   */
  'pin.set': method(
    ['operator'],
    Type.Object({
      kind: Type.Union([Type.Literal('image'), Type.Literal('snapshot')]),
      name: Name,
      to: Type.Union([Name, Type.Null()]),
    }),
    Type.Object({ pin: Type.Union([Pin, Type.Null()]), alsoHeld: Type.Array(Name), stillAt: Type.Array(Name) }),
    { timeoutMs: 60_000 },
  ),
  /** The newest first. */
  'event.list': method(['operator'], Empty, Type.Object({ events: Type.Array(StubEvent) })),
  /** Layers that nothing names any more, and who has still to let go of them. */
  'layer.leaving': method(['operator'], Empty, Type.Object({ leaving: Type.Array(Leaving) })),
  /** Images as they are in one moment, also while they are written. */
  'snapshot.create': method(
    ['operator'],
    Type.Object({ snapshot: Name, images: Type.Array(Name, { minItems: 1 }) }),
    Snapshot,
    { timeoutMs: 90_000 },
  ),
  'snapshot.list': method(['operator'], Empty, Type.Object({ snapshots: Type.Array(Snapshot) })),
  'snapshot.delete': method(['operator'], Type.Object({ snapshot: Name }), WaitsFor, { timeoutMs: 60_000 }),
  /** Writes a snapshot to a new file of a node that has all its blocks. */
  'snapshot.export': method(
    ['operator'],
    Type.Object({ snapshot: Name, disk: Type.Optional(Name), ...FileTarget }),
    Exported,
    { progress: Progress, timeoutMs: 0 },
  ),
  ...cacheCalls,
  ...readerCalls,
  ...egressCalls,
  ...stubCalls,
  ...ipv6Calls,
  /** Has a node (default: where the image is open, or was closed last) read and compare all that it holds of an image. */
  'image.scrub': method(
    ['operator'],
    Type.Object({ image: Name, node: Type.Optional(Name) }),
    Type.Object({ node: Name, report: ScrubReport }),
    { progress: Progress, timeoutMs: 0 },
  ),
  /** Background fetch of what the image lacks where it is open, in bytes per second; 0 turns it off. */
  'image.pull': method(['operator'], Type.Object({ image: Name, rateBytesPerSecond: Bytes }), Empty),
  'propagation.show': method(['operator'], Type.Object({ image: Name }), PropagationView),
  /** Kept at once; answers the nodes that write the image and will hear of it when they are back. */
  'propagation.set': method(['operator'], Type.Object({ image: Name, settings: PropagationSettings }), WaitsFor),
  /**
   * The catalogue made again from what the stores say, or what that would come to. `accept`: images whose newest state may
   * be elsewhere, taken as they are.
   */
  'catalogue.rebuild': method(
    ['operator'],
    Type.Object({ execute: Type.Boolean(), accept: Type.Array(Name) }),
    RebuildReport,
    { timeoutMs: 180_000 },
  ),
  'vm.create': method(
    ['operator'],
    Type.Object({
      vm: Name,
      cloud: Name,
      image: Name,
      memoryMB: Count,
      cpus: Count,
      ip: Ipv4,
      mac: Type.Optional(Mac),
      boot: Type.Object({ kernel: Type.String(), initrd: Type.String(), commandLine: Type.String() }),
    }),
    VmState,
    { timeoutMs: 120_000 },
  ),
  'vm.list': method(['operator'], Empty, Type.Object({ vms: Type.Array(VmState) })),
  'vm.show': method(['operator'], Type.Object({ vm: Name }), VmState),
  'vm.console': method(['operator'], Type.Object({ vm: Name }), Type.Object({ text: Type.String() })),
  'vm.delete': method(['operator'], Type.Object({ vm: Name }), Empty, { timeoutMs: 60_000 }),
  /** An overlay address outside any VM (a front-end or a client's port) at a node's switch. */
  'binding.set': method(
    ['operator'],
    Type.Object({ owner: Name, node: Name, port: PortName, mac: Mac, ip: Ipv4 }),
    Empty,
  ),
  'vm.migrate': method(
    ['operator'],
    Type.Object({
      vm: Name,
      to: Name,
      maxBandwidthBytesPerSecond: Type.Optional(Bytes),
      downtimeLimitMs: Type.Optional(Count),
    }),
    MigrationState,
    { progress: MigrationState, timeoutMs: 0 },
  ),
  'migration.cancel': method(['operator'], Type.Object({ vm: Name }), Empty),
  /** What the stores have counted: of one node, or the one of a cloud, or of all. */
  'metrics.show': method(['operator'], Type.Object({ node: Type.Optional(Name) }), ClusterMetrics),
  ...groupCalls,
  'network.verify': method(['operator'], Empty, Type.Object({ switches: Type.Array(SwitchState) })),
  /** The links between nodes as they are, or as they were when the overlay's controller last answered. */
  'network.topology': method(['operator'], Empty, ClusterTopology),
  /** The overlay's controllers: which one is active, which stand by. */
  'network.controllers': method(['operator'], Empty, ControllerStates),
  /** Has another one relieve the active one: the one of that node, or the first that answers. */
  'network.hand-over': method(['operator'], Type.Object({ to: Type.Optional(Name) }), ControllerStates, {
    timeoutMs: 60_000,
  }),
  'network.trace': method(['operator'], TraceRequest, NetworkTrace),
  /** What guests sent one another: all of it, or what one VM (or other address) sent and was sent. */
  'network.traffic': method(['operator'], Type.Object({ vm: Type.Optional(Name) }), NetworkFigures),
  /** Two nodes look at one another: two round trips of 4 s, two transfers of 8 s, and the calls for them. */
  'node.doctor': method(['operator'], DoctorRequest, DoctorReport, { timeoutMs: 60_000 }),
  /** Calls back with the whole status whenever it changed, until the connection ends. */
  'status.watch': method(['operator'], Empty, Empty, { progress: Status, timeoutMs: 0 }),
});
