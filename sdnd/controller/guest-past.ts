// Which flows of a switch are of the past of a guest that is known here, so that they may go without waiting (SOUNDNESS
// C4). Pure. A flow of a guest that nobody has told of, or of an epoch that is not known yet, is never one: it may be of
// a state that is newer than this one.
import { ethAddress, ipv4, type Match } from '@openflow/ofp';
import { Type } from '#typebox';
import { macOfSelfMade } from '../../common/addresses/ipv6-address.ts';
import { Ipv4, Mac } from '../../wire/names.ts';
import type { Flow } from '../flow.ts';
import type { OverlayView } from '../forwarding/view.ts';
import { epochOfCookie, SERVICE_MAC, TENANT, tenantOfTunnelId } from '../pipeline.ts';

/** Addresses that nobody has any more, and the last epoch under which a guest had them. */
export const PastGuest = Type.Object({
  mac: Mac,
  ip: Ipv4,
  epoch: Type.Integer({ minimum: 0 }),
  /** Absent: 1. */
  tenant: Type.Optional(Type.Integer({ minimum: 1 })),
});
export type PastGuest = Type.Static<typeof PastGuest>;

/** The epoch of what is no guest's. */
const NO_GUEST = 0;
/** Guests that are remembered after they are gone: as many as may go while a switch is away. The oldest are forgotten. */
const PAST_GUESTS_MAX = 1024;

export class PastGuests {
  readonly #guests = new Map<string, PastGuest>();

  /** In the order in which they went. */
  get all(): readonly PastGuest[] {
    return [...this.#guests.values()];
  }

  /** Its addresses are nobody's any more. */
  add({ mac, ip, epoch, tenant }: PastGuest): void {
    const key = keyOf({ mac, ip, tenant });
    this.#guests.delete(key);
    this.#guests.set(key, { mac, ip, epoch, ...(tenant === undefined ? {} : { tenant }) });
    for (const oldest of this.#guests.keys()) {
      if (this.#guests.size <= PAST_GUESTS_MAX) break;
      this.#guests.delete(oldest);
    }
  }

  /** Its addresses are in use again. */
  remove(guest: Omit<PastGuest, 'epoch'>): void {
    this.#guests.delete(keyOf(guest));
  }
}

function keyOf({ mac, ip, tenant = TENANT }: { mac: string; ip: string; tenant?: number | undefined }): string {
  return `${tenant} ${mac} ${ip}`;
}

/**
 * Tells of a flow that is not wanted whether that is because its guest has moved on or is gone, by its cookie: under an
 * epoch up to which that guest is known here. One that is no guest's, as the router's way out at a node that has no guest any
 * more, is past where guests of its network are known, or were.
 */
export function pastOf(overlay: OverlayView, past: readonly PastGuest[]): (flow: Flow) => boolean {
  const bound = [...overlay.bindings.values()].filter(({ owner, node }) => {
    const preparation = overlay.preparations.get(owner);
    // Without its node's address the wanted flows are not whole.
    return overlay.mesh.has(node) && (preparation === undefined || overlay.mesh.has(preparation.node));
  });
  const tenants = new Set<number>();
  /** By address and tenant. */
  const epochs = new Map<string, Map<number, number>>();
  for (const { mac, ip, epoch, tenant = TENANT } of [...past, ...bound]) {
    tenants.add(tenant);
    for (const address of [ethAddress(mac), String(ipv4(ip))]) {
      const byTenant = epochs.get(address) ?? new Map<number, number>();
      epochs.set(address, byTenant.set(tenant, Math.max(epoch, byTenant.get(tenant) ?? 0)));
    }
  }
  return ({ cookie, match }) => {
    const epoch = epochOfCookie(cookie, overlay.incarnation);
    const byTenant = epochs.get(addressIn(match));
    const tenant = tenantIn(match);
    if (epoch === undefined) return false;
    if (byTenant === undefined) return epoch === NO_GUEST && tenant !== undefined && tenants.has(tenant);
    // A flow that does not say whose it is, of a port here, may be of any tenant that has this address.
    const known = tenant === undefined ? Math.min(...byTenant.values()) : (byTenant.get(tenant) ?? -1);
    return epoch <= known;
  };
}

/** Whose flow it is: every flow of a guest matches its MAC address, or asks or routes to its IP address, or comes from it. */
function addressIn({ ethSrc, ethDst, arpTpa, ipv4Src, ipv4Dst, ipv6Src, ipv6Dst }: Match): string {
  const mac = [ethSrc, ethDst].find((value) => typeof value === 'string' && value !== SERVICE_MAC);
  const ip = [arpTpa, ipv4Dst, ipv4Src].find((value) => typeof value === 'number');
  const ipv6 = [ipv6Dst, ipv6Src].find((value) => typeof value === 'bigint');
  if (mac === undefined && typeof ipv6 === 'bigint') return macOfSelfMade(ipv6);
  return mac?.toString() ?? String(ip ?? '');
}

function tenantIn({ reg2, tunnelId }: Match): number | undefined {
  if (typeof reg2 === 'number') return reg2;
  return typeof tunnelId === 'object' ? tenantOfTunnelId(tunnelId.value) : undefined;
}
