// Between a node's switch and its guests' services: takes the frames that the switch brings and sends the answers out, by a
// connection of its own, so that no guest's flood waits before a gate that is to be turned. Writes no flow.
import { type Message, output, type PacketIn, packetOut } from '@openflow/ofp';
import type { Clock, Timer } from '../../common/clock.ts';
import type { Log } from '../../common/log.ts';
import type { ServiceEvent } from '../guest-services/answers.ts';
import type { GuestServices } from '../guest-services/guest-services.ts';
import { LocalSwitch } from '../local-switch/local-switch.ts';
import { SERVICES_CONTROLLER_ID } from './service-flows.ts';

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
  readonly #switch: LocalSwitch;
  #timer: Timer | undefined;
  /** Frames that the switch brought. */
  packetIns = 0;

  constructor(parts: ServiceDeskParts) {
    const { socket, clock, log } = parts;
    this.#parts = parts;
    this.#switch = new LocalSwitch(
      { socket, who: 'the services', controllerId: SERVICES_CONTROLLER_ID, clock, log },
      {
        begun: () => this.#advertiseAgain(),
        ended: () => this.#timer?.cancel(),
        packet: (packet) => this.#answer(packet),
      },
    );
  }

  /** Tells every guest of its router again, as is to be done after a change of the networks. */
  advertise(): void {
    const { services } = this.#parts;
    this.#switch.say(services.portNumbers.flatMap((portNo) => outBy(portNo, services.advertisement(portNo))));
  }

  /** Ends the session. */
  stop(): void {
    this.#timer?.cancel();
    this.#switch.stop();
  }

  #advertiseAgain(): void {
    this.advertise();
    this.#timer = this.#parts.clock.setTimer(ADVERTISE_EVERY_MS, () => this.#advertiseAgain());
  }

  #answer({ match, data }: PacketIn): void {
    const { services, tell, clock } = this.#parts;
    this.packetIns++;
    const portNo = match.inPort ?? 0;
    const { frames, events } = services.frame(portNo, data, clock.nowMs());
    this.#switch.say(outBy(portNo, frames));
    for (const event of events) tell(event);
  }
}

function outBy(portNo: number, frames: readonly Uint8Array[]): Message[] {
  return frames.map((frame) => packetOut(frame, [output(portNo)]));
}
