// Which flows of a switch are of the past of a guest that is known here, so that they may go without waiting (SOUNDNESS
// C4). Pure. A flow of a guest that nobody has told of, or of an epoch that is not known yet, is never one: it may be of
// a state that is newer than this one.
import { ethAddress, ipv4, type Match } from '@openflow/ofp';
import { Type } from 'typebox';
import { Ipv4, Mac } from '../wire/names.ts';
import type { Flow } from './flow.ts';
import type { OverlayView } from './forwarding.ts';
import { epochOfCookie } from './pipeline.ts';

/** Addresses that nobody has any more, and the last epoch under which a guest had them. */
export const PastGuest = Type.Object({ mac: Mac, ip: Ipv4, epoch: Type.Integer({ minimum: 0 }) });
export type PastGuest = Type.Static<typeof PastGuest>;

/** Guests that are remembered after they are gone: as many as may go while a switch is away. The oldest are forgotten. */
const PAST_GUESTS_MAX = 1024;

export class PastGuests {
  readonly #guests = new Map<string, PastGuest>();

  /** In the order in which they went. */
  get all(): readonly PastGuest[] {
    return [...this.#guests.values()];
  }

  /** Its addresses are nobody's any more. */
  add({ mac, ip, epoch }: PastGuest): void {
    this.#guests.delete(`${mac} ${ip}`);
    this.#guests.set(`${mac} ${ip}`, { mac, ip, epoch });
    for (const oldest of this.#guests.keys()) {
      if (this.#guests.size <= PAST_GUESTS_MAX) break;
      this.#guests.delete(oldest);
    }
  }

  /** Its addresses are in use again. */
  remove({ mac, ip }: Omit<PastGuest, 'epoch'>): void {
    this.#guests.delete(`${mac} ${ip}`);
  }
}

/**
 * Tells of a flow that is not wanted whether that is because its guest has moved on or is gone, by its cookie: under an
 * epoch up to which that guest is known here.
 */
export function pastOf(overlay: OverlayView, past: readonly PastGuest[]): (flow: Flow) => boolean {
  const bound = [...overlay.bindings.values()].filter(({ owner, node }) => {
    const preparation = overlay.preparations.get(owner);
    // Without its node's address the wanted flows are not whole.
    return overlay.members.has(node) && (preparation === undefined || overlay.members.has(preparation.node));
  });
  const epochs = new Map<string, number>();
  for (const { mac, ip, epoch } of [...past, ...bound]) {
    for (const address of [ethAddress(mac), String(ipv4(ip))]) {
      epochs.set(address, Math.max(epoch, epochs.get(address) ?? 0));
    }
  }
  return ({ cookie, match }) => {
    const epoch = epochOfCookie(cookie, overlay.incarnation);
    const known = epochs.get(addressIn(match));
    return epoch !== undefined && known !== undefined && epoch <= known;
  };
}

/** Whose flow it is: every flow of a guest matches its MAC address, or an ARP request for its IP address. */
function addressIn({ ethSrc, ethDst, arpTpa }: Match): string {
  const mac = [ethSrc, ethDst].find((value) => typeof value === 'string');
  return mac ?? (typeof arpTpa === 'number' ? String(arpTpa) : '');
}
