// Keeps a node's switch as it is wanted, by its database's own protocol: sets it up from nothing, hears of every change,
// puts right what somebody else changed, and comes back after the database was away. Asks nothing again and again: it is
// told. What is not the owner's it never touches.
import type { Clock, Timer } from '../../common/clock.ts';
import { messageOf, OperationError } from '../../common/errors.ts';
import { comment, mutate, mutation, select } from '../ovsdb/operations.ts';
import { OvsdbClient, type ServerAddress } from '../ovsdb/ovsdb-client.ts';
import { Replica } from '../ovsdb/replica.ts';
import { rowsOf } from '../ovsdb/results.ts';
import { schemaFaults } from '../ovsdb/schema-check.ts';
import { ControllerTable, InterfaceTable, OPEN_VSWITCH, OpenVswitchTable, TABLES } from '../ovsdb/tables.ts';
import { BadValue } from '../ovsdb/values.ts';
import { type ConfigChange, type ConfigConflict, type ConfigPlan, describeChange } from './config-changes.ts';
import { planConfig } from './config-plan.ts';
import type { InterfaceRow } from './found-config.ts';
import { RepairAllowance } from './repair-allowance.ts';
import type { WantedConfig } from './wanted-config.ts';

/** What is told of a switch as it happens. */
export type ConfigEvent =
  | { readonly kind: 'connected'; readonly version: string }
  /** The database cannot be reached, or spoke rubbish; it is tried again. */
  | { readonly kind: 'lost'; readonly reason: string }
  /** The database has it. `repair`: somebody else had changed what was right. */
  | { readonly kind: 'changed'; readonly repair: boolean; readonly changes: readonly ConfigChange[] }
  /** ... and the switch has obeyed, so long after the news of what was wrong, or the wish. */
  | { readonly kind: 'obeyed'; readonly tookMs: number }
  /** Told once, until others stand in the way. */
  | { readonly kind: 'conflict'; readonly conflicts: readonly ConfigConflict[] }
  /** Told once for each reason. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** Repairs are undone again and again by somebody; they go on, but slower. */
  | { readonly kind: 'contested'; readonly waitMs: number };

export interface ConfigKeeperParts {
  readonly address: ServerAddress;
  readonly wanted: WantedConfig;
  readonly clock: Clock;
  readonly tell: (event: ConfigEvent) => void;
}

interface Waiter {
  readonly resolve: (conflicts: readonly ConfigConflict[]) => void;
  readonly reject: (error: unknown) => void;
}

/** The name of our monitor on its connection. */
const MONITOR = 'switch-config';
const RECONNECT_MIN_MS = 100;
const RECONNECT_MAX_MS = 5_000;
/** A refused transaction is tried again with what the database says by then, sooner if it says something new. */
const RETRY_MIN_MS = 500;
const RETRY_MAX_MS = 30_000;

export class ConfigKeeper {
  readonly #parts: ConfigKeeperParts;
  readonly #allowance: RepairAllowance;
  readonly #waiters = new Set<Waiter>();
  #wanted: WantedConfig;
  /** Counts what was wanted, so that who asked last knows when it is so. */
  #turn = 1;
  /** The turn whose transaction has been answered: the switch was told to look for all of it. */
  #toldTurn = 0;
  /** The turn for which the database was right; what is wrong later was changed by somebody else. */
  #rightTurn = 0;
  #cfg = 0;
  #client: OvsdbClient | undefined;
  #replica: Replica | undefined;
  #reconnectMs = RECONNECT_MIN_MS;
  #lostReason: string | undefined;
  #retryMs = RETRY_MIN_MS;
  #refusedReason: string | undefined;
  #conflicts = '';
  #isContested = false;
  #isWorking = false;
  #isChanged = false;
  /** When what is being put right became known; undefined while the switch is as wanted. */
  #wrongSinceMs: number | undefined;
  #timer: Timer | undefined;
  #isStopped = false;

  constructor(parts: ConfigKeeperParts) {
    this.#parts = parts;
    this.#wanted = parts.wanted;
    this.#allowance = new RepairAllowance(parts.clock.nowMs());
    this.#connect();
  }

  /**
   * From now on this is wanted. Answers when the switch has obeyed, with what could not be since others own it; also
   * where nothing differs the switch is asked to look again, for a device that came. @throws OperationError SWITCH_LOST
   */
  want(wanted: WantedConfig, timeoutMs: number): Promise<readonly ConfigConflict[]> {
    this.#wanted = wanted;
    this.#turn++;
    this.#wrongSinceMs ??= this.#parts.clock.nowMs();
    const { promise, resolve, reject } = Promise.withResolvers<readonly ConfigConflict[]>();
    const waiter: Waiter = { resolve, reject };
    const timer = this.#parts.clock.setTimer(timeoutMs, () => reject(this.#late(timeoutMs)));
    this.#waiters.add(waiter);
    this.#reconcile();
    return promise.finally(() => {
      timer.cancel();
      this.#waiters.delete(waiter);
    });
  }

  /** What the switch says of an interface; undefined when there is none, or the database is away. */
  interfaceOf(name: string): InterfaceRow | undefined {
    return [...(this.#replica?.rows(InterfaceTable).values() ?? [])].find((row) => row.name === name);
  }

  /** Whether a controller may change the switch's flows now; undefined where it has none, or the database is away. */
  get isControlled(): boolean | undefined {
    const all = [...(this.#replica?.rows(ControllerTable).values() ?? [])];
    return all.length === 0 ? undefined : all.some((one) => one.is_connected && one.role !== 'slave');
  }

  /** Ends the connection; the switch stays as it is. */
  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#client?.close('the agent stops');
    for (const { reject } of this.#waiters) reject(new OperationError('SWITCH_LOST', 'the agent stops'));
  }

  #connect(): void {
    const client: OvsdbClient = new OvsdbClient(this.#parts.address, this.#parts.clock, {
      connected: () => void this.#begin(client),
      closed: (reason) => this.#ended(reason),
    });
    this.#client = client;
  }

  async #begin(client: OvsdbClient): Promise<void> {
    try {
      const faults = schemaFaults(await client.getSchema(OPEN_VSWITCH), TABLES);
      if (faults.length > 0) throw new BadValue(faults.join('; '));
      const replica = new Replica(TABLES);
      await client.monitor(OPEN_VSWITCH, MONITOR, TABLES, (tables) => {
        replica.apply(tables);
        if (this.#replica === replica) this.#reconcile();
      });
      this.#replica = replica;
      // Another database may be there now, whose numbers say nothing of ours.
      this.#toldTurn = this.#turn - 1;
    } catch (error) {
      client.close(messageOf(error));
      return;
    }
    this.#reconnectMs = RECONNECT_MIN_MS;
    this.#lostReason = undefined;
    this.#parts.tell({ kind: 'connected', version: this.#root()?.ovs_version ?? '' });
    this.#reconcile();
  }

  #ended(reason: string): void {
    this.#replica = undefined;
    this.#client = undefined;
    this.#timer?.cancel();
    if (this.#isStopped) return;
    if (reason !== this.#lostReason) this.#parts.tell({ kind: 'lost', reason });
    this.#lostReason = reason;
    this.#timer = this.#parts.clock.setTimer(this.#reconnectMs, () => this.#connect());
    this.#reconnectMs = Math.min(2 * this.#reconnectMs, RECONNECT_MAX_MS);
  }

  // One transaction at a time; news that come meanwhile are looked at after it.
  #reconcile(): void {
    this.#isChanged = true;
    if (this.#isWorking) return;
    this.#isWorking = true;
    void this.#work().finally(() => {
      this.#isWorking = false;
      if (this.#isChanged && this.#replica !== undefined) this.#reconcile();
    });
  }

  async #work(): Promise<void> {
    while (this.#isChanged && this.#replica !== undefined && this.#client !== undefined) {
      this.#isChanged = false;
      const plan = planConfig(this.#wanted, this.#replica);
      this.#tellConflicts(plan.conflicts);
      if (plan.operations.length === 0) this.#rightTurn = this.#turn;
      if (this.#allowance.isFull(this.#parts.clock.nowMs())) this.#isContested = false;
      // Also without a difference the switch is told to look, once for each wish.
      if (plan.operations.length > 0 || this.#toldTurn < this.#turn) await this.#carryOut(plan, this.#client);
      else this.#settle(plan.conflicts);
    }
  }

  async #carryOut(plan: ConfigPlan, client: OvsdbClient): Promise<void> {
    const turn = this.#turn;
    const isRepair = plan.operations.length > 0 && this.#rightTurn === turn;
    // Also of what is never right: a value that the server changes, say.
    const waitMs = this.#toldTurn >= turn ? this.#allowance.take(this.#parts.clock.nowMs()) : 0;
    if (waitMs > 0) {
      this.#contested(waitMs);
      return;
    }
    this.#wrongSinceMs ??= this.#parts.clock.nowMs();
    try {
      this.#cfg = await transact(client, this.#wanted.owner, plan);
    } catch (error) {
      if (this.#client !== client) return;
      this.#refused(messageOf(error));
      return;
    }
    this.#retryMs = RETRY_MIN_MS;
    this.#refusedReason = undefined;
    this.#toldTurn = Math.max(this.#toldTurn, turn);
    // The news of our own change came before the answer (RFC 7047, 4.1.6), and are looked at next.
    this.#isChanged = true;
    if (plan.changes.length > 0) this.#parts.tell({ kind: 'changed', repair: isRepair, changes: plan.changes });
  }

  #refused(reason: string): void {
    if (reason !== this.#refusedReason) this.#parts.tell({ kind: 'refused', reason });
    this.#refusedReason = reason;
    this.#later(this.#retryMs);
    this.#retryMs = Math.min(2 * this.#retryMs, RETRY_MAX_MS);
  }

  #contested(waitMs: number): void {
    if (!this.#isContested) this.#parts.tell({ kind: 'contested', waitMs });
    this.#isContested = true;
    this.#later(waitMs);
  }

  #later(waitMs: number): void {
    this.#isChanged = false;
    this.#timer?.cancel();
    this.#timer = this.#parts.clock.setTimer(waitMs, () => this.#reconcile());
  }

  // Right in the database, and obeyed by the switch.
  #settle(conflicts: readonly ConfigConflict[]): void {
    if ((this.#root()?.cur_cfg ?? 0) < this.#cfg) return;
    if (this.#wrongSinceMs !== undefined) {
      this.#parts.tell({ kind: 'obeyed', tookMs: this.#parts.clock.nowMs() - this.#wrongSinceMs });
      this.#wrongSinceMs = undefined;
    }
    for (const { resolve } of this.#waiters) resolve(conflicts);
  }

  #root() {
    const [root] = this.#replica?.rows(OpenVswitchTable).values() ?? [];
    return root;
  }

  #tellConflicts(conflicts: readonly ConfigConflict[]): void {
    const text = JSON.stringify(conflicts);
    if (text === this.#conflicts) return;
    this.#conflicts = text;
    if (conflicts.length > 0) this.#parts.tell({ kind: 'conflict', conflicts });
  }

  #late(timeoutMs: number): OperationError {
    const why = this.#replica === undefined ? `: its database cannot be reached (${this.#lostReason ?? 'yet'})` : '';
    return new OperationError('SWITCH_LOST', `this node's switch has not obeyed within ${timeoutMs} ms${why}`, {
      remedy: 'Check that ovsdb-server and ovs-vswitchd run on this node.',
    });
  }
}

/** Answers with the number that the switch repeats in `cur_cfg` when it has obeyed. */
async function transact(client: OvsdbClient, owner: string, plan: ConfigPlan): Promise<number> {
  const remark = `${owner}: ${plan.changes.map(describeChange).join('; ') || 'look again'}`;
  const results = await client.transact(OPEN_VSWITCH, [
    ...plan.operations,
    mutate(OpenVswitchTable, [], [mutation(OpenVswitchTable, 'next_cfg', '+=', 1)]),
    comment(remark),
    select(OpenVswitchTable),
  ]);
  const [root] = rowsOf(OpenVswitchTable, results.at(-1));
  return root?.next_cfg ?? 0;
}
