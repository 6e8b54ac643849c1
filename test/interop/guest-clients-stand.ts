// A node's services behind a real Open vSwitch: two guests' namespaces at its ports, the frames brought to the
// desk and answered by it over the switch's own socket. Set up for tests and taken down whole. Not a test
// itself.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { applyActions, type FlowMod, flowMod, type Instruction, ipv4, type Match, type Message } from '@openflow/ofp';
import { realClock } from '../../common/clock.ts';
import { createLog } from '../../common/log.ts';
import { createNamespaces, createVethPair, destroyNamespaces, namespaceName, runIn } from '../../lab/namespace.ts';
import { type OpenVswitch, startOpenVswitch } from '../../lab/open-vswitch.ts';
import { ServiceDesk } from '../../sdnd/agent/service-desk.ts';
import { serviceMeter, TO_SERVICES } from '../../sdnd/agent/service-flows.ts';
import type { ServiceEvent } from '../../sdnd/guest-services/answers.ts';
import type { GuestHost } from '../../sdnd/guest-services/guest-network.ts';
import { GuestServices } from '../../sdnd/guest-services/guest-services.ts';
import { serviceMatches } from '../../sdnd/guest-services/service-matches.ts';
import { DB, NETWORK, WEB } from '../unit/guest-services/small-network.ts';
import { makeIntegrationBridge } from './integration-bridge.ts';
import { OpenFlowConnection } from './openflow-connection.ts';

const RUN_ID = `guests${process.pid}`;
const UPLINK = 'up0';
/** Who is asked for names outside. */
export const RESOLVER = '198.51.100.53';
/** A client on a busy machine may try several times. */
const CLIENT_TIMEOUT_MS = 120_000;
const PRIORITY = 100;

export const PORTS = { web: 0x1007, db: 0x1008 } as const;
export type GuestName = keyof typeof PORTS;
const HOSTS: Readonly<Record<GuestName, GuestHost>> = { web: WEB, db: DB };
const NAMES = ['web', 'db'] as const;

export class GuestClientsStand {
  readonly directory = mkdtempSync(join(tmpdir(), 'guests-'));
  /** What the services told, in order. */
  readonly events: ServiceEvent[] = [];
  readonly #namespaces: string[] = [];
  #openVswitch: OpenVswitch | undefined;
  #desk: ServiceDesk | undefined;

  async start(): Promise<void> {
    this.#namespaces.push(...['wire', 'node', ...NAMES].map((role) => namespaceName(RUN_ID, role)));
    await createNamespaces(this.#namespaces);
    const node = namespaceName(RUN_ID, 'node');
    await createVethPair(
      { namespace: namespaceName(RUN_ID, 'wire'), device: 'far' },
      { namespace: node, device: UPLINK },
    );
    const runDirectory = `${this.directory}/ovs`;
    const uplink = { underlayAddress: '10.77.0.1/24', uplink: UPLINK };
    const openVswitch = await startOpenVswitch({ namespace: node, runDirectory, ...uplink });
    this.#openVswitch = openVswitch;
    await makeIntegrationBridge(openVswitch.databaseSocket);
    for (const name of NAMES) await this.#plug(name, openVswitch);
    await this.#serve(openVswitch.integrationBridgeManagementSocket);
  }

  async stop(): Promise<void> {
    this.#desk?.stop();
    await this.#openVswitch?.stop();
    await destroyNamespaces(this.#namespaces);
    rmSync(this.directory, { recursive: true });
  }

  /** A shell's words in a guest; what it prints, whatever its exit status, which is the last line. */
  async run(name: GuestName, script: string): Promise<{ text: string; code: number }> {
    const words = `cd ${this.directory}/${name}\n(\n${script}\n) 2>&1\necho "exit $?"`;
    const namespace = namespaceName(RUN_ID, name);
    const text = await runIn(namespace, 'sh', ['-c', words], { timeoutMs: CLIENT_TIMEOUT_MS });
    const found = /exit (\d+)\n$/.exec(text);
    return { text: text.slice(0, found?.index), code: Number(found?.[1]) };
  }

  /** Puts an executable file into a guest's own folder, and answers its path. */
  script(name: GuestName, file: string, text: string): string {
    const path = `${this.directory}/${name}/${file}`;
    writeFileSync(path, text, { mode: 0o755 });
    return path;
  }

  read(name: GuestName, file: string): string {
    return readFileSync(`${this.directory}/${name}/${file}`, 'utf8');
  }

  /** The events of a kind since the last call of this. */
  take<K extends ServiceEvent['kind']>(kind: K): Extract<ServiceEvent, { kind: K }>[] {
    const isOf = (event: ServiceEvent): event is Extract<ServiceEvent, { kind: K }> => event.kind === kind;
    return this.events.splice(0).filter(isOf);
  }

  async #plug(name: GuestName, openVswitch: OpenVswitch): Promise<void> {
    mkdirSync(`${this.directory}/${name}`);
    const near = { namespace: namespaceName(RUN_ID, 'node'), device: `vm-${name}` };
    const far = { namespace: namespaceName(RUN_ID, name), device: 'eth0', mac: HOSTS[name].mac };
    await createVethPair(near, far);
    await openVswitch.addPort({ port: near.device, ofport: PORTS[name] });
  }

  async #serve(socket: string): Promise<void> {
    const ports = NAMES.map((name) => ({ portNo: PORTS[name], tenant: NETWORK.tenant, host: HOSTS[name] }));
    const services = new GuestServices();
    services.serve([{ ...NETWORK, resolvers: [ipv4(RESOLVER)] }], ports, realClock.nowMs());
    const flows = new OpenFlowConnection(socket);
    flows.send({ type: 'hello', versions: [4] });
    await flows.next('hello');
    await flows.commit(...ports.flatMap(({ portNo }) => bringing(portNo)));
    flows.close();
    const log = createLog('guests', 'silent');
    const tell = (event: ServiceEvent): void => {
      this.events.push(event);
    };
    this.#desk = new ServiceDesk({ socket, services, tell, clock: realClock, log });
  }
}

function bringing(inPort: number): Message[] {
  const bring: Instruction[] = [{ type: 'meter', meterId: inPort }, applyActions(TO_SERVICES)];
  const row = (match: Match): FlowMod =>
    flowMod({ command: 'add', tableId: 0, priority: PRIORITY, match: { inPort, ...match }, instructions: bring });
  return [serviceMeter(inPort), ...serviceMatches(NETWORK).map(row)];
}
