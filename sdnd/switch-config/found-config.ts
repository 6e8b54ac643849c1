// What a switch's database says, arranged for who compares it with what is wanted: bridges by name, ports with the bridge
// that they are on. Reads only.
import type { Row, Table } from '../ovsdb/table.ts';
import {
  BridgeTable,
  ControllerTable,
  InterfaceTable,
  OpenVswitchTable,
  PortTable,
  SslTable,
} from '../ovsdb/tables.ts';
import type { Uuid } from '../ovsdb/values.ts';

/** Rows by table: a replica, or another picture of a database. */
export interface Rows {
  rows<T extends Table>(of: T): ReadonlyMap<Uuid, Row<T>>;
}

export type RootRow = Row<typeof OpenVswitchTable>;
export type BridgeRow = Row<typeof BridgeTable>;
export type PortRow = Row<typeof PortTable>;
export type InterfaceRow = Row<typeof InterfaceTable>;

/** A port and where it is. */
export interface FoundPort {
  readonly port: PortRow;
  readonly bridge: BridgeRow;
}

export class FoundConfig {
  readonly root: RootRow | undefined;
  readonly bridges: ReadonlyMap<string, BridgeRow>;
  readonly ports: ReadonlyMap<string, FoundPort>;
  /** The port whose interface has that name; mostly its own. */
  readonly portsByInterface: ReadonlyMap<string, FoundPort>;
  readonly #rows: Rows;

  constructor(rows: Rows) {
    this.#rows = rows;
    [this.root] = [...rows.rows(OpenVswitchTable).values()];
    const bridges = pick(rows.rows(BridgeTable), this.root?.bridges ?? []);
    const ports = bridges.flatMap((bridge) =>
      pick(rows.rows(PortTable), bridge.ports).map((port) => ({ port, bridge })),
    );
    this.bridges = new Map(bridges.map((bridge) => [bridge.name, bridge]));
    this.ports = new Map(ports.map((found) => [found.port.name, found]));
    this.portsByInterface = new Map(
      ports.flatMap((found) => this.interfacesOf(found.port).map(({ name }) => [name, found] as const)),
    );
  }

  interfacesOf(port: PortRow): InterfaceRow[] {
    return pick(this.#rows.rows(InterfaceTable), port.interfaces);
  }

  portsOf(bridge: BridgeRow): PortRow[] {
    return pick(this.#rows.rows(PortTable), bridge.ports);
  }

  controllersOf(bridge: BridgeRow): Row<typeof ControllerTable>[] {
    return pick(this.#rows.rows(ControllerTable), bridge.controller);
  }

  get tls(): Row<typeof SslTable> | undefined {
    const uuid = this.root?.ssl;
    return uuid === undefined ? undefined : this.#rows.rows(SslTable).get(uuid);
  }
}

function pick<R>(rows: ReadonlyMap<Uuid, R>, uuids: readonly Uuid[]): R[] {
  return uuids.flatMap((uuid) => rows.get(uuid) ?? []);
}
