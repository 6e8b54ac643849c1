// What the orchestrator must remember over a crash: VMs, migrations' journals, members, its term. Everything is held
// in memory and written through; a record that was not committed was never there.
import { Level } from 'level';
import { isHeadless, readyLevelDirectory } from '../common/disk/level-directory.ts';
import { messageOf, OperationError } from '../common/errors.ts';
import type { MigrationState } from '../wire/contracts/cluster-state.ts';
import type { EgressOrder } from '../wire/contracts/egress.ts';
import type { StubEvent } from '../wire/contracts/events.ts';
import type { NodeOutside } from '../wire/contracts/guest-network.ts';
import type { Capabilities, MachineSpec } from '../wire/contracts/hypervisor.ts';
import type { Ipv6Order } from '../wire/contracts/ipv6.ts';
import type { StubOrder } from '../wire/contracts/network-stubs.ts';
import type { NodeUnderlay } from '../wire/contracts/sdnd.ts';
import type { SecurityGroup } from '../wire/contracts/security-groups.ts';
import type { UnderlayMember } from '../wire/contracts/underlay.ts';

/** A member node; `capabilities` are null until its agent registered. */
export interface MemberRecord {
  readonly node: string;
  readonly cloud: string;
  readonly address: string;
  /** Absent: in the one network of all such nodes. */
  readonly underlay?: NodeUnderlay;
  /** Absent: no network leaves there. */
  readonly outside?: NodeOutside;
  readonly role: 'controller' | 'node';
  readonly capabilities: Capabilities | null;
}

/** A VM: where it may run and under which epoch (SOUNDNESS B5). */
export interface VmRecord {
  readonly vm: string;
  readonly node: string;
  readonly phase: 'creating' | 'settled' | 'deleting';
  readonly epoch: number;
  /** The highest epoch ever offered to a destination. */
  readonly offeredEpoch: number;
  readonly spec: MachineSpec;
  readonly port: string;
}

/** What a migration makes: the transfer in the catalogue; flows, port, stand-by and waiting machine at its destination. */
export type Reversal = 'transfer' | 'flows' | 'port' | 'standby' | 'machine';

/** A migration's journal: the step it is about to take, and what undoing or finishing it needs. */
export interface MigrationRecord extends MigrationState {
  readonly term: number;
  /** The VM epoch that the destination would hold. */
  readonly epoch: number;
  /** The switch port made at the destination; empty before that. */
  readonly port: string;
  /**
   * What is to be taken back if the VM stays where it is, written before any of it is made; of a failed one what is not
   * taken back yet. Empty once it has moved.
   */
  readonly toUndo: readonly Reversal[];
}

/** An address of the overlay that belongs to no VM: a front-end, a client. */
export interface AddressRecord {
  readonly owner: string;
  readonly node: string;
  readonly port: string;
  readonly mac: string;
  readonly ip: string;
  /** Raised each time the address moves, so that the newer place wins (PROMISES N3). */
  readonly epoch: number;
}

/** What the operator set for an image. */
export interface ImageRecord {
  readonly image: string;
  readonly pullRateBytesPerSecond: number;
}

/** A number that only rises. `vm-epoch`: the highest epoch that a VM which is gone ever had or was offered. */
export interface CounterRecord {
  readonly value: number;
}

/** The overlay's controller that was chosen, written before it is told. No term is ever given twice. */
export interface NetworkControllerRecord {
  readonly node: string;
  readonly term: number;
}

interface Tables {
  members: MemberRecord;
  vms: VmRecord;
  migrations: MigrationRecord;
  addresses: AddressRecord;
  images: ImageRecord;
  counters: CounterRecord;
  events: StubEvent;
  groups: SecurityGroup;
  underlay: UnderlayMember;
  /** By network. */
  egress: EgressOrder;
  /** By name. */
  stubs: StubOrder;
  /** By network. */
  ipv6: Ipv6Order;
  networkController: NetworkControllerRecord;
}

type Table = keyof Tables;

const TABLES: readonly Table[] = [
  'members',
  'vms',
  'migrations',
  'addresses',
  'images',
  'counters',
  'events',
  'groups',
  'underlay',
  'egress',
  'stubs',
  'ipv6',
  'networkController',
];
const TERM_KEY = 'controller!term';

/** The orchestrator's durable state on `level`: small tables, each commit synced before it counts. */
export class State {
  readonly #level: Level<string, unknown>;
  readonly #tables: { readonly [T in Table]: Map<string, Tables[T]> } = {
    members: new Map(),
    vms: new Map(),
    migrations: new Map(),
    addresses: new Map(),
    images: new Map(),
    counters: new Map(),
    events: new Map(),
    groups: new Map(),
    underlay: new Map(),
    egress: new Map(),
    stubs: new Map(),
    ipv6: new Map(),
    networkController: new Map(),
  };
  readonly #listeners = new Set<() => void>();
  /** Counts this controller's starts; every command of a migration carries it (SOUNDNESS B8). */
  readonly term: number;

  private constructor(level: Level<string, unknown>, term: number) {
    this.#level = level;
    this.term = term;
  }

  /** Opens or makes the state in a directory and raises the term, durably. @throws OperationError STATE_DAMAGED; Error of the disk */
  static async open(directory: string): Promise<State> {
    if (await isHeadless(directory)) throw damaged(directory, 'its file CURRENT is missing');
    await readyLevelDirectory(directory);
    const level = new Level<string, unknown>(directory, { valueEncoding: 'json' });
    await level.open().catch((error: unknown) => {
      throw damaged(directory, messageOf(error instanceof Error ? (error.cause ?? error) : error), error);
    });
    const before = await level.get(TERM_KEY);
    const term = (typeof before === 'number' ? before : 0) + 1;
    await level.batch([{ type: 'put', key: TERM_KEY, value: term }], { sync: true });
    const state = new State(level, term);
    for (const table of TABLES) await state.#load(table);
    return state;
  }

  async #load<T extends Table>(table: T): Promise<void> {
    for await (const [key, value] of this.#level.iterator({ gt: `${table}!`, lt: `${table}"` })) {
      this.#tables[table].set(key.slice(table.length + 1), value as Tables[T]);
    }
  }

  all<T extends Table>(table: T): Tables[T][] {
    return [...this.#tables[table].values()];
  }

  get<T extends Table>(table: T, key: string): Tables[T] | undefined {
    return this.#tables[table].get(key);
  }

  /** Commits a record; it counts from the moment this resolves. */
  async put<T extends Table>(table: T, key: string, record: Tables[T]): Promise<void> {
    await this.#level.batch([{ type: 'put', key: `${table}!${key}`, value: record }], { sync: true });
    this.show(table, key, record);
  }

  /** Shows a record that need not survive a crash (progress figures). */
  show<T extends Table>(table: T, key: string, record: Tables[T]): void {
    this.#tables[table].set(key, record);
    this.changed();
  }

  async remove(table: Table, key: string): Promise<void> {
    await this.#level.batch([{ type: 'del', key: `${table}!${key}` }], { sync: true });
    this.#tables[table].delete(key);
    this.changed();
  }

  /** Tells every watcher that something it may show is different now. */
  changed(): void {
    for (const listener of this.#listeners) listener();
  }

  /** Calls back after every change until the answer is called. */
  watch(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    await this.#level.close();
  }
}

/** Empty, it would know no member and no VM, and its term would be one that nodes have seen. */
function damaged(directory: string, why: string, cause?: unknown): OperationError {
  return new OperationError('STATE_DAMAGED', `the state in ${directory} cannot be opened: ${why}`, {
    remedy: 'Look at that disk (is it full, does another controller have it?), and bring the directory back as it was.',
    cause,
  });
}
