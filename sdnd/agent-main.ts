// The daemon of the overlay's agent (on every node): reads its journal, keeps the switch's set-up and the gates, answers
// guests' DHCP and DNS, and the hypervisor agent of its own node and the controller. Killing it changes neither; its next start sets the
// gates by its page of them and the journal.
import { join, resolve } from 'node:path';
import { Type } from '#typebox';
import { realClock } from '../common/clock.ts';
import { runDaemon } from '../common/daemon.ts';
import { realDisk } from '../common/disk/disk.ts';
import { lockState } from '../common/disk/state-lock.ts';
import { messageOf } from '../common/errors.ts';
import { Journal } from '../common/journal/journal.ts';
import { keepShort } from '../common/journal/short-journal.ts';
import { loadIdentity } from '../common/membership/identity.ts';
import { rpcClient } from '../common/rpc/client.ts';
import { startRpcServer } from '../common/rpc/server.ts';
import { orchestratorContract } from '../wire/contracts/orchestrator.ts';
import { Foot, switchAgentContract } from '../wire/contracts/sdnd.ts';
import { Endpoint, Ipv4, Name, PortName } from '../wire/names.ts';
import { ORCHESTRATOR_PORT, SWITCH_AGENT_PORT } from '../wire/ports.ts';
import { recordsOfSwitch } from './agent/carrying-switch.ts';
import { GateKeeper } from './agent/gate-keeper.ts';
import { GatePage } from './agent/gate-page.ts';
import { GuestBook } from './agent/guest-book.ts';
import { GuestPorts, PortRecord } from './agent/guest-ports.ts';
import { HostPorts } from './agent/host-ports.ts';
import { LastTables } from './agent/last-tables.ts';
import { INTEGRATION_BRIDGE, type NodeSwitch, tunnelNumbers, wantedSwitch } from './agent/node-switch.ts';
import { ServedGuests } from './agent/served-guests.ts';
import { ServiceDesk } from './agent/service-desk.ts';
import { StubTeller } from './agent/stub-teller.ts';
import { SwitchAgent } from './agent/switch-agent.ts';
import { GuestServices } from './guest-services/guest-services.ts';
import { SwitchCommand } from './local-switch/switch-command.ts';
import { PortConnections } from './security/port-connections.ts';
import { ConfigKeeper } from './switch-config/config-keeper.ts';
import { logEvents } from './switch-config/config-log.ts';
import { startTopologyAgent } from './topology/topology-agent.ts';
import { TrafficKeeper } from './traffic/traffic-keeper.ts';

/** Each is a session of every switch. */
const STANDBYS_MAX = 4;

const Config = Type.Object({
  /** Where the journal lies. */
  state: Type.String(),
  identity: Type.String(),
  /** The underlay address on which calls are awaited. */
  address: Ipv4,
  /** Open vSwitch's run directory: its database's and its bridge's sockets. */
  openVswitch: Type.String(),
  /** Of the integration bridge: the kernel's datapath, which is meant if nothing is said, or the one in user space. */
  datapath: Type.Optional(Type.Union([Type.Literal('system'), Type.Literal('netdev')])),
  /** The node's places in underlay networks, a tunnel port for each; absent: one port for all. */
  feet: Type.Optional(Type.Array(Foot, { minItems: 1 })),
  /** A device of this node, up and without an address, that leads outside: the switch has it, and nobody else. Absent: none. */
  outside: Type.Optional(PortName),
  /** The underlay address of the overlay's controller; absent: the switch has none. */
  controller: Type.Optional(Ipv4),
  /** Its node; absent: the links to other nodes are not probed, and nobody is told what guests ask for. The orchestrator is there too. */
  controllerNode: Type.Optional(Name),
  /** Controllers that may take its place: the switch has sessions with all of them, and the active one hears of the links. */
  standbys: Type.Optional(Type.Array(Endpoint, { maxItems: STANDBYS_MAX })),
});

await runDaemon('switch-agent', Config, async (config, { log }) => {
  const identity = await loadIdentity(config.identity);
  await realDisk.makeDirectory(config.state);
  lockState(config.state, 'switch-agent');
  const { journal, records } = await Journal.open(realDisk, join(config.state, 'ports.journal'), PortRecord);
  const socket = join(config.openVswitch, `${INTEGRATION_BRIDGE}.mgmt`);
  const database = `unix:${join(config.openVswitch, 'db.sock')}` as const;
  const found = records.length > 0 ? [] : await recordsOfSwitch({ database, socket, clock: realClock, log });
  // Kept before any other record is: without it the next start would take the others' ports for nobody's.
  await journal.append(...found);
  const ports = new GuestPorts([...records, ...found]);
  const page = await GatePage.open(realDisk, join(config.state, 'gates'), log);
  ports.takeOver((portNo) => page.isOpen(portNo));
  // A node whose disk is full needs its gates all the same.
  await keepShort(journal, { bytesMax: 0, records: () => ports.records(), log });
  const { standbys = [] } = config;
  const node: NodeSwitch = {
    datapathType: config.datapath ?? 'system',
    ...(config.feet !== undefined && { feet: config.feet }),
    ...(config.outside !== undefined && { outside: config.outside }),
    ...(config.controller !== undefined && {
      controller: {
        addresses: [config.controller, ...standbys.map(({ address }) => address)],
        identity: resolve(config.identity),
      },
    }),
  };
  const { controller: address, controllerNode } = config;
  const orchestrator =
    address === undefined || controllerNode === undefined
      ? undefined
      : rpcClient(orchestratorContract, { node: controllerNode, address, port: ORCHESTRATOR_PORT }, identity);
  const stubs =
    orchestrator &&
    new StubTeller({
      call: (vm, stub) => orchestrator.call('stub.asked', { vm, stub }),
      ...{ clock: realClock, log },
    });
  const services = new GuestServices();
  const guests = new ServedGuests({
    book: await GuestBook.open(realDisk, join(config.state, 'guests.json'), identity.node),
    services,
    ports: () => ports.hostPorts(),
    asked: (guest, stub) => stubs?.asked(guest, stub),
    changed: () => {
      gates.look();
      desk.advertise();
    },
    clock: realClock,
    log,
  });
  const command = new SwitchCommand(config.openVswitch);
  const connections = new PortConnections({
    run: (name, ...words) => command.run(name, ...words),
    datapathType: node.datapathType,
  });
  const limitConnections = (portNos: readonly number[]): void =>
    void connections
      .limit(portNos)
      .catch((error: unknown) => log.warn({ reason: messageOf(error) }, "guests' connections are not bounded"));
  const gates = new GateKeeper({
    begun: () => limitConnections(ports.hostPorts().map(({ portNo }) => portNo)),
    socket,
    open: () => ports.openNumbers(),
    served: () => guests.served,
    clock: realClock,
    log,
  });
  const desk = new ServiceDesk({ socket, services, tell: (event) => guests.tell(event), clock: realClock, log });
  const known = ports.hostPorts();
  const logEvent = logEvents(log);
  const keeper = new ConfigKeeper({
    address: database,
    wanted: wantedSwitch(node, known),
    clock: realClock,
    tell: (event) => {
      logEvent(event);
      // A bridge that lost its controller, or was made anew, has lost its flows too.
      if (event.kind === 'obeyed') gates.look();
    },
  });
  const lastTables = await LastTables.open({
    ...{ socket, disk: realDisk, path: join(config.state, 'last-tables'), clock: realClock, log },
    isControlled: () => keeper.isControlled,
  });
  const host = new HostPorts({ node, ports: known, keeper });
  const tunnels = tunnelNumbers(config.feet);
  const probed = { identity, socket, tunnels, directory: config.state, disk: realDisk, clock: realClock, log };
  const topology =
    address === undefined || controllerNode === undefined
      ? undefined
      : await startTopologyAgent({ ...probed, controllers: [{ node: controllerNode, address }, ...standbys] });
  const traffic = await TrafficKeeper.start({
    ...{ directory: config.state, disk: realDisk, clock: realClock, log },
    ports: () => ports.hostPorts(),
  });
  const agent = new SwitchAgent({
    ...{ ports, journal, page, host, gates, guests, log, connections, limitConnections },
    controllers: standbys.map(({ node }) => node),
    ...(topology !== undefined && { links: topology }),
    traffic,
    servicePacketIns: () => desk.packetIns,
  });
  const calls = await startRpcServer({
    contract: switchAgentContract,
    handlers: agent.handlers(),
    identity,
    listen: { address: config.address, port: SWITCH_AGENT_PORT },
    log,
  });
  return {
    async close() {
      await calls.close();
      desk.stop();
      orchestrator?.close();
      topology?.stop();
      traffic.stop();
      gates.stop();
      lastTables.stop();
      keeper.stop();
      await journal.close();
      await page.close();
    },
  };
});
