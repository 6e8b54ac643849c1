// The overlay's agent of one node: makes and removes guests' ports and turns their gates. A port passes frames only
// between an answered open and the next close; which frames, the controller's flows say.
import { OperationError } from '../../common/errors.ts';
import type { Journal } from '../../common/journal/journal.ts';
import { keepShort } from '../../common/journal/short-journal.ts';
import type { Log } from '../../common/log.ts';
import type { Peer } from '../../common/membership/identity.ts';
import type { Handlers } from '../../common/rpc/server.ts';
import type { switchAgentContract } from '../../wire/contracts/sdnd.ts';
import type { PortConnections } from '../security/port-connections.ts';
import type { TopologyAgent } from '../topology/topology-agent.ts';
import type { TrafficKeeper } from '../traffic/traffic-keeper.ts';
import type { GateKeeper } from './gate-keeper.ts';
import type { GatePage } from './gate-page.ts';
import { type GuestPort, type GuestPorts, type PortRecord, portName } from './guest-ports.ts';
import type { HostPorts } from './host-ports.ts';
import type { ServedGuests } from './served-guests.ts';

/** A journal above this is rewritten as the state it leads to. */
const JOURNAL_BYTES_MAX = 256 * 1024;
/** Of guests that have just left; the oldest are forgotten. */
const LEFT_MAX = 64;

export interface SwitchAgentParts {
  readonly ports: GuestPorts;
  readonly journal: Pick<Journal<PortRecord>, 'append' | 'rewrite' | 'sizeBytes'>;
  /** Outlives this process at once, which the journal does later. */
  readonly page: Pick<GatePage, 'note'>;
  readonly host: Pick<HostPorts, 'add' | 'remove' | 'hasDevice'>;
  readonly gates: Pick<GateKeeper, 'open' | 'close' | 'forget'>;
  readonly guests: Pick<ServedGuests, 'set' | 'look'>;
  /** Absent: the node's links are not probed. */
  readonly links?: Pick<TopologyAgent, 'look' | 'packetIns'>;
  /** Absent: what guests send is not counted. */
  readonly traffic?: Pick<TrafficKeeper, 'look' | 'sent'>;
  /** Frames that the switch brought for the guests' services. */
  readonly servicePacketIns?: () => number;
  readonly connections: Pick<PortConnections, 'list'>;
  /** Bounds what the switch remembers of these ports; nobody waits for it. */
  readonly limitConnections: (portNos: readonly number[]) => void;
  /** Nodes that may have the overlay's controller, beside the one with the whole control plane. */
  readonly controllers: readonly string[];
  readonly log: Log;
}

export class SwitchAgent {
  readonly #ports: GuestPorts;
  readonly #journal: SwitchAgentParts['journal'];
  readonly #page: SwitchAgentParts['page'];
  readonly #host: SwitchAgentParts['host'];
  readonly #gates: SwitchAgentParts['gates'];
  readonly #guests: SwitchAgentParts['guests'];
  readonly #links: SwitchAgentParts['links'];
  readonly #traffic: SwitchAgentParts['traffic'];
  readonly #servicePacketIns: () => number;
  readonly #connections: SwitchAgentParts['connections'];
  readonly #limitConnections: SwitchAgentParts['limitConnections'];
  readonly #controllers: readonly string[];
  readonly #log: Log;
  /** By owner the port numbers of guests that have just left: what the switch remembers of them is asked for after that. */
  readonly #left = new Map<string, number>();
  #commands: Promise<unknown> = Promise.resolve();

  constructor(parts: SwitchAgentParts) {
    const {
      ports,
      journal,
      page,
      host,
      gates,
      guests,
      connections,
      links,
      traffic,
      servicePacketIns,
      controllers,
      log,
    } = parts;
    this.#ports = ports;
    this.#journal = journal;
    this.#page = page;
    this.#host = host;
    this.#gates = gates;
    this.#guests = guests;
    this.#links = links;
    this.#traffic = traffic;
    this.#servicePacketIns = servicePacketIns ?? (() => 0);
    this.#connections = connections;
    this.#limitConnections = parts.limitConnections;
    this.#controllers = controllers;
    this.#log = log;
  }

  /** The calls of the contract, bound to this agent. */
  handlers(): Handlers<typeof switchAgentContract> {
    return {
      'port.attach': ({ owner, mac }) => this.#inTurn(() => this.#attach(owner, mac)),
      'port.detach': ({ owner }) => this.#inTurn(() => this.#detach(owner)),
      'port.close': ({ owner }) => this.#turn(owner, false),
      'port.open': ({ owner }) => this.#turn(owner, true),
      'connections.list': ({ owner }, { peer }) => {
        this.#checkController(peer);
        return this.#listConnections(owner);
      },
      'guests.set': async (news, { peer }) => {
        this.#checkController(peer);
        await this.#guests.set(news);
        return {};
      },
      'figures.read': async (_, { peer }) => {
        this.#checkController(peer);
        const packetIns = { services: this.#servicePacketIns(), probes: this.#links?.packetIns ?? 0 };
        return { sent: (await this.#traffic?.sent()) ?? [], packetIns };
      },
      'link.look': ({ peer }) =>
        this.#links?.look(peer) ?? { hasTunnel: false, heard: 0, longestBytes: 0, wantedBytes: 0 },
    };
  }

  #checkController({ node, role }: Peer): void {
    if (role === 'controller' || this.#controllers.includes(node)) return;
    throw new OperationError('NOT_ALLOWED', `node ${node} has no controller of the overlay`);
  }

  async #attach(owner: string, mac: string): Promise<{ port: string }> {
    const name = portName(owner);
    const known = this.#ports.get(owner);
    const isIntact = known?.mac === mac && (await this.#host.hasDevice(name));
    const port = known !== undefined && isIntact ? known : await this.#newPort(owner, mac, known);
    await this.#host.add({ name, portNo: port.portNo, owner, mac });
    this.#guests.look();
    this.#traffic?.look();
    this.#log.info({ owner, port: name, portNo: port.portNo, open: port.open }, 'a port is attached');
    return { port: name };
  }

  // Durable, and closed at the switch, before there is a port of that number.
  async #newPort(owner: string, mac: string, known: GuestPort | undefined): Promise<GuestPort> {
    const portNo = known?.portNo ?? this.#ports.freeNumber();
    const port = { owner, mac, portNo, open: false };
    this.#page.note(portNo, false);
    await this.#keep({ kind: 'numbered', portNo }, { kind: 'port', port });
    await this.#gates.close(portNo);
    this.#gates.forget(portNo);
    this.#limitConnections([portNo]);
    return port;
  }

  async #detach(owner: string): Promise<Record<string, never>> {
    const port = this.#ports.get(owner);
    if (port === undefined) return {};
    this.#ports.apply({ kind: 'port', port: { ...port, open: false } });
    this.#page.note(port.portNo, false);
    await this.#gates.close(port.portNo);
    await this.#host.remove(portName(owner));
    await this.#keep({ kind: 'detached', owner });
    this.#noteLeft(owner, port.portNo);
    this.#guests.look();
    this.#traffic?.look();
    this.#log.info({ owner, port: portName(owner) }, 'a port is detached');
    return {};
  }

  /**
   * Turns a gate. Lies within a migration's hold, so the answer does not wait for the journal. While the agent lives the
   * gate follows its memory; after a kill it follows the page, which has it, and without power the guest is gone too.
   */
  async #turn(owner: string, open: boolean): Promise<Record<string, never>> {
    const port = this.#ports.get(owner);
    if (port === undefined) throw noPort(owner, open);
    this.#page.note(port.portNo, open);
    const kept = this.#keep({ kind: 'port', port: { ...port, open } });
    kept.catch((error: unknown) => this.#log.error({ err: error, owner, open }, 'a gate is not in the journal'));
    await (open ? this.#gates.open(port.portNo) : this.#gates.close(port.portNo));
    return {};
  }

  async #listConnections(owner: string): ReturnType<PortConnections['list']> {
    const portNo = this.#ports.get(owner)?.portNo ?? this.#left.get(owner);
    return portNo === undefined ? { connections: [], left: 0 } : this.#connections.list(portNo);
  }

  #noteLeft(owner: string, portNo: number): void {
    this.#left.delete(owner);
    this.#left.set(owner, portNo);
    const [oldest] = this.#left.keys();
    if (this.#left.size > LEFT_MAX && oldest !== undefined) this.#left.delete(oldest);
  }

  // Applied at once: what the gate keeper compares with must never be behind what it was told.
  async #keep(...records: PortRecord[]): Promise<void> {
    for (const record of records) this.#ports.apply(record);
    await this.#journal.append(...records);
    const state = (): PortRecord[] => this.#ports.records();
    await keepShort(this.#journal, { bytesMax: JOURNAL_BYTES_MAX, records: state, log: this.#log });
  }

  #inTurn<T>(command: () => Promise<T>): Promise<T> {
    const done = this.#commands.then(command);
    this.#commands = done.catch(() => undefined);
    return done;
  }
}

function noPort(owner: string, open: boolean): OperationError {
  return new OperationError(
    'PORT_UNKNOWN',
    `the port of ${owner} cannot be ${open ? 'opened' : 'closed'}: this node has none for it`,
    { remedy: 'Attach the port first.' },
  );
}
