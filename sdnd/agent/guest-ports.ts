// The guests' ports of one node: who has which number, and whether its gate is open. Pure state that records are applied
// to; it makes no device and writes no flow.
import { createHash } from 'node:crypto';
import { Type } from '#typebox';
import { OperationError } from '../../common/errors.ts';
import { Mac, Name } from '../../wire/names.ts';
import { AGENT_PORT_FIRST, AGENT_PORT_LAST } from '../pipeline.ts';
import type { HostPort } from './host-ports.ts';

const PortNo = Type.Integer({ minimum: AGENT_PORT_FIRST, maximum: AGENT_PORT_LAST });

/** One guest's port at this node. */
export const GuestPort = Type.Object({ owner: Name, mac: Mac, portNo: PortNo, open: Type.Boolean() });
export type GuestPort = Type.Static<typeof GuestPort>;

/** One change, as the agent's journal keeps it. */
export const PortRecord = Type.Union([
  Type.Object({ kind: Type.Literal('port'), port: GuestPort }),
  Type.Object({ kind: Type.Literal('detached'), owner: Name }),
  /** The highest number that was given out, so that none is given to another guest soon after. */
  Type.Object({ kind: Type.Literal('numbered'), portNo: PortNo }),
]);
export type PortRecord = Type.Static<typeof PortRecord>;

/** With the prefix 14 characters, of the 15 that a device's name may have; 2^44 names make a clash on a node unheard of. */
const NAME_HEX_DIGITS = 11;

/** The name of a guest's device and switch port, the same at every node. */
export function portName(owner: string): string {
  return `vm-${createHash('sha256').update(owner).digest('hex').slice(0, NAME_HEX_DIGITS)}`;
}

export class GuestPorts {
  readonly #ports = new Map<string, GuestPort>();
  #lastNo = AGENT_PORT_FIRST - 1;

  constructor(records: readonly PortRecord[] = []) {
    for (const record of records) this.apply(record);
  }

  /** Takes a change over; never fails. */
  apply(record: PortRecord): void {
    switch (record.kind) {
      case 'port':
        this.#ports.set(record.port.owner, record.port);
        break;
      case 'detached':
        this.#ports.delete(record.owner);
        break;
      case 'numbered':
        this.#lastNo = record.portNo;
        break;
    }
  }

  /** Takes over how gates were turned that the records do not say yet. */
  takeOver(turned: (portNo: number) => boolean | undefined): void {
    for (const port of [...this.#ports.values()]) {
      this.#ports.set(port.owner, { ...port, open: turned(port.portNo) ?? port.open });
    }
  }

  /** The shortest list of records that makes this state. */
  records(): PortRecord[] {
    const ports = [...this.#ports.values()].map((port) => ({ kind: 'port', port }) as const);
    return this.#lastNo < AGENT_PORT_FIRST ? ports : [{ kind: 'numbered', portNo: this.#lastNo }, ...ports];
  }

  get(owner: string): GuestPort | undefined {
    return this.#ports.get(owner);
  }

  /** What each port is made from at the host. */
  hostPorts(): HostPort[] {
    return [...this.#ports.values()].map(({ owner, mac, portNo }) => ({ name: portName(owner), owner, mac, portNo }));
  }

  /** The numbers of the ports that frames may pass. */
  openNumbers(): number[] {
    return [...this.#ports.values()].filter(({ open }) => open).map(({ portNo }) => portNo);
  }

  /** A number that no port has and, as long as there are others, none had. @throws OperationError PORTS_EXHAUSTED */
  freeNumber(): number {
    const used = new Set([...this.#ports.values()].map(({ portNo }) => portNo));
    const count = AGENT_PORT_LAST - AGENT_PORT_FIRST + 1;
    for (let step = 1; step <= count; step++) {
      const portNo = AGENT_PORT_FIRST + ((this.#lastNo - AGENT_PORT_FIRST + step) % count);
      if (!used.has(portNo)) return portNo;
    }
    throw new OperationError('PORTS_EXHAUSTED', `all ${count} port numbers of this node's switch are in use`);
  }
}
