// Between a node's switch and its prober: sends probes into the tunnel, hands over those that come out of it, and keeps the
// flows by which they come. Has a connection of its own, so that no guest's flood waits before a probe.
import { ipv4Text, type PacketIn, packetOut } from '@openflow/ofp';
import type { Clock } from '../../common/clock.ts';
import type { Log } from '../../common/log.ts';
import type { Flow } from '../flow.ts';
import { FlowKeeper } from '../local-switch/flow-keeper.ts';
import { intoTunnel, PROBE_FILTER, PROBER_CONTROLLER_ID } from './probe-flows.ts';
import type { ProbeFrame } from './prober.ts';

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
  readonly #flows: FlowKeeper;
  /** Frames that the switch brought. */
  packetIns = 0;

  constructor(parts: ProbeDeskParts) {
    const { socket, flows, clock, log } = parts;
    this.#parts = parts;
    this.#flows = new FlowKeeper({
      ...{ socket, who: 'the prober', controllerId: PROBER_CONTROLLER_ID, clock, log },
      filter: PROBE_FILTER,
      sets: [{ what: 'probes', wanted: flows }],
      packet: (packet) => this.#hear(packet),
    });
  }

  /** Nothing where there is no session: what is lost is what a probe is for. */
  send(frames: readonly ProbeFrame[]): void {
    this.#flows.say(frames.map(({ to, portNo, bytes }) => packetOut(bytes, intoTunnel(to, portNo))));
  }

  /** Compares the flows at once: others are wanted. */
  look(): void {
    this.#flows.look();
  }

  /** Ends the session; the flows stay, and bring nothing to anybody. */
  stop(): void {
    this.#flows.stop();
  }

  #hear({ match, data }: PacketIn): void {
    this.packetIns++;
    if (match.tunIpv4Src !== undefined) this.#parts.heard(data, ipv4Text(addressOf(match.tunIpv4Src)));
  }
}

function addressOf(field: number | { readonly value: number }): number {
  return typeof field === 'number' ? field : field.value;
}
