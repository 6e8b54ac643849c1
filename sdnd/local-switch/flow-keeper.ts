// Keeps flows of the agent's own in a node's switch as they should be: at once on command, again at the beginning of every
// session, and whenever a look finds them changed. Touches no flow of another writer.
import type { FlowMod, Message } from '@openflow/ofp';
import type { Timer } from '../../common/clock.ts';
import { messageOf } from '../../common/errors.ts';
import { type Flow, flowsByKey } from '../flow.ts';
import { diffFlows, type FlowDiff, flowMods } from '../flow-diff.ts';
import type { OpenFlowChannel } from '../session/openflow-channel.ts';
import type { CookieFilter } from '../session/openflow-session.ts';
import { LocalSwitch, type LocalSwitchListener, type LocalSwitchParts } from './local-switch.ts';

/** How often the flows are compared: as the controller compares its own. */
const VERIFY_EVERY_MS = 2_500;

/** Flows that are put right together. */
export interface FlowSet {
  /** For the log. */
  readonly what: string;
  /** Those that there should be now. */
  readonly wanted: () => readonly Flow[];
  /** Whether a flow that the filter lets through is of this set; absent: every one is. */
  readonly has?: (flow: Flow) => boolean;
  /** Said before a difference is put right. */
  readonly before?: (diff: FlowDiff) => readonly Message[];
  /** Said when it is. */
  readonly after?: (diff: FlowDiff) => readonly Message[];
}

export interface FlowKeeperParts extends LocalSwitchParts, Partial<LocalSwitchListener> {
  /** What tells the flows that are kept from all others. */
  readonly filter: CookieFilter;
  /** In the order in which they are put right: what the switch refuses of one keeps those behind it waiting, none before. */
  readonly sets: readonly FlowSet[];
}

export class FlowKeeper {
  readonly #parts: FlowKeeperParts;
  readonly #switch: LocalSwitch;
  /** One change or comparison after the other: a comparison must not undo a command that came after its look. */
  #turn: Promise<void> = Promise.resolve();
  /** A comparison waits for its turn, and will see whatever there is to see by then. */
  #isDue = false;
  #timer: Timer | undefined;

  constructor(parts: FlowKeeperParts) {
    this.#parts = parts;
    this.#switch = new LocalSwitch(parts, {
      begun: () => {
        parts.begun?.();
        this.look();
      },
      ended: () => {
        this.#timer?.cancel();
        parts.ended?.();
      },
      packet: (packet) => parts.packet?.(packet),
    });
  }

  /** Compares as soon as it can: others are wanted, or somebody was at the switch. */
  look(): void {
    if (this.#isDue || this.#switch.channel === undefined) return;
    this.#isDue = true;
    void this.#inTurn(() => this.#compare()).then(() => this.#lookLater());
  }

  /**
   * Carries out a change of flows that are wanted from now on; answers after the switch's barrier.
   * @throws OperationError SWITCH_LOST, SWITCH_REFUSED
   */
  async change(mods: readonly FlowMod[]): Promise<void> {
    const channel = await this.#switch.session();
    await this.#inTurn(() => channel.apply(mods));
  }

  /** Sends what needs no answer; nothing where there is no session. */
  say(messages: readonly Message[]): void {
    this.#switch.say(messages);
  }

  /** Ends the session; the flows stay as they are. */
  stop(): void {
    this.#timer?.cancel();
    this.#switch.stop();
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  #lookLater(): void {
    this.#timer?.cancel();
    if (this.#switch.channel === undefined) return;
    this.#timer = this.#parts.clock.setTimer(VERIFY_EVERY_MS, () => this.look());
  }

  async #compare(): Promise<void> {
    this.#isDue = false;
    this.#timer?.cancel();
    const { filter, sets, who, log } = this.#parts;
    try {
      // One session for all: what was seen in another may be gone with the switch.
      const channel = this.#switch.channel;
      if (channel === undefined) return;
      const installed = await channel.readFlows(filter);
      for (const set of sets) await this.#putRight(channel, set, installed.filter(set.has ?? (() => true)));
    } catch (error) {
      log.warn({ who, reason: messageOf(error) }, 'the flows could not be compared');
    }
  }

  async #putRight(channel: OpenFlowChannel, set: FlowSet, installed: readonly Flow[]): Promise<void> {
    const { what, wanted, before, after } = set;
    const diff = diffFlows(flowsByKey(wanted()), flowsByKey(installed));
    if (diff.puts.length + diff.removals.length === 0) return;
    this.#parts.log.info({ what, missing: diff.puts.length, tooMuch: diff.removals.length }, 'flows are put right');
    channel.say(before?.(diff) ?? []);
    await channel.apply(flowMods(diff));
    channel.say(after?.(diff) ?? []);
  }
}
