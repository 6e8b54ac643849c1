// Brings one switch to its wanted flows and keeps it there: one comparison after the other, only differences sent.
// The loss of a session changes nothing on the switch and nothing here but the certainty of what is installed.
import type { FlowMod, FlowStats, Message, Port } from '@openflow/ofp';
import type { Clock, Timer } from '../common/clock.ts';
import { messageOf, OperationError } from '../common/errors.ts';
import type { Log } from '../common/log.ts';
import { type Flow, flowsByKey } from './flow.ts';
import { describeDiff, diffFlows, type FlowDiff, flowMods } from './flow-diff.ts';
import { zonesToForget } from './forwarding/past-translations.ts';
import type { SwitchView } from './forwarding/view.ts';
import { isAgentCookie } from './pipeline.ts';
import { forgetZone } from './security/forget-zone.ts';

/** The operations of a switch's connection that are needed here. */
export interface SwitchConnection {
  readFlows(): Promise<readonly FlowStats[]>;
  apply(mods: readonly FlowMod[]): Promise<void>;
  /** Sends what needs no answer. */
  say(messages: readonly Message[]): void;
}

export interface ReconcilerParts {
  /** Tells of a flow that is not wanted whether it is of the past of a guest that is known. */
  readonly past: () => (flow: Flow) => boolean;
  /** Whether a flow that is not wanted may be so yet: of whose it is will be told; absent: all was told. */
  readonly awaits?: (flow: Flow) => boolean;
  /** Told what a switch has whenever that was read, before it is compared. */
  readonly found?: (flows: readonly FlowStats[]) => void;
  readonly clock: Clock;
  readonly log: Log;
}

/** What the last comparison of wanted and installed said. */
export interface SwitchReport {
  readonly connected: boolean;
  readonly flows: number;
  readonly differences: readonly string[];
}

/** Half of the 5 s within which installed equals wanted (PROMISES N5), so that one lost round still keeps it. */
const VERIFY_EVERY_MS = 2_500;
/** A plan that takes out more than this share of a switch's flows, for no reason known here, waits (SOUNDNESS C4). */
const UNEXPLAINED_SHARE_MAX = 0.2;
/** ... but a few flows are always taken out: on a small switch one stray flow may be a fifth. */
const UNEXPLAINED_ALWAYS = 4;
const UNEXPLAINED_WAIT_MS = 10 * 60_000;
/** Differences that are told; of more only the number. */
const DIFFERENCES_MAX = 50;

export class SwitchReconciler {
  /** Sent to it since this process began. */
  flowMods = 0;
  /** When last known. */
  #flows = 0;
  #isCurrent = false;
  readonly node: string;
  readonly #wanted: (view: SwitchView) => readonly Flow[] | undefined;
  readonly #past: ReconcilerParts['past'];
  readonly #awaits: (flow: Flow) => boolean;
  readonly #found: ReconcilerParts['found'];
  readonly #clock: Clock;
  readonly #log: Log;
  #connection: SwitchConnection | undefined;
  readonly #ports = new Map<string, number>();
  readonly #portWaiters = new Set<() => void>();
  /** What the switch has, as far as is known; undefined when it must be read. */
  #installed: ReadonlyMap<string, Flow> | undefined;
  /** Every entry that was wanted while this process lived: taking one of them out is explained. */
  readonly #everWanted = new Set<string>();
  #unexplainedSinceMs: number | undefined;
  #differences: readonly string[] = [];
  #work: Promise<void> = Promise.resolve();
  #nextUpdate: Promise<void> | undefined;
  #timer: Timer | undefined;

  constructor(node: string, wanted: (view: SwitchView) => readonly Flow[] | undefined, parts: ReconcilerParts) {
    this.node = node;
    this.#wanted = wanted;
    this.#past = parts.past;
    this.#awaits = parts.awaits ?? (() => false);
    this.#found = parts.found;
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
  connect(connection: SwitchConnection, ports: readonly Port[]): Promise<void> {
    this.#connection = connection;
    this.#installed = undefined;
    this.#isCurrent = false;
    this.#ports.clear();
    for (const port of ports) this.#ports.set(port.name, port.portNo);
    this.#portsChanged();
    this.#verifyLater();
    return this.update();
  }

  /** The session ended; nothing else changes. An older session's end, told late, is nothing. */
  disconnect(connection: SwitchConnection): void {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    this.#installed = undefined;
    this.#isCurrent = false;
    this.#timer?.cancel();
  }

  /** A port came, changed or went. */
  port(reason: 'add' | 'delete' | 'modify', port: Port): Promise<void> {
    const isKnown = this.#ports.get(port.name) === port.portNo;
    if (reason !== 'delete' && isKnown) return Promise.resolve();
    if (reason !== 'delete') this.#ports.set(port.name, port.portNo);
    else if (isKnown) this.#ports.delete(port.name);
    this.#portsChanged();
    return this.update();
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
   * What is wanted may have changed. Answers when the switch has confirmed all that was wanted at the time of the call,
   * or cannot be asked now: then it is brought up to date at its next session. Never rejects.
   */
  update(): Promise<void> {
    this.#nextUpdate ??= this.#enqueue(() => {
      this.#nextUpdate = undefined;
      return this.#reconcile();
    });
    return this.#nextUpdate;
  }

  /** Reads the switch's flows, tells how they differ from the wanted ones, and then mends that. Never rejects. */
  async verify(): Promise<SwitchReport> {
    let report: SwitchReport = { connected: false, flows: 0, differences: this.#differences };
    await this.#enqueue(async () => {
      this.#installed = undefined;
      await this.#reconcile();
      report = {
        connected: this.connected,
        flows: this.#knownFlows(),
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

  #knownFlows(): number {
    return this.#installed?.size ?? 0;
  }

  #enqueue(work: () => Promise<void>): Promise<void> {
    this.#work = this.#work.then(work);
    return this.#work;
  }

  async #reconcile(): Promise<void> {
    try {
      if (this.#connection === undefined) this.#noteWanted();
      else await this.#bringUpToDate(this.#connection);
    } catch (error) {
      this.#installed = undefined;
      this.#isCurrent = false;
      this.#log.warn({ node: this.node, reason: messageOf(error) }, 'a switch could not be brought up to date');
    }
  }

  async #bringUpToDate(connection: SwitchConnection): Promise<void> {
    const isRead = this.#installed === undefined;
    // Else each thing that is told before anything is wanted would have all of it read.
    if (isRead && this.#noteWanted() === undefined) return;
    const installed = this.#installed ?? (await this.#read(connection));
    const wanted = this.#noteWanted();
    if (wanted === undefined) return;
    const diff = diffFlows(wanted, installed);
    if (isRead) {
      this.#tell(diff, installed);
      this.#forgetGone(wanted, installed);
    }
    const plan = this.#withoutUnexplained(diff, installed.size);
    const mods = flowMods(plan);
    this.#installed = undefined;
    this.flowMods += mods.length;
    if (mods.length > 0) await connection.apply(mods);
    connection.say(zonesToForget(plan, installed).map(forgetZone));
    if (this.#connection !== connection) return;
    this.#installed = afterwards(wanted, diff, plan);
    this.#flows = this.#installed.size;
    this.#isCurrent = true;
  }

  async #read(connection: SwitchConnection): Promise<ReadonlyMap<string, Flow>> {
    const flows = (await connection.readFlows()).filter(({ cookie }) => !isAgentCookie(cookie));
    this.#found?.(flows);
    return flowsByKey(flows);
  }

  #noteWanted(): ReadonlyMap<string, Flow> | undefined {
    const flows = this.#wanted({ node: this.node, ports: this.#ports });
    if (flows === undefined) return undefined;
    const wanted = flowsByKey(flows);
    for (const key of wanted.keys()) this.#everWanted.add(key);
    return wanted;
  }

  // What is neither wanted nor installed any more need not be explained.
  #forgetGone(wanted: ReadonlyMap<string, Flow>, installed: ReadonlyMap<string, Flow>): void {
    for (const key of this.#everWanted) if (!wanted.has(key) && !installed.has(key)) this.#everWanted.delete(key);
  }

  #tell(diff: FlowDiff, installed: ReadonlyMap<string, Flow>): void {
    const all = describeDiff(diff, installed);
    const rest = all.length - DIFFERENCES_MAX;
    this.#differences = rest > 0 ? [...all.slice(0, DIFFERENCES_MAX), `and ${rest} more`] : all;
    if (all.length > 0)
      this.#log.info({ node: this.node, differences: all.length }, 'a switch differs from what is wanted');
  }

  // A controller whose store is empty, or older than the switch, must not take a running cloud's flows away. It may take
  // those that it wanted itself, and those of an earlier life of it whose guest is known to have moved on (SOUNDNESS C4).
  #withoutUnexplained(diff: FlowDiff, installedCount: number): FlowDiff {
    const removals = [...flowsByKey(diff.removals)];
    const strange = removals.filter(([key]) => !this.#everWanted.has(key)).map(([, flow]) => flow);
    const isPast = strange.length === 0 ? () => true : this.#past();
    const unknown = new Set(strange.filter((flow) => !isPast(flow)));
    const isMuch = unknown.size > Math.max(UNEXPLAINED_ALWAYS, installedCount * UNEXPLAINED_SHARE_MAX);
    // Guests are told one after the other: those of the last few must not go before it is their turn.
    const kept = isMuch ? unknown : new Set([...unknown].filter(this.#awaits));
    if (kept.size === 0) {
      this.#unexplainedSinceMs = undefined;
      return diff;
    }
    this.#unexplainedSinceMs ??= this.#clock.nowMs();
    if (this.#clock.nowMs() - this.#unexplainedSinceMs >= UNEXPLAINED_WAIT_MS) return diff;
    if (isMuch)
      this.#log.error(
        { node: this.node, unexplained: unknown.size, installed: installedCount, waitMs: UNEXPLAINED_WAIT_MS },
        'a switch has many flows that this controller knows nothing of; they are kept for now',
      );
    return { puts: diff.puts, removals: diff.removals.filter((flow) => !kept.has(flow)) };
  }

  #portsChanged(): void {
    for (const look of this.#portWaiters) look();
  }

  #verifyLater(): void {
    this.#timer?.cancel();
    this.#timer = this.#clock.setTimer(VERIFY_EVERY_MS, () => {
      if (!this.connected) return;
      void this.verify().then(() => {
        if (this.connected) this.#verifyLater();
      });
    });
  }
}

function afterwards(wanted: ReadonlyMap<string, Flow>, diff: FlowDiff, plan: FlowDiff): ReadonlyMap<string, Flow> {
  if (diff.removals.length === plan.removals.length) return wanted;
  const taken = new Set(plan.removals);
  const kept = diff.removals.filter((flow) => !taken.has(flow));
  return new Map([...wanted, ...flowsByKey(kept)]);
}
