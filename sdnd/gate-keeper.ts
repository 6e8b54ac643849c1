// Keeps the agent's flows of a node's switch as they should be, the gates and the ways to the services, over the switch's local management socket: at once on
// command, again after every restart of the switch, and whenever a look finds them changed. Opens nothing by itself.
import { connect } from 'node:net';
import type { FlowMod } from '@openflow/ofp';
import type { Clock, Timer } from '../common/clock.ts';
import { messageOf, OperationError } from '../common/errors.ts';
import type { Log } from '../common/log.ts';
import { type Flow, flowsByKey } from './flow.ts';
import { diffFlows, type FlowDiff, flowMods } from './flow-diff.ts';
import { closeGate, GATE_FILTER, gateFlows, openGate } from './gate.ts';
import { OpenFlowChannel } from './openflow-channel.ts';
import { isServiceFlow, metersAfter, metersBefore, type ServedPort, serviceFlows } from './service-flows.ts';

/** How soon a switch that is not there is looked for again. */
const RECONNECT_MS = 250;
/** How often the gates are compared: as the controller compares its flows. */
const VERIFY_EVERY_MS = 2_500;
/** A restarted switch is back in 2 s; who waits longer for a gate must hear of it. */
const SESSION_TIMEOUT_MS = 5_000;

export interface GateKeeperParts {
  /** The bridge's management socket. */
  readonly socket: string;
  /** The numbers of the ports that should be open now. */
  readonly open: () => readonly number[];
  /** The ports whose guests are answered here. */
  readonly served: () => readonly ServedPort[];
  readonly clock: Clock;
  readonly log: Log;
}

export class GateKeeper {
  readonly #parts: GateKeeperParts;
  #channel: OpenFlowChannel | undefined;
  #ready = Promise.withResolvers<OpenFlowChannel>();
  #isReady = false;
  #isClosed = false;
  #timer: Timer | undefined;
  /** One change or comparison after the other: a comparison must not undo a command that came after its look. */
  #work: Promise<void> = Promise.resolve();

  constructor(parts: GateKeeperParts) {
    this.#parts = parts;
    this.#connect();
  }

  /** Answers after the switch's barrier. @throws OperationError SWITCH_LOST, SWITCH_REFUSED */
  open(portNo: number): Promise<void> {
    return this.#change(openGate(portNo));
  }

  /** Answers after the switch's barrier. @throws OperationError SWITCH_LOST, SWITCH_REFUSED */
  close(portNo: number): Promise<void> {
    return this.#change(closeGate(portNo));
  }

  /** Compares at once: somebody was at the switch. */
  look(): void {
    if (this.#isReady && this.#channel !== undefined) void this.#verify(this.#channel);
  }

  /** Ends the session; the gates stay as they are. */
  stop(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#channel?.close('the agent stops');
  }

  async #change(mods: readonly FlowMod[]): Promise<void> {
    const channel = await this.#session();
    await this.#enqueue(() => channel.apply(mods));
  }

  #enqueue(work: () => Promise<void>): Promise<void> {
    const done = this.#work.then(work);
    this.#work = done.catch(() => undefined);
    return done;
  }

  async #session(): Promise<OpenFlowChannel> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = this.#parts.clock.setTimer(SESSION_TIMEOUT_MS, () => reject(this.#noSession()));
    try {
      return await Promise.race([this.#ready.promise, late]);
    } finally {
      timer.cancel();
    }
  }

  #noSession(): OperationError {
    return new OperationError(
      'SWITCH_LOST',
      `this node's switch does not answer on ${this.#parts.socket} for ${SESSION_TIMEOUT_MS} ms`,
      { remedy: 'Check that ovs-vswitchd runs.' },
    );
  }

  #connect(): void {
    const { clock } = this.#parts;
    const channel: OpenFlowChannel = new OpenFlowChannel(connect(this.#parts.socket), clock, {
      ready: () => this.#begin(channel),
      port: () => undefined,
      closed: (reason) => this.#ended(reason),
    });
    this.#channel = channel;
  }

  #begin(channel: OpenFlowChannel): void {
    this.#isReady = true;
    this.#parts.log.info('the session with the switch has begun');
    void this.#verify(channel);
    this.#ready.resolve(channel);
  }

  #ended(reason: string): void {
    if (this.#isReady) {
      this.#ready = Promise.withResolvers();
      this.#parts.log.warn({ reason }, 'the session with the switch has ended');
    }
    this.#isReady = false;
    this.#timer?.cancel();
    if (!this.#isClosed) this.#timer = this.#parts.clock.setTimer(RECONNECT_MS, () => this.#connect());
  }

  async #verify(channel: OpenFlowChannel): Promise<void> {
    try {
      await this.#enqueue(() => this.#compare(channel));
    } catch (error) {
      this.#parts.log.warn({ reason: messageOf(error) }, 'the gates could not be compared');
    }
    if (this.#isClosed || this.#channel !== channel || !this.#isReady) return;
    this.#timer?.cancel();
    this.#timer = this.#parts.clock.setTimer(VERIFY_EVERY_MS, () => void this.#verify(channel));
  }

  async #compare(channel: OpenFlowChannel): Promise<void> {
    const installed = await channel.readFlows(GATE_FILTER);
    const gates = this.#parts.open().flatMap(gateFlows);
    await this.#putRight(
      channel,
      'gates are put right',
      differences(
        gates,
        installed.filter((flow) => !isServiceFlow(flow)),
      ),
    );
    // Last: a switch that refuses these keeps its gates right nevertheless.
    const served = this.#parts.served();
    const diff = differences(served.flatMap(serviceFlows), installed.filter(isServiceFlow));
    channel.say(metersBefore(diff));
    await this.#putRight(channel, 'ways to the services are put right', diff);
    channel.say(metersAfter(diff, served));
  }

  async #putRight(channel: OpenFlowChannel, what: string, diff: FlowDiff): Promise<void> {
    if (diff.puts.length + diff.removals.length === 0) return;
    this.#parts.log.info({ missing: diff.puts.length, tooMuch: diff.removals.length }, what);
    await channel.apply(flowMods(diff));
  }
}

function differences(wanted: readonly Flow[], installed: readonly Flow[]): FlowDiff {
  return diffFlows(flowsByKey(wanted), flowsByKey(installed));
}
