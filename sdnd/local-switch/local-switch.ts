// The connection of one part of a node's agent with the switch of its node, over its management socket: comes again for as
// long as it is wanted, whatever the switch does. Writes no flow.
import { connect } from 'node:net';
import { CONTROLLER_WHOLE_PACKET, type Message, type PacketIn } from '@openflow/ofp';
import type { Clock, Timer } from '../../common/clock.ts';
import { OperationError } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import { OpenFlowChannel } from '../session/openflow-channel.ts';

/** How soon a switch that is not there is looked for again. */
const RECONNECT_MS = 250;
/** A restarted switch is back in 2 s; who waits longer for it must hear of it. */
const SESSION_TIMEOUT_MS = 5_000;
/**
 * Of the whole bridge: the first fragment matches by its ports, the others by none (Open vSwitch's OFPC_FRAG_NX_MATCH). By what
 * a switch does unasked the first has none either, and what a rule with ports allows comes in no fragments.
 */
const FRAGMENTS_AS_THEY_ARE = 3;

export interface LocalSwitchParts {
  /** The bridge's management socket. */
  readonly socket: string;
  /** Whose connection it is, for the log. */
  readonly who: string;
  /** The switch brings packets to the connection that has this id; absent: it brings none. */
  readonly controllerId?: number;
  readonly clock: Clock;
  readonly log: Log;
}

export interface LocalSwitchListener {
  /** A session has begun; packets come from now on. */
  begun(): void;
  /** After every `begun` once, but for the end by `stop`. */
  ended(): void;
  /** The bytes must be copied to be kept. */
  packet?(packet: PacketIn): void;
}

export class LocalSwitch {
  readonly #parts: LocalSwitchParts;
  readonly #listener: LocalSwitchListener;
  /** The newest connection, whether it is a session yet or not. */
  #channel: OpenFlowChannel;
  #ready = Promise.withResolvers<OpenFlowChannel>();
  #isReady = false;
  #isClosed = false;
  #timer: Timer | undefined;

  /** Tells its listener nothing before the constructor has returned. */
  constructor(parts: LocalSwitchParts, listener: LocalSwitchListener) {
    this.#parts = parts;
    this.#listener = listener;
    this.#channel = this.#connect();
  }

  /** While there is a session. */
  get channel(): OpenFlowChannel | undefined {
    return this.#isReady ? this.#channel : undefined;
  }

  /** Waits for a session, 5 s at most. @throws OperationError SWITCH_LOST */
  async session(): Promise<OpenFlowChannel> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = this.#parts.clock.setTimer(SESSION_TIMEOUT_MS, () => reject(this.#noSession()));
    try {
      return await Promise.race([this.#ready.promise, late]);
    } finally {
      timer.cancel();
    }
  }

  /** Sends what needs no answer; nothing where there is no session. */
  say(messages: readonly Message[]): void {
    if (messages.length > 0) this.channel?.say(messages);
  }

  /** Ends the session; the flows stay as they are. */
  stop(): void {
    this.#isClosed = true;
    this.#isReady = false;
    this.#timer?.cancel();
    this.#channel.close('the agent stops');
  }

  #noSession(): OperationError {
    return new OperationError(
      'SWITCH_LOST',
      `this node's switch does not answer on ${this.#parts.socket} for ${SESSION_TIMEOUT_MS} ms`,
      { remedy: 'Check that ovs-vswitchd runs.' },
    );
  }

  #connect(): OpenFlowChannel {
    return new OpenFlowChannel(connect(this.#parts.socket), this.#parts.clock, {
      ready: () => this.#begin(),
      port: () => undefined,
      packet: (packet) => this.#listener.packet?.(packet),
      closed: (reason) => this.#ended(reason),
    });
  }

  #begin(): void {
    const { who, controllerId, log } = this.#parts;
    this.#isReady = true;
    log.info({ who }, 'a session with the switch has begun');
    if (controllerId !== undefined) this.say(askingForPackets(controllerId));
    this.#listener.begun();
    this.#ready.resolve(this.#channel);
  }

  #ended(reason: string): void {
    if (this.#isClosed) return;
    this.#timer = this.#parts.clock.setTimer(RECONNECT_MS, () => {
      this.#channel = this.#connect();
    });
    if (!this.#isReady) return;
    this.#isReady = false;
    this.#ready = Promise.withResolvers();
    this.#parts.log.warn({ who: this.#parts.who, reason }, 'a session with the switch has ended');
    this.#listener.ended();
  }
}

function askingForPackets(controllerId: number): Message[] {
  return [
    { type: 'nx-set-controller-id', controllerId },
    // Else the switch brings nothing to a connection that it did not make itself.
    { type: 'set-config', flags: FRAGMENTS_AS_THEY_ARE, missSendBytes: CONTROLLER_WHOLE_PACKET },
  ];
}
