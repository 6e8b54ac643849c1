// What a node's switch is to be: bridges, their ports and controllers, and the files for TLS. Values only; how the switch
// gets there is `config-plan.ts`'s matter.

/** What is wanted of a switch; what it has beside is left alone. */
export interface WantedConfig {
  /** Who wants it. Bridges, ports and the TLS row carry this mark; what does not is not ours. */
  readonly owner: string;
  readonly bridges: readonly WantedBridge[];
  readonly tls?: WantedTls;
}

/** A bridge. Its controllers are these and no others; its ports are these, and those that others put on it. */
export interface WantedBridge {
  readonly name: string;
  /** `system`: the kernel's datapath; `netdev`: in user space (ovs-vswitchd.conf.db(5), Bridge). */
  readonly datapathType: string;
  /** `secure`: nothing passes but by flows; `standalone`: it learns by itself without a controller. */
  readonly failMode: 'secure' | 'standalone';
  /** OpenFlow versions, as `OpenFlow13`. */
  readonly protocols: readonly string[];
  /** Keys of `other_config`, e.g. `hwaddr`; other keys are left alone. */
  readonly otherConfig?: Readonly<Record<string, string>>;
  readonly controllers: readonly WantedController[];
  readonly ports: readonly WantedPort[];
}

export interface WantedController {
  /** `ssl:10.77.0.1:6653`, `tcp:...`, `unix:...`. The role (master, slave) is asked for by the controller itself. */
  readonly target: string;
  /** `in-band`: hidden flows let the connection pass through the bridge itself; then its addresses must be there. */
  readonly connectionMode: 'in-band' | 'out-of-band';
  /** How long the switch waits at most before it tries again, ms; 1000 at the least. Absent: 8000. */
  readonly maxBackoffMs?: number;
  /** After this silence the switch asks for a sign of life, ms; 0: never. Absent: 5000. */
  readonly inactivityProbeMs?: number;
}

/** A port with one interface of the same name. */
export interface WantedPort {
  readonly name: string;
  /** Empty: a device of the node; `internal`: one that the switch makes; or a tunnel, as `vxlan`. */
  readonly type: string;
  /** Its OpenFlow number, 1 to 65279; absent: the switch's choice. */
  readonly ofport?: number;
  /** The interface's options, these and no others, as `remote_ip`. */
  readonly options?: Readonly<Record<string, string>>;
  /** Keys of the interface's `external_ids`; other keys are left alone. */
  readonly externalIds?: Readonly<Record<string, string>>;
}

/** Files (PEM) by which the switch proves itself to its controllers and knows them. */
export interface WantedTls {
  readonly privateKey: string;
  readonly certificate: string;
  readonly authority: string;
}

/** The key of `external_ids` under which a row says whose it is. */
export const OWNER_KEY = 'supercloud';

/** Whether those external ids say that the row is the owner's. */
export function isMarked(externalIds: ReadonlyMap<string, string>, owner: string): boolean {
  return externalIds.get(OWNER_KEY) === owner;
}
