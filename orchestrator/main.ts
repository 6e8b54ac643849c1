// The orchestrator's process: membership, VMs, migrations, the API for people and the status page.
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { Type } from '#typebox';
import { realClock } from '../common/clock.ts';
import { runDaemon } from '../common/daemon.ts';
import { loadIdentity } from '../common/membership/identity.ts';
import { startJoinServer } from '../common/membership/join-server.ts';
import { rpcClient } from '../common/rpc/client.ts';
import { startRpcServer } from '../common/rpc/server.ts';
import { orchestratorContract } from '../wire/contracts/orchestrator.ts';
import { sdndContract } from '../wire/contracts/sdnd.ts';
import { underlayContract } from '../wire/contracts/underlay.ts';
import { Endpoint, Ipv4 } from '../wire/names.ts';
import { JOIN_PORT, ORCHESTRATOR_PORT, SDND_PORT, UNDERLAY_PORT } from '../wire/ports.ts';
import { Admission } from './admission.ts';
import { apiHandlers, type Rooms, watchStatus } from './api.ts';
import { AsyncPoints } from './images/async-points.ts';
import { BackgroundPulls } from './images/background-pulls.ts';
import { CatalogueRebuild } from './images/catalogue-rebuild.ts';
import { CatalogueWatch } from './images/catalogue-watch.ts';
import { ImageGrowth } from './images/image-growth.ts';
import { Images } from './images/images.ts';
import { LayerMerging } from './images/layer-merging.ts';
import { LayerSeeds } from './images/layer-seeds.ts';
import { LayerSweep } from './images/layer-sweep.ts';
import { Pins } from './images/pins.ts';
import { Propagation } from './images/propagation.ts';
import { Readers } from './images/readers.ts';
import { ScheduledSnapshots } from './images/scheduled-snapshots.ts';
import { Snapshots } from './images/snapshots.ts';
import { STORES_INTERVAL_MS, StoreWatch } from './images/store-watch.ts';
import { MachineReports } from './machine-reports.ts';
import { Members, PATIENT } from './members.ts';
import { Migrations } from './migration/migrations.ts';
import { Doctor } from './network/doctor.ts';
import { EgressOrders } from './network/egress.ts';
import { GuestNetworkConfig, guestNetwork } from './network/guest-network.ts';
import { Ipv6Orders } from './network/ipv6.ts';
import { Network } from './network/network.ts';
import { NetworkControllers } from './network/network-controllers.ts';
import { NetworkEvents } from './network/network-events.ts';
import { NetworkStubs } from './network/network-stubs.ts';
import { SecurityGroups } from './network/security-groups.ts';
import { StubEvents } from './network/stub-events.ts';
import { StubMoves } from './network/stub-moves.ts';
import { Topology } from './network/topology.ts';
import { Underlay } from './network/underlay.ts';
import { Patience } from './patience.ts';
import { State } from './state.ts';
import { startStatusServer } from './status-page/status-server.ts';
import { Vms } from './vms.ts';
import { WatchedCluster } from './watched-cluster.ts';

/** How soon what was not reached is tried again, and a restarted daemon is told what it should know. */
const HOUSEKEEPING_INTERVAL_MS = 5_000;
/** Of a controller that was restarted switches and agents are soon in session again. */
const CONTROLLERS_INTERVAL_MS = 1_000;
/** The key of the one record. */
const ACTIVE = 'active';
/** The shortest RPO is a second. */
const POINTS_INTERVAL_MS = 1_000;
/** Of a prefix that is drawn (RFC 4193, 3.2). */
const GLOBAL_ID_BYTES = 5;

const Config = Type.Object({
  state: Type.String(),
  run: Type.String(),
  identity: Type.String(),
  /** The authority's key and certificate, by which joining nodes get theirs. */
  authority: Type.String(),
  address: Ipv4,
  /** Its address outside of the encrypted underlay, where nodes join and exchange keys; absent: there is no such underlay. */
  outside: Type.Optional(Ipv4),
  /** Where guests' addresses are, and the zone of their names; absent: 10.88.0.0/24, main.internal. */
  network: Type.Optional(GuestNetworkConfig),
  /** Controllers of the overlay that stand by for the one of this node. Absent: it is the only one. */
  networkStandbys: Type.Optional(Type.Array(Endpoint)),
});

await runDaemon('orchestrator', Config, async (config, { log, signal }) => {
  const identity = await loadIdentity(config.identity);
  const plan = guestNetwork(config.network);
  const state = await State.open(join(config.state, 'orchestrator'));
  const base = { state, log, clock: realClock };
  const seats = [{ node: identity.node, address: config.address }, ...(config.networkStandbys ?? [])];
  const clientAt = (seat: Endpoint) => rpcClient(sdndContract, { ...seat, port: SDND_PORT }, identity, PATIENT);
  const networkEvents = new NetworkEvents(base);
  const controllers = new NetworkControllers({
    ...{ clock: realClock, log },
    chosen: (node, before) => networkEvents.chosen(node, before),
    record: {
      get: () => state.get('networkController', ACTIVE),
      put: (record) => state.put('networkController', ACTIVE, record),
    },
    controllers: new Map(seats.map((seat) => [seat.node, clientAt(seat)])),
    tell: async (sdnd) => {
      await members.tellOverlay(sdnd);
      await network.repeat(sdnd);
    },
  });
  const members: Members = new Members({ ...base, identity, address: config.address, sdnd: controllers });
  const watch = new CatalogueWatch({ cluster: members, log });
  const stores = new StoreWatch({ cluster: members, log });
  const cluster = new WatchedCluster(members, watch, stores);
  const shared = {
    ...{ ...base, cluster, stores, admission: new Admission(state, plan) },
    patience: new Patience({ ...base, stopping: signal }),
    reports: new MachineReports({
      ...{ ...base, cluster, changed: () => state.changed() },
      heard: (node) => members.heard(node),
    }),
    pulls: new BackgroundPulls({ ...base, cluster }),
    sweep: new LayerSweep({ ...base, cluster }),
  };
  const { patience, reports, pulls, sweep } = shared;
  const images = new Images(shared);
  const pins = new Pins({ ...shared, watch });
  const stubs = new StubEvents(base);
  const growth = new ImageGrowth(shared);
  const readers = new Readers(shared);
  const rebuild = new CatalogueRebuild({ ...shared, watch });
  const snapshots = new Snapshots(shared);
  const seeds = new LayerSeeds(shared);
  const propagation = new Propagation(shared);
  const scheduled = new ScheduledSnapshots({ ...shared, snapshots, seeds, stopping: signal });
  const points = new AsyncPoints({ ...shared, snapshots, seeds, stopping: signal });
  const merging = new LayerMerging(shared);
  const startPull = pulls.startSoon.bind(pulls);
  const migrations = new Migrations({ ...shared, startPull });
  const groups = new SecurityGroups(shared);
  const network: Network = new Network({ ...shared, groups, plan });
  const vms = new Vms({ ...shared, images, migrations, groups, network, startPull });
  const egress = new EgressOrders({ ...shared, network, plan });
  const networkStubs = new NetworkStubs({ ...shared, network, plan });
  const migrate = (vm: string, to: string) => migrations.migrate(vm, to, {}, () => undefined);
  const stubMoves = new StubMoves({ ...shared, events: stubs, migrate });
  const drawGlobalId = (): bigint => BigInt(`0x${randomBytes(GLOBAL_ID_BYTES).toString('hex')}`);
  const ipv6 = new Ipv6Orders({ ...shared, network, plan, drawGlobalId });
  const underlay = new Underlay({ ...base, cluster, node: identity.node });
  const topology = new Topology({
    ...shared,
    nodes: () => members.states(),
    underlay,
    seen: (links) => networkEvents.links(links),
  });
  reports.lookRound();
  const join_ = await startJoinServer({
    authorityDirectory: config.authority,
    stateDirectory: config.state,
    identity,
    listen: { address: config.outside ?? config.address, port: JOIN_PORT },
    log,
  });
  const rooms: Rooms = {
    state,
    members,
    images,
    growth,
    readers,
    rebuild,
    pins,
    stubs,
    snapshots,
    points,
    seeds,
    propagation,
    sweep,
    vms,
    migrations,
    network,
    egress,
    networkStubs,
    stubMoves,
    ipv6,
    groups,
    controllers,
    networkEvents,
    topology,
    doctor: new Doctor(shared),
    reports,
    join: join_,
    log,
  };
  const served = { contract: orchestratorContract, handlers: apiHandlers(rooms), identity, log };
  const servers = [
    await startRpcServer({ ...served, listen: { address: config.address, port: ORCHESTRATOR_PORT } }),
    await startRpcServer({ ...served, listen: { path: join(config.run, 'orchestrator.sock') } }),
    await startStatusServer(join(config.run, 'status.sock'), (send, gone) => watchStatus(rooms, send, gone)),
    join_,
  ];
  if (config.outside !== undefined) {
    const listen = { address: config.outside, port: UNDERLAY_PORT };
    servers.push(
      await startRpcServer({
        contract: underlayContract,
        handlers: underlay.handlers(),
        listen,
        identity,
        log,
      }),
    );
  }
  // What is to be taken back at a node is left for later while that node is not known to be up.
  void reports.looked().then(() => migrations.recover());
  await vms.recover();
  const jobs = {
    'catalogue and stores compared': () => watch.look(),
    'images in doubt settled': () => rebuild.reconcile(),
    'bindings told': () => network.repeat(controllers.once),
    'links looked at': () => topology.look(),
    'relays looked at': async () => underlay.look(),
    'failed migrations taken back': () => migrations.tidy(),
    'VMs taken away': () => vms.tidy(),
    'snapshots finished': () => snapshots.tidy(),
    'resizes finished': () => growth.tidy(),
    'propagation told': () => propagation.repeat(),
    'scheduled snapshots looked at': () => scheduled.look(),
    'readers looked at': () => readers.tidy(),
    'layers merged': () => merging.look(),
    'layers dropped': () => sweep.sweep(),
    'what is pinned elsewhere let go of': async () => void (await pins.repeat()),
    'background pulls looked at': async () => {
      await pulls.look(async (vm, stores) => {
        await stubs.see(vm, stores);
        await migrations.stores(vm, stores);
      });
      await stubs.tidy();
    },
  };
  void patience.repeat("the overlay's controllers looked at", CONTROLLERS_INTERVAL_MS, () => controllers.look());
  void patience.repeat('recovery points of async images looked at', POINTS_INTERVAL_MS, () => points.look());
  void patience.repeat('stores looked at, whether they were put back', STORES_INTERVAL_MS, () => stores.look());
  for (const [name, job] of Object.entries(jobs)) void patience.repeat(name, HOUSEKEEPING_INTERVAL_MS, job);
  return {
    async close() {
      for (const server of servers) await server.close();
      members.close();
      await state.close();
    },
  };
});
