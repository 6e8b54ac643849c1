// What the switch of this node remembers of the connections of its guests' ports, each in a zone of its own.
import { CONNECTIONS_MAX, type GuestConnection } from '../../wire/contracts/security-groups.ts';
import { connectionsIn } from './connection-dump.ts';

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

  /** @throws OperationError SWITCH_LOST, SWITCH_REFUSED */
  async list(portNo: number): Promise<{ connections: GuestConnection[]; left: number }> {
    const dump = await this.#parts.run('dpctl/dump-conntrack', this.#datapath, `zone=${portNo}`);
    return connectionsIn(dump, portNo, CONNECTIONS_MAX);
  }
}
