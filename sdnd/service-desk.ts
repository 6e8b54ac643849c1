// Between a node's switch and its guests' services: takes the frames that the switch brings and sends the answers out, by a
// connection of its own, so that no guest's flood waits before a gate that is to be turned. Writes no flow.
import { connect } from 'node:net';
import {
  type Action,
  CONTROLLER_WHOLE_PACKET,
  type Message,
  MeterFlag,
  type MeterMod,
  output,
  type PacketIn,
  packetOut,
} from '@openflow/ofp';
import type { Clock, Timer } from '../common/clock.ts';
import type { Log } from '../common/log.ts';
import type { ServiceEvent } from './guest-services/answers.ts';
import type { GuestServices } from './guest-services/guest-services.ts';
import { FRAMES_PER_S } from './guest-services/port-allowance.ts';
import { OpenFlowChannel } from './openflow-channel.ts';

/** By this id the switch knows the desk among its controllers; the overlay's has 0. */
const CONTROLLER_ID = 1;
/** More than the services look at, so that they can tell of a port that sends too many. */
const METER_PER_S = 2 * FRAMES_PER_S;
/** Of the 100 that wait, so that several guests' bursts find room at once. */
const METER_AT_ONCE = 30;
/** Of a packet-in: an action led there. */
const REASON_ACTION = 1;

/** The action of flows that lead a guest's frames here (`guest-services/service-matches`). */
export const TO_SERVICES: Action = {
  type: 'nx-controller',
  maxBytes: CONTROLLER_WHOLE_PACKET,
  controllerId: CONTROLLER_ID,
  reason: REASON_ACTION,
};

/**
 * The meter of a port, to stand before `TO_SERVICES` in its flows. The switch lets 100 frames wait for a connection, whoever
 * sent them: without it one guest's burst pushes the others' frames out.
 */
export function serviceMeter(portNo: number): MeterMod {
  const flags = MeterFlag.packetsPerSecond | MeterFlag.burst;
  const bands = [{ type: 'drop', rate: METER_PER_S, burst: METER_AT_ONCE } as const];
  return { type: 'meter-mod', command: 'add', flags, meterId: portNo, bands };
}

/** How soon a switch that is not there is looked for again. */
const RECONNECT_MS = 250;
/** Well within the lifetime that an advertisement promises, and the longest that RFC 4861 6.2.1 has between two by default. */
const ADVERTISE_EVERY_MS = 600_000;

export interface ServiceDeskParts {
  /** The bridge's management socket. */
  readonly socket: string;
  readonly services: GuestServices;
  /** Told of what came of a frame. */
  readonly tell: (event: ServiceEvent) => void;
  readonly clock: Clock;
  readonly log: Log;
}

export class ServiceDesk {
  readonly #parts: ServiceDeskParts;
  #channel: OpenFlowChannel | undefined;
  #timer: Timer | undefined;
  #isReady = false;
  #isClosed = false;

  constructor(parts: ServiceDeskParts) {
    this.#parts = parts;
    this.#connect();
  }

  /** Tells every guest of its router again, as is to be done after a change of the networks. */
  advertise(): void {
    const { services } = this.#parts;
    this.#say(services.portNumbers.flatMap((portNo) => outBy(portNo, services.advertisement(portNo))));
  }

  /** Ends the session. */
  stop(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#channel?.close('the agent stops');
  }

  #connect(): void {
    this.#channel = new OpenFlowChannel(connect(this.#parts.socket), this.#parts.clock, {
      ready: () => this.#begin(),
      port: () => undefined,
      packet: (packet) => this.#answer(packet),
      closed: (reason) => this.#ended(reason),
    });
  }

  #begin(): void {
    this.#isReady = true;
    this.#parts.log.info('the services hear the switch');
    this.#say([
      { type: 'nx-set-controller-id', controllerId: CONTROLLER_ID },
      // Else the switch brings nothing to a connection that it did not make itself.
      { type: 'set-config', flags: 0, missSendBytes: CONTROLLER_WHOLE_PACKET },
    ]);
    this.#advertiseAgain();
  }

  #advertiseAgain(): void {
    this.advertise();
    this.#timer = this.#parts.clock.setTimer(ADVERTISE_EVERY_MS, () => this.#advertiseAgain());
  }

  #ended(reason: string): void {
    if (this.#isReady) this.#parts.log.warn({ reason }, 'the services hear the switch no more');
    this.#isReady = false;
    this.#timer?.cancel();
    if (!this.#isClosed) this.#timer = this.#parts.clock.setTimer(RECONNECT_MS, () => this.#connect());
  }

  #answer({ match, data }: PacketIn): void {
    const { services, tell, clock } = this.#parts;
    const portNo = match.inPort ?? 0;
    const { frames, events } = services.frame(portNo, data, clock.nowMs());
    this.#say(outBy(portNo, frames));
    for (const event of events) tell(event);
  }

  #say(messages: readonly Message[]): void {
    if (messages.length > 0) this.#channel?.say(messages);
  }
}

function outBy(portNo: number, frames: readonly Uint8Array[]): Message[] {
  return frames.map((frame) => packetOut(frame, [output(portNo)]));
}
