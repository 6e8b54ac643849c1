// Between a node's switch and its prober: sends probes into the tunnel, hands over those that come out of it, and keeps the
// flows by which they come. Has a connection of its own, so that no guest's flood waits before a probe.
import { connect } from 'node:net';
import { CONTROLLER_WHOLE_PACKET, ipv4Text, type PacketIn, packetOut } from '@openflow/ofp';
import type { Clock, Timer } from '../../common/clock.ts';
import { messageOf } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import { type Flow, flowsByKey } from '../flow.ts';
import { diffFlows, flowMods } from '../flow-diff.ts';
import { OpenFlowChannel } from '../openflow-channel.ts';
import { intoTunnel, PROBE_FILTER, PROBER_CONTROLLER_ID } from './probe-flows.ts';
import type { ProbeFrame } from './prober.ts';

/** How soon a switch that is not there is looked for again. */
const RECONNECT_MS = 250;
/** How often the flows are compared: as the gates are. */
const VERIFY_EVERY_MS = 2_500;

export interface ProbeDeskParts {
  /** The bridge's management socket. */
  readonly socket: string;
  /** Those that there should be now. */
  readonly flows: () => readonly Flow[];
  /** A frame that came, and the address at the tunnel's other end; the bytes must be copied to be kept. */
  readonly heard: (bytes: Uint8Array, fromAddress: string) => void;
  readonly clock: Clock;
  readonly log: Log;
}

export class ProbeDesk {
  readonly #parts: ProbeDeskParts;
  #channel: OpenFlowChannel | undefined;
  #timer: Timer | undefined;
  #isReady = false;
  #isClosed = false;
  /** One comparison after the other. */
  #work: Promise<void> = Promise.resolve();

  constructor(parts: ProbeDeskParts) {
    this.#parts = parts;
    this.#connect();
  }

  /** Nothing where there is no session: what is lost is what a probe is for. */
  send(frames: readonly ProbeFrame[]): void {
    if (frames.length > 0)
      this.#channel?.say(frames.map(({ to, portNo, bytes }) => packetOut(bytes, intoTunnel(to, portNo))));
  }

  /** Compares the flows at once: others are wanted. */
  look(): void {
    if (this.#isReady && this.#channel !== undefined) void this.#verify(this.#channel);
  }

  /** Ends the session; the flows stay, and bring nothing to anybody. */
  stop(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#channel?.close('the agent stops');
  }

  #connect(): void {
    const channel: OpenFlowChannel = new OpenFlowChannel(connect(this.#parts.socket), this.#parts.clock, {
      ready: () => this.#begin(channel),
      port: () => undefined,
      packet: (packet) => this.#hear(packet),
      closed: (reason) => this.#ended(reason),
    });
    this.#channel = channel;
  }

  #begin(channel: OpenFlowChannel): void {
    this.#isReady = true;
    this.#parts.log.info('the prober hears the switch');
    channel.say([
      { type: 'nx-set-controller-id', controllerId: PROBER_CONTROLLER_ID },
      // Else the switch brings nothing to a connection that it did not make itself.
      { type: 'set-config', flags: 0, missSendBytes: CONTROLLER_WHOLE_PACKET },
    ]);
    void this.#verify(channel);
  }

  #ended(reason: string): void {
    if (this.#isReady) this.#parts.log.warn({ reason }, 'the prober hears the switch no more');
    this.#isReady = false;
    this.#timer?.cancel();
    if (!this.#isClosed) this.#timer = this.#parts.clock.setTimer(RECONNECT_MS, () => this.#connect());
  }

  #hear({ match, data }: PacketIn): void {
    if (match.tunIpv4Src !== undefined) this.#parts.heard(data, ipv4Text(addressOf(match.tunIpv4Src)));
  }

  async #verify(channel: OpenFlowChannel): Promise<void> {
    this.#work = this.#work.then(() => this.#compare(channel));
    await this.#work;
    if (this.#isClosed || this.#channel !== channel || !this.#isReady) return;
    this.#timer?.cancel();
    this.#timer = this.#parts.clock.setTimer(VERIFY_EVERY_MS, () => void this.#verify(channel));
  }

  async #compare(channel: OpenFlowChannel): Promise<void> {
    try {
      const installed = flowsByKey(await channel.readFlows(PROBE_FILTER));
      const diff = diffFlows(flowsByKey(this.#parts.flows()), installed);
      if (diff.puts.length + diff.removals.length > 0) await channel.apply(flowMods(diff));
    } catch (error) {
      this.#parts.log.warn({ reason: messageOf(error) }, 'the flows of probes could not be compared');
    }
  }
}

function addressOf(field: number | { readonly value: number }): number {
  return typeof field === 'number' ? field : field.value;
}
