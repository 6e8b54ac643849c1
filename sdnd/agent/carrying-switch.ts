// What an agent that has no records finds at a switch which carries guests: their ports, by what is written beside them, and
// which of those are open, by the flows that only agents write. Reads only; without it the ports of running machines would be
// taken for leftovers of nobody, and taken away.
import type { Clock } from '../../common/clock.ts';
import { messageOf } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import { SchemaCheck } from '../../common/schema-check.ts';
import { type Flow, flowKey } from '../flow.ts';
import { LocalSwitch } from '../local-switch/local-switch.ts';
import { OvsdbClient, type ServerAddress } from '../ovsdb/ovsdb-client.ts';
import { Replica } from '../ovsdb/replica.ts';
import { OPEN_VSWITCH, TABLES } from '../ovsdb/tables.ts';
import { FoundConfig, type Rows } from '../switch-config/found-config.ts';
import { isMarked } from '../switch-config/wanted-config.ts';
import { GATE_FILTER, gateFlows } from './gate.ts';
import { GuestPort, type PortRecord, portName } from './guest-ports.ts';
import { ATTACHED_MAC_KEY, INTEGRATION_BRIDGE, OWNER, PORT_OWNER_KEY } from './node-switch.ts';

/** A switch that is being started is there after a second or two. */
const RETRY_MS = 500;
const MONITOR = 'guest-ports';
const CHECK = new SchemaCheck(GuestPort);

export interface CarryingSwitchParts {
  readonly database: ServerAddress;
  /** The bridge's management socket. */
  readonly socket: string;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * The records that lead to what the switch has; none where no guest has a port. Waits for a switch that is away as long as
 * that is: one that cannot be read may carry guests all the same.
 */
export async function recordsOfSwitch(parts: CarryingSwitchParts): Promise<PortRecord[]> {
  const rows = await again(parts, () => readDatabase(parts));
  const ports = closedPorts(rows);
  if (ports.length === 0) return [];
  const flows = await again(parts, () => readGates(parts));
  const open = openPorts(ports, flows);
  parts.log.warn(
    { ports: ports.length, open: open.length },
    'without records: guests’ ports are as the switch has them',
  );
  return recordsOf(ports, open);
}

/** Guests' ports by the switch's database, as closed ones: of the gates it knows nothing. */
export function closedPorts(rows: Rows): GuestPort[] {
  const found = new FoundConfig(rows);
  const bridge = found.bridges.get(INTEGRATION_BRIDGE);
  if (bridge === undefined) return [];
  return found.portsOf(bridge).flatMap((port) => {
    const [device] = found.interfacesOf(port);
    const ids = device?.external_ids;
    const guest: unknown = {
      owner: ids?.get(PORT_OWNER_KEY),
      mac: ids?.get(ATTACHED_MAC_KEY),
      portNo: device?.ofport_request,
      open: false,
    };
    const isGuests = isMarked(port.external_ids, OWNER) && CHECK.accepts(guest) && port.name === portName(guest.owner);
    return isGuests ? [guest] : [];
  });
}

/** Those of which both gate flows are there: an earlier life that was killed while it closed one had begun with the way in. */
export function openPorts(ports: readonly GuestPort[], flows: readonly Flow[]): GuestPort[] {
  const keys = new Set(flows.map(flowKey));
  return ports.filter(({ portNo }) => gateFlows(portNo).every((flow) => keys.has(flowKey(flow))));
}

function recordsOf(ports: readonly GuestPort[], open: readonly GuestPort[]): PortRecord[] {
  const portNo = Math.max(...ports.map((port) => port.portNo));
  const records = ports.map((port) => ({ kind: 'port', port: { ...port, open: open.includes(port) } }) as const);
  return [{ kind: 'numbered', portNo }, ...records];
}

async function readDatabase({ database, clock }: CarryingSwitchParts): Promise<Rows> {
  const { promise: connected, resolve, reject } = Promise.withResolvers<void>();
  const client = new OvsdbClient(database, clock, {
    connected: resolve,
    closed: (reason) => reject(new Error(reason)),
  });
  try {
    await connected;
    const replica = new Replica(TABLES);
    await client.monitor(OPEN_VSWITCH, MONITOR, TABLES, (tables) => replica.apply(tables));
    return replica;
  } finally {
    client.close('all is read');
  }
}

async function readGates({ socket, clock, log }: CarryingSwitchParts): Promise<readonly Flow[]> {
  const nothing = (): void => undefined;
  const local = new LocalSwitch({ socket, who: 'found ports', clock, log }, { begun: nothing, ended: nothing });
  try {
    return await (await local.session()).readFlows(GATE_FILTER);
  } finally {
    local.stop();
  }
}

async function again<T>({ clock, log }: CarryingSwitchParts, read: () => Promise<T>): Promise<T> {
  for (let told = ''; ; ) {
    try {
      return await read();
    } catch (error) {
      const reason = messageOf(error);
      if (reason !== told) log.warn({ reason }, 'without records the agent waits until it can read its switch');
      told = reason;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    clock.setTimer(RETRY_MS, resolve);
    await promise;
  }
}
