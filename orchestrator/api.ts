// The orchestrator's calls, each handed to the room that knows. No decision is taken here.
import { messageOf } from '../common/errors.ts';
import type { Log } from '../common/log.ts';
import type { JoinServer } from '../common/membership/join-server.ts';
import type { Handlers } from '../common/rpc/server.ts';
import type { Status } from '../wire/contracts/cluster-state.ts';
import type { orchestratorContract } from '../wire/contracts/orchestrator.ts';
import type { AsyncPoints } from './images/async-points.ts';
import { setCacheCap, showCaches } from './images/caches.ts';
import type { CatalogueRebuild } from './images/catalogue-rebuild.ts';
import type { ImageGrowth } from './images/image-growth.ts';
import type { Images } from './images/images.ts';
import type { LayerSeeds } from './images/layer-seeds.ts';
import type { LayerSweep } from './images/layer-sweep.ts';
import type { Pins } from './images/pins.ts';
import type { Propagation } from './images/propagation.ts';
import type { Readers } from './images/readers.ts';
import type { Snapshots } from './images/snapshots.ts';
import type { MachineReports } from './machine-reports.ts';
import type { Members } from './members.ts';
import { gatherMetrics } from './metrics.ts';
import type { Migrations } from './migration/migrations.ts';
import type { Doctor } from './network/doctor.ts';
import type { EgressOrders } from './network/egress.ts';
import type { Ipv6Orders } from './network/ipv6.ts';
import type { Network } from './network/network.ts';
import type { NetworkControllers } from './network/network-controllers.ts';
import type { NetworkEvents } from './network/network-events.ts';
import type { NetworkStubs } from './network/network-stubs.ts';
import type { SecurityGroups } from './network/security-groups.ts';
import type { StubEvents } from './network/stub-events.ts';
import type { StubMoves } from './network/stub-moves.ts';
import type { Topology } from './network/topology.ts';
import { networkFigures, showTraffic } from './network/traffic.ts';
import type { State } from './state.ts';
import type { Vms } from './vms.ts';

/** A migration reports several times a second; people and pages need no more than this. */
const STATUS_INTERVAL_MS = 200;

/** The rooms behind the calls. */
export interface Rooms {
  readonly state: State;
  readonly members: Members;
  readonly images: Images;
  readonly growth: ImageGrowth;
  readonly readers: Readers;
  readonly rebuild: CatalogueRebuild;
  readonly pins: Pins;
  readonly stubs: StubEvents;
  readonly snapshots: Snapshots;
  readonly points: AsyncPoints;
  readonly seeds: LayerSeeds;
  readonly propagation: Propagation;
  readonly sweep: LayerSweep;
  readonly vms: Vms;
  readonly migrations: Migrations;
  readonly network: Network;
  readonly egress: EgressOrders;
  readonly networkStubs: NetworkStubs;
  readonly stubMoves: StubMoves;
  readonly ipv6: Ipv6Orders;
  readonly groups: SecurityGroups;
  readonly controllers: NetworkControllers;
  readonly networkEvents: Pick<NetworkEvents, 'list'>;
  readonly topology: Topology;
  readonly doctor: Doctor;
  readonly reports: MachineReports;
  readonly join: JoinServer;
  readonly log: Log;
}

/** Everything the status page shows. */
export async function statusOf({ state, members, images, vms, stubs, networkEvents }: Rooms): Promise<Status> {
  const heads = await images.heads();
  const migrations = state.all('migrations').sort((a, b) => b.startedAtMs - a.startedAtMs);
  const happened = { events: stubs.list(), network: networkEvents.list() };
  return { nodes: members.states(), vms: vms.list(), images: heads, migrations, ...happened };
}

/**
 * Sends the status now and after every change, at most each 200 ms, until the signal says stop. A status that cannot be
 * had, as when the catalogue restarts, is left out: the next look has it.
 */
export function watchStatus(
  rooms: Rooms,
  send: (status: Status) => void,
  signal: AbortSignal,
  status: (rooms: Rooms) => Promise<Status> = statusOf,
): Promise<void> {
  return new Promise((resolve) => {
    let due = true;
    let busy = false;
    const turn = async (): Promise<void> => {
      if (!due || busy) return;
      due = false;
      busy = true;
      try {
        send(await status(rooms));
      } catch (error) {
        rooms.log.info({ reason: messageOf(error) }, 'no status now');
      }
      busy = false;
    };
    const timer = setInterval(() => void turn(), STATUS_INTERVAL_MS);
    // A node that falls silent changes nothing in the state: look again every second all the same.
    const look = setInterval(() => {
      due = true;
    }, 1_000);
    const unwatch = rooms.state.watch(() => {
      due = true;
    });
    const stop = (): void => {
      clearInterval(timer);
      clearInterval(look);
      unwatch();
      resolve();
    };
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
    void turn();
  });
}

/** The handlers of the contract. */
export function apiHandlers(rooms: Rooms): Handlers<typeof orchestratorContract> {
  const { members, images, readers, rebuild, pins, stubs, snapshots, seeds, propagation, sweep, vms, migrations } =
    rooms;
  const { network, egress, ipv6, networkStubs, stubMoves, groups, reports, join, points, growth } = rooms;
  /** What depends on which nodes are there, and on what runs on them, waits for the first look after the start. */
  const looked = async <T>(answer: () => Promise<T> | T): Promise<T> => {
    await reports.looked();
    return answer();
  };
  return {
    'node.register': async (report, { peer }) => {
      await members.register(peer.node, report);
      void reports.ask(peer.node);
      return {};
    },
    'node.list': () => looked(() => ({ nodes: members.states() })),
    'token.create': async ({ ttlSeconds }) => ({ token: await join.createToken(ttlSeconds * 1000) }),
    'image.create': ({ image, node, ...source }, { progress, signal }) =>
      images.create(image, node, source, { onProgress: progress, signal }),
    'image.export': ({ image, ...target }, { progress, signal }) =>
      images.export(image, target, { onProgress: progress, signal }),
    'image.open': ({ image, at }) => readers.open(image, at),
    'image.close': async ({ image, at }) => ({ waitsFor: await readers.close(image, at) }),
    'image.list': async () => ({ images: await images.heads() }),
    'image.show': async ({ image, heatCells }) => {
      const [shown, made] = await Promise.all([images.show(image, heatCells), snapshots.list()]);
      return { ...shown, recovery: points.stateOf(shown.head, made) };
    },
    'image.delete': async ({ image }) => ({ waitsFor: await images.delete(image) }),
    'image.clone': ({ image, from, disk }) => snapshots.clone(image, from, disk),
    'image.resize': ({ image, bytes }) => growth.resize(image, bytes),
    'image.seed': async (order, { progress, signal }) => ({
      nodes: await seeds.seed(order, { onProgress: progress, signal }),
    }),
    'image.scrub': ({ image, node }, { progress, signal }) =>
      images.scrub(image, node, { onProgress: progress, signal }),
    'layer.leaving': async () => ({ leaving: await sweep.leaving() }),
    'snapshot.create': ({ snapshot, images: names }) => snapshots.create(snapshot, names),
    'snapshot.list': async () => ({ snapshots: await snapshots.list() }),
    'snapshot.delete': async ({ snapshot }) => ({ waitsFor: await snapshots.delete(snapshot) }),
    'snapshot.export': ({ snapshot, disk, ...target }, { progress, signal }) =>
      snapshots.export(snapshot, disk, target, { onProgress: progress, signal }),
    'image.pull': async ({ image, rateBytesPerSecond }) => {
      await images.setPull(image, rateBytesPerSecond);
      return {};
    },
    'propagation.show': ({ image }) => propagation.show(image),
    'propagation.set': async ({ image, settings }) => {
      const waitsFor = await propagation.set(image, settings);
      points.wake();
      return { waitsFor };
    },
    'pin.set': async ({ to, ...subject }) => {
      if (to !== null) return pins.pin(subject, to);
      await pins.unpin(subject);
      return { pin: null, alsoHeld: [], stillAt: [] };
    },
    'event.list': () => ({ events: stubs.list() }),
    'catalogue.rebuild': ({ execute, accept }) => rebuild.rebuild(execute ? 'execute' : 'plan', accept),
    'vm.create': (request) => looked(() => vms.create(request)),
    'vm.list': () => looked(() => ({ vms: vms.list() })),
    'vm.show': ({ vm }) => looked(() => vms.show(vm)),
    'vm.console': ({ vm }) => members.clients(vms.record(vm).node).hypervisor.call('machine.console', { vm }),
    'vm.delete': async ({ vm }) => {
      await looked(() => vms.delete(vm));
      return {};
    },
    'binding.set': async (record) => {
      await network.setAddress(record);
      return {};
    },
    'vm.migrate': ({ vm, to, ...options }, { progress }) => looked(() => migrations.migrate(vm, to, options, progress)),
    'migration.cancel': async ({ vm }) => {
      await migrations.cancel(vm);
      return {};
    },
    'cache.show': ({ node }) => showCaches(members, rooms.log, node),
    'cache.set': ({ node, capBytes }) => setCacheCap(members, node, capBytes),
    'metrics.show': async ({ node }) => {
      const [gathered, recovery, traffic] = await Promise.all([
        gatherMetrics(members, rooms.log, node),
        points.figures(),
        networkFigures(members, rooms.log),
      ]);
      return { ...gathered, ...recovery, ...traffic, links: rooms.topology.links };
    },
    'egress.show': () => egress.show(),
    'egress.set': (order) => egress.set(order),
    'egress.remove': () => egress.remove(),
    'stub.list': () => ({ stubs: networkStubs.list() }),
    'stub.create': (order) => networkStubs.create(order),
    'stub.delete': async ({ name }) => {
      await networkStubs.delete(name);
      return {};
    },
    'stub.asked': async ({ vm, stub }, { peer }) => {
      await looked(() => stubMoves.asked(vm, peer.node, stub));
      return {};
    },
    'ipv6.show': () => ipv6.show(),
    'ipv6.set': (wish) => ipv6.set(wish),
    'ipv6.remove': () => ipv6.remove(),
    ...groups.handlers(),
    'network.verify': () => members.controller.sdnd.call('switch.verify', {}),
    'network.trace': (request) => members.controller.sdnd.call('network.trace', request),
    'network.controllers': async () => ({ controllers: await rooms.controllers.states() }),
    'network.hand-over': async ({ to }) => {
      await rooms.controllers.handOver(to);
      return { controllers: await rooms.controllers.states() };
    },
    'network.topology': () => rooms.topology.show(),
    'network.traffic': ({ vm }) => showTraffic(members, rooms.state, vm),
    'node.doctor': (request) => rooms.doctor.examine(request),
    'status.watch': async (_params, { progress, signal }) => {
      await watchStatus(rooms, progress, signal);
      return {};
    },
  };
}
