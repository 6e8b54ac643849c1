// What a node's agent answers to its guests: ARP, neighbours, router, DHCP, DNS and metadata. From
// cached bindings alone, so the controller may be away (SOUNDNESS C9). No input or output: a frame of a port goes in, frames
// for that port and events come out; whatever came, nothing is thrown.
import { decodeEthernet, EtherType } from '../packets/ethernet.ts';
import { BadPacket } from '../packets/octets.ts';
import { type Answer, type Asker, NO_ANSWER, refusal } from './answers.ts';
import { answerArp } from './arp-responder.ts';
import { type GuestNetwork, type GuestServicePort, NetworkDirectory } from './guest-network.ts';
import { answerIpv4, answerIpv6 } from './ip-services.ts';
import { PortAllowance } from './port-allowance.ts';
import { advertiseRouter, withdrawnPrefixes } from './router-advertiser.ts';

/**
 * Answers one frame. Pure: the same asker and the same frame give the same answer. A frame from another MAC address than
 * the guest's is refused (PROMISES N6), and what its protocol does not allow is told as malformed.
 */
export function answerFrame(asker: Asker, frame: Uint8Array): Answer {
  try {
    const { source, etherType, payload } = decodeEthernet(frame);
    if (source !== asker.host.mac) return refusal(asker, 'not-own-mac');
    if (etherType === EtherType.arp) return answerArp(asker, payload);
    if (etherType === EtherType.ipv4) return answerIpv4(asker, payload);
    if (etherType === EtherType.ipv6) return answerIpv6(asker, payload);
    return refusal(asker, 'not-for-services');
  } catch (error) {
    if (!(error instanceof BadPacket)) throw error;
    const { protocol, fault } = error;
    return { frames: [], events: [{ kind: 'malformed', portNo: asker.portNo, protocol, fault }] };
  }
}

interface ServedPort {
  readonly asker: Asker;
  readonly allowance: PortAllowance;
}

/** The services of all guests' ports of one node. */
export class GuestServices {
  #ports = new Map<number, ServedPort>();

  /** The ports that are served, by their numbers at the switch. */
  get portNumbers(): number[] {
    return [...this.#ports.keys()];
  }

  /**
   * Serves these ports from now on, and no others; what a port has used of its allowance stays counted.
   * @param networks those that have a port here (SOUNDNESS C10), one per tenant
   * @throws RangeError of a port whose network is missing, or a host with too many addresses
   */
  serve(networks: readonly GuestNetwork[], ports: readonly GuestServicePort[], nowMs: number): void {
    const directories = new Map(networks.map((network) => [network.tenant, new NetworkDirectory(network)]));
    const served = ports.map(({ portNo, tenant, host }): [number, ServedPort] => {
      const directory = directories.get(tenant);
      if (directory === undefined) throw new RangeError(`port ${portNo} is of tenant ${tenant}, which is not known`);
      const known = this.#ports.get(portNo);
      const asker = { portNo, host, directory };
      const allowance = known?.allowance ?? new PortAllowance(nowMs);
      return [portNo, { asker: { ...asker, withdrawn: withdrawnPrefixes(known?.asker, asker) }, allowance }];
    });
    this.#ports = new Map(served);
  }

  /** What came from a port. Frames of a port that is not served are passed over. */
  frame(portNo: number, frame: Uint8Array, nowMs: number): Answer {
    const port = this.#ports.get(portNo);
    if (port === undefined) return NO_ANSWER;
    const { isAllowed, toldDrops } = port.allowance.take(nowMs);
    const { frames, events } = isAllowed ? answerFrame(port.asker, frame) : NO_ANSWER;
    if (toldDrops === 0) return { frames, events };
    return { frames, events: [...events, { kind: 'limited', portNo, frames: toldDrops }] };
  }

  /**
   * What is said to a port unasked: the router's advertisement (RFC 4861, 6.2.4), to be sent again and again well within
   * the lifetime that it promises, and after a change. No frames where the guest has no IPv6.
   */
  advertisement(portNo: number): readonly Uint8Array[] {
    const port = this.#ports.get(portNo);
    return port === undefined ? [] : advertiseRouter(port.asker).frames;
  }
}
