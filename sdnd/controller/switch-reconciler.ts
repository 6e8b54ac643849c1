// Brings one switch to its wanted flows and keeps it there: one comparison after the other, only differences sent.
// The loss of a session changes nothing on the switch and nothing here but the certainty of what is installed.
import type { FlowMod, FlowStats, Message, Port } from '@openflow/ofp';
import type { Clock, Timer } from '../../common/clock.ts';
import { messageOf, OperationError } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import { type Flow, flowsByKey } from '../flow.ts';
import { describeDiff, diffFlows, type FlowDiff, flowMods } from '../flow-diff.ts';
import { type Translations, translationsIn, zonesToForget } from '../forwarding/past-translations.ts';
import type { ChangedFlows } from '../forwarding/scene.ts';
import type { SwitchView } from '../forwarding/view.ts';
import { isAgentCookie } from '../pipeline.ts';
import { forgetZone } from '../security/forget-zone.ts';
import { flowRounds } from './flow-rounds.ts';
import type { SwitchWatch } from './switch-watch.ts';
import { type Explanations, UnexplainedFlows } from './unexplained-flows.ts';

/** The operations of a switch's connection that are needed here. */
export interface SwitchConnection {
  readFlows(): Promise<readonly FlowStats[]>;
  /** How many entries it has but agents'. */
  countFlows(): Promise<number>;
  apply(mods: readonly FlowMod[]): Promise<void>;
  /** Sends what needs no answer. */
  say(messages: readonly Message[]): void;
}

/** What a switch should have at one moment. */
export interface Wanted {
  /** All of it, no two entries of one key. */
  flows(): readonly Flow[];
  /** What is other than it was at an earlier moment. */
  since(before: Wanted): ChangedFlows;
}

export interface ReconcilerParts {
  /** Tells of a flow that is not wanted whether it is of the past of a guest that is known. */
  readonly past: () => (flow: Flow) => boolean;
  /** Whether a flow that is not wanted may be so yet: of whose it is will be told; absent: all was told. */
  readonly awaits?: (flow: Flow) => boolean;
  /** Told what a switch has whenever that was read, before it is compared. */
  readonly found?: (flows: readonly FlowStats[]) => void;
  readonly watch: SwitchWatch;
  readonly clock: Clock;
  readonly log: Log;
}

/** What the last comparison of wanted and installed said. */
export interface SwitchReport {
  readonly connected: boolean;
  readonly flows: number;
  readonly differences: readonly string[];
}

/** Differences that are told; of more only the number. */
const DIFFERENCES_MAX = 50;
const KEPT = 'a switch has many flows that this controller knows nothing of; they are kept for ten minutes';

export class SwitchReconciler {
  /** Sent to it since this process began. */
  flowMods = 0;
  readonly node: string;
  readonly #wanted: (view: SwitchView) => Wanted | undefined;
  readonly #explanations: Explanations;
  readonly #found: ReconcilerParts['found'];
  readonly #watch: SwitchWatch;
  readonly #clock: Clock;
  readonly #log: Log;
  #connection: SwitchConnection | undefined;
  /** Never changed: others take their place. */
  #ports: ReadonlyMap<string, number> = new Map();
  readonly #portWaiters = new Set<() => void>();
  /** What was wanted when that was last asked. */
  #noted: Wanted | undefined;
  /** Whether the switch has that, and `#kept`. Else it must be read. */
  #isKnown = false;
  /** As the switch last confirmed. */
  readonly #translations: Translations = new Map();
  /** What it has beside that, and nobody explains. */
  #kept: readonly Flow[] = [];
  #isCurrent = false;
  /** The controller's entries that it had when it was last brought up to date. */
  #flows = 0;
  readonly #unexplained = new UnexplainedFlows();
  #readAtMs = Number.NEGATIVE_INFINITY;
  #differences: readonly string[] = [];
  #work: Promise<unknown> = Promise.resolve();
  #nextUpdate: Promise<string | undefined> | undefined;
  #pending: Promise<unknown> | undefined;
  #timer: Timer | undefined;

  constructor(node: string, wanted: (view: SwitchView) => Wanted | undefined, parts: ReconcilerParts) {
    this.node = node;
    this.#wanted = wanted;
    this.#explanations = { past: parts.past, awaits: parts.awaits ?? (() => false) };
    this.#found = parts.found;
    this.#watch = parts.watch;
    this.#clock = parts.clock;
    this.#log = parts.log;
  }

  get connected(): boolean {
    return this.#connection !== undefined;
  }

  /** In this session it had all that was wanted, when it was last brought up to date. */
  get isCurrent(): boolean {
    return this.#isCurrent;
  }

  /** Its ports' numbers by name, as it last told them. */
  get ports(): ReadonlyMap<string, number> {
    return this.#ports;
  }

  /** All flows that it has at this moment, its agent's too. @throws OperationError SWITCH_LOST, SWITCH_REFUSED */
  async readFlows(): Promise<readonly Flow[]> {
    if (this.#connection !== undefined) return this.#connection.readFlows();
    throw new OperationError('SWITCH_LOST', `the switch of ${this.node} has no session with the controller`);
  }

  /** The switch has (again) a session: its flows are read and what differs is sent. */
  async connect(connection: SwitchConnection, ports: readonly Port[]): Promise<void> {
    this.#connection = connection;
    this.#isKnown = false;
    this.#isCurrent = false;
    this.#ports = new Map(ports.map(({ name, portNo }) => [name, portNo]));
    this.#portsChanged();
    this.#verifyLater();
    await this.update();
  }

  /** The session ended; nothing else changes. An older session's end, told late, is nothing. */
  disconnect(connection: SwitchConnection): void {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    this.#isKnown = false;
    this.#isCurrent = false;
    this.#timer?.cancel();
  }

  /** A port came, changed or went. */
  async port(reason: 'add' | 'delete' | 'modify', port: Port): Promise<void> {
    const isKnown = this.#ports.get(port.name) === port.portNo;
    if (reason !== 'delete' && isKnown) return;
    const ports = new Map(this.#ports);
    if (reason !== 'delete') ports.set(port.name, port.portNo);
    else if (isKnown) ports.delete(port.name);
    this.#ports = ports;
    this.#portsChanged();
    await this.update();
  }

  /** Answers whether the switch is there and has the port, at the latest after `timeoutMs`. */
  hasPort(name: string, timeoutMs: number): Promise<boolean> {
    const isThere = (): boolean => this.connected && this.#ports.has(name);
    if (isThere()) return Promise.resolve(true);
    return new Promise((resolve) => {
      const end = (found: boolean): void => {
        this.#portWaiters.delete(look);
        timer.cancel();
        resolve(found);
      };
      const look = (): void => {
        if (isThere()) end(true);
      };
      const timer = this.#clock.setTimer(timeoutMs, () => end(false));
      this.#portWaiters.add(look);
    });
  }

  /**
   * What is wanted may have changed. Answers nothing when the switch has confirmed all that was wanted at the time of the
   * call, and why not when it refuses that or cannot be asked: then it is brought up to date later. Never rejects.
   */
  update(): Promise<string | undefined> {
    if (this.#nextUpdate !== undefined) return this.#nextUpdate;
    const update = this.#enqueue(() => {
      this.#nextUpdate = undefined;
      return this.#reconcile();
    });
    this.#nextUpdate = update;
    this.#pending = update;
    void update.then(() => {
      if (this.#pending === update) this.#pending = undefined;
    });
    return update;
  }

  /** Resolves when the updates that were asked for are done; undefined when they are. */
  get pending(): Promise<unknown> | undefined {
    return this.#pending;
  }

  /** Reads the switch's flows, tells how they differ from the wanted ones, and then mends that. Never rejects. */
  async verify(): Promise<SwitchReport> {
    let report: SwitchReport = { connected: false, flows: 0, differences: this.#differences };
    await this.#enqueue(async () => {
      this.#isKnown = false;
      await this.#reconcile();
      report = {
        connected: this.connected,
        flows: this.#isKnown ? this.#flows : 0,
        differences: this.#differences,
      };
    });
    return report;
  }

  /** Ends the periodic comparison. */
  close(): void {
    this.#timer?.cancel();
    this.#connection = undefined;
  }

  /** The controller's entries that it had when it was last brought up to date. */
  get flows(): number {
    return this.#flows;
  }

  #enqueue<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#work.then(work);
    this.#work = done;
    return done;
  }

  /** Answers why it is not up to date then. */
  async #reconcile(): Promise<string | undefined> {
    const connection = this.#connection;
    try {
      if (connection === undefined) this.#note();
      else if (this.#isKnown) await this.#follow(connection);
      else await this.#watch.inTurn(() => this.#compare(connection));
      return this.#isKnown ? undefined : 'it is not connected, or no member';
    } catch (error) {
      this.#isKnown = false;
      this.#isCurrent = false;
      this.#log.warn({ node: this.node, reason: messageOf(error) }, 'a switch could not be brought up to date');
      return messageOf(error);
    }
  }

  /** Sends what is other than before, to a switch of which is known what it has. */
  async #follow(connection: SwitchConnection): Promise<void> {
    const changed = this.#note();
    if (changed === undefined) return;
    // What stands there unexplained may be wanted now, or known to be past.
    const before = this.#kept.length === 0 ? changed.before : withKept(changed.before, this.#kept);
    const wanted = this.#flows - before.size + changed.now.size;
    const translations = translationsIn(changed.now.values());
    await this.#bring(connection, diffFlows(changed.now, before), before, { has: this.#flows, wanted, translations });
  }

  /** Reads all that the switch has, and sends what differs. */
  async #compare(connection: SwitchConnection): Promise<void> {
    // Else each thing that is told before anything is wanted would have all of it read.
    if (this.#note() === undefined) return;
    const flows = (await connection.readFlows()).filter(({ cookie }) => !isAgentCookie(cookie));
    this.#found?.(flows);
    const installed = flowsByKey(flows);
    if (this.#note() === undefined || this.#noted === undefined) return;
    const wanted = flowsByKey(this.#noted.flows());
    this.#readAtMs = this.#clock.nowMs();
    this.#unexplained.read(wanted, installed);
    const diff = diffFlows(wanted, installed);
    this.#tell(diff, installed);
    const translations = translationsIn(wanted.values());
    await this.#bring(connection, diff, installed, { has: installed.size, wanted: wanted.size, translations });
  }

  /**
   * Sends what differs from the entries that it has in those places. `flows`: how many it has in all, and is to have;
   * `translations` of those that are wanted there.
   */
  async #bring(
    connection: SwitchConnection,
    diff: FlowDiff,
    installed: ReadonlyMap<string, Flow>,
    flows: { readonly has: number; readonly wanted: number; readonly translations: Translations },
  ): Promise<void> {
    const { plan, kept, isMuch } = this.#unexplained.allow(diff, flows.has, this.#explanations, this.#clock.nowMs());
    if (isMuch) this.#log.error({ node: this.node, kept: kept.length, installed: flows.has }, KEPT);
    this.#isKnown = false;
    for (const round of flowRounds(plan, installed)) {
      const mods = flowMods(round);
      this.flowMods += mods.length;
      if (mods.length > 0) await connection.apply(mods);
    }
    const zones = zonesToForget(plan, installed, flows.translations, this.#translations);
    connection.say(zones.map(forgetZone));
    // A session that ends here has told of none for certain: all are forgotten again.
    if (zones.length > 0) await connection.apply([]);
    for (const [zone, addresses] of flows.translations) this.#translations.set(zone, addresses);
    if (this.#connection !== connection) return;
    this.#isKnown = true;
    this.#isCurrent = true;
    this.#kept = kept;
    this.#flows = flows.wanted + kept.length;
  }

  /** What is wanted now in place of what was, as far as that differs; undefined of a switch that is left alone. */
  #note(): { readonly before: ReadonlyMap<string, Flow>; readonly now: ReadonlyMap<string, Flow> } | undefined {
    const [noted, wanted] = [this.#noted, this.#wanted({ node: this.node, ports: this.#ports })];
    if (wanted === undefined) return undefined;
    const changed = noted === undefined ? { before: [], now: [] } : wanted.since(noted);
    const [before, now] = [flowsByKey(changed.before), flowsByKey(changed.now)];
    this.#unexplained.wantsOthers(before, now, this.#connection === undefined);
    this.#noted = wanted;
    return { before, now };
  }

  #tell(diff: FlowDiff, installed: ReadonlyMap<string, Flow>): void {
    const count = diff.puts.length + diff.removals.length;
    const [puts, removals] = [diff.puts.slice(0, DIFFERENCES_MAX), diff.removals.slice(0, DIFFERENCES_MAX)];
    const told = describeDiff({ puts, removals }, installed).slice(0, DIFFERENCES_MAX);
    this.#differences = count > told.length ? [...told, `and ${count - told.length} more`] : told;
    if (count > 0) this.#log.info({ node: this.node, differences: count }, 'a switch differs from what is wanted');
  }

  #portsChanged(): void {
    for (const look of this.#portWaiters) look();
  }

  #verifyLater(): void {
    this.#timer?.cancel();
    this.#timer = this.#clock.setTimer(this.#watch.lookEveryMs, () => {
      if (!this.connected) return;
      void this.#look().then(() => {
        if (this.connected) this.#verifyLater();
      });
    });
  }

  // Between two readings of a switch whose turn comes seldom: entries that were lost, or added, are noticed by their number.
  async #look(): Promise<void> {
    if (this.#pending !== undefined) return;
    if (this.#watch.isDue(this.#readAtMs) || !(await this.#hasAsMany())) await this.verify();
  }

  async #hasAsMany(): Promise<boolean> {
    let isSo = false;
    await this.#enqueue(async () => {
      const count = this.#isKnown && this.#kept.length === 0 ? this.#connection?.countFlows() : undefined;
      isSo = (await count?.catch(() => undefined)) === this.#flows;
    });
    return isSo;
  }
}

function withKept(flows: ReadonlyMap<string, Flow>, kept: readonly Flow[]): ReadonlyMap<string, Flow> {
  return new Map([...flows, ...flowsByKey(kept)]);
}
