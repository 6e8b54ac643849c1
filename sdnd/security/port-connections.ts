// What the switch of this node remembers of the connections of its guests' ports, each in a zone of its own, and how much
// of that: a guest that opens connections without end takes neither the switch's memory nor the others' connections.
import { CONNECTIONS_MAX, type GuestConnection } from '../../wire/contracts/security-groups.ts';
import { connectionsIn } from './connection-dump.ts';

/**
 * Of one guest: some 13 MB of the switch's memory, enough for a server that is called 1,000 times a second, and told in one
 * answer (`SPLIT_LIMITS`) when the guest moves.
 */
const PORT_CONNECTIONS_MAX = 32_768;
/** Of all ways out of a node together, of each two entries. */
const OTHER_CONNECTIONS_MAX = 524_288;

export interface PortConnectionsParts {
  /** A command to the switch daemon. @throws OperationError SWITCH_LOST, SWITCH_REFUSED */
  readonly run: (command: string, ...words: readonly string[]) => Promise<string>;
  /** As in the database: `system` or `netdev`. */
  readonly datapathType: string;
}

export class PortConnections {
  readonly #parts: PortConnectionsParts;
  readonly #datapath: string;

  constructor(parts: PortConnectionsParts) {
    this.#parts = parts;
    this.#datapath = `${parts.datapathType}@ovs-${parts.datapathType}`;
  }

  /** For these ports, and all that is no port's; a switch that was restarted knows it no more. @throws OperationError SWITCH_LOST, SWITCH_REFUSED */
  async limit(portNos: readonly number[]): Promise<void> {
    const zones = portNos.map((portNo) => `zone=${portNo},limit=${PORT_CONNECTIONS_MAX}`);
    await this.#parts.run('dpctl/ct-set-limits', this.#datapath, `default=${OTHER_CONNECTIONS_MAX}`, ...zones);
  }

  /** @throws OperationError SWITCH_LOST, SWITCH_REFUSED */
  async list(portNo: number): Promise<{ connections: GuestConnection[]; left: number }> {
    const dump = await this.#parts.run('dpctl/dump-conntrack', this.#datapath, `zone=${portNo}`);
    return connectionsIn(dump, portNo, CONNECTIONS_MAX);
  }
}
