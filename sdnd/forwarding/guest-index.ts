// The bound guests by tenant and by node, kept as they change, so that who works flows out need not look at all of them. What
// it hands out is of one moment and never changes after it; what is the same as before is the same object. Pure.
import type { NetworkGuest } from '../../wire/contracts/guest-network.ts';
import type { Binding } from '../../wire/contracts/sdnd.ts';
import type { GuestConnection } from '../../wire/contracts/security-groups.ts';
import { tenantOf } from './view.ts';

/** A guest and where it is, whichever switch looks; another object as soon as anything of it is another. */
export interface BoundGuest {
  readonly binding: Binding;
  /** Where it may be from one moment to the next. */
  readonly prepared: Binding | undefined;
  /** Where it was until a moment ago. */
  readonly departed: Binding | undefined;
  /** That came with it from its last place, for a while. */
  readonly connections: readonly GuestConnection[];
}

/** A tenant's guests at one moment. */
export interface TenantGuests {
  readonly tenant: number;
  /** By owner. */
  readonly guests: ReadonlyMap<string, BoundGuest>;
  /** Where they are, may be, or were a moment ago. */
  readonly nodes: ReadonlySet<string>;
  /** Their addresses, by owner in order; the same list until somebody comes, goes or has another address. */
  readonly addresses: readonly NetworkGuest[];
}

interface Tenant {
  readonly guests: Map<string, BoundGuest>;
  /** By node: places of guests there. */
  readonly places: Map<string, number>;
  nodes: ReadonlySet<string> | undefined;
  addresses: readonly NetworkGuest[] | undefined;
  told: TenantGuests | undefined;
}

const NOWHERE: ReadonlySet<never> = new Set();

export class GuestIndex {
  readonly #tenants = new Map<number, Tenant>();
  readonly #tenantsByOwner = new Map<string, number>();
  readonly #owners = new Map<string, Set<string>>();
  /** Rises whenever a network comes to a node or goes from one. */
  revision = 0;

  /** Takes a guest in as it is now; undefined: it is bound no more. */
  set(owner: string, guest: BoundGuest | undefined): void {
    const tenant = guest === undefined ? undefined : tenantOf(guest.binding);
    const before = this.#tenantsByOwner.get(owner);
    if (before !== undefined && before !== tenant) this.#put(before, owner, undefined);
    if (tenant === undefined) {
      this.#tenantsByOwner.delete(owner);
      return;
    }
    this.#tenantsByOwner.set(owner, tenant);
    this.#put(tenant, owner, guest);
  }

  /** Tenants that have a guest. */
  get tenants(): Iterable<number> {
    return this.#tenants.keys();
  }

  /** In whose network a guest is. */
  tenantOf(owner: string): number | undefined {
    return this.#tenantsByOwner.get(owner);
  }

  /** Undefined of one without guests. */
  of(number: number): TenantGuests | undefined {
    const tenant = this.#tenants.get(number);
    if (tenant === undefined) return undefined;
    tenant.addresses ??= addressesOf(tenant.guests);
    tenant.told ??= {
      tenant: number,
      guests: new Map(tenant.guests),
      nodes: nodesOf(tenant),
      addresses: tenant.addresses,
    };
    return tenant.told;
  }

  nodesOf(number: number): ReadonlySet<string> {
    const tenant = this.#tenants.get(number);
    return tenant === undefined ? NOWHERE : nodesOf(tenant);
  }

  /** Guests that are at a node, may be, or were a moment ago. */
  ownersAt(node: string): ReadonlySet<string> {
    return this.#owners.get(node) ?? NOWHERE;
  }

  /** Whose networks are there. */
  tenantsAt(node: string): ReadonlySet<number> {
    const tenants = new Set<number>();
    for (const owner of this.ownersAt(node)) {
      const tenant = this.#tenantsByOwner.get(owner);
      if (tenant !== undefined) tenants.add(tenant);
    }
    return tenants;
  }

  #put(number: number, owner: string, guest: BoundGuest | undefined): void {
    const tenant = this.#tenants.get(number) ?? freshTenant();
    this.#tenants.set(number, tenant);
    const before = tenant.guests.get(owner);
    if (guest === undefined) tenant.guests.delete(owner);
    else tenant.guests.set(owner, guest);
    tenant.told = undefined;
    if (!hasSameAddresses(before, guest)) tenant.addresses = undefined;
    this.#move(tenant, owner, placesOf(before), placesOf(guest));
    if (tenant.guests.size === 0) this.#tenants.delete(number);
  }

  #move(tenant: Tenant, owner: string, from: ReadonlySet<string>, to: ReadonlySet<string>): void {
    for (const node of to) {
      if (from.has(node)) continue;
      this.#owners.set(node, (this.#owners.get(node) ?? new Set()).add(owner));
      this.#count(tenant, node, 1);
    }
    for (const node of from) {
      if (to.has(node)) continue;
      const there = this.#owners.get(node);
      there?.delete(owner);
      if (there?.size === 0) this.#owners.delete(node);
      this.#count(tenant, node, -1);
    }
  }

  #count(tenant: Tenant, node: string, change: number): void {
    const before = tenant.places.get(node) ?? 0;
    const count = before + change;
    if (count === 0) tenant.places.delete(node);
    else tenant.places.set(node, count);
    if (before > 0 && count > 0) return;
    tenant.nodes = undefined;
    this.revision += 1;
  }
}

function freshTenant(): Tenant {
  return { guests: new Map(), places: new Map(), nodes: undefined, addresses: undefined, told: undefined };
}

function nodesOf(tenant: Tenant): ReadonlySet<string> {
  tenant.nodes ??= new Set(tenant.places.keys());
  return tenant.nodes;
}

function placesOf(guest: BoundGuest | undefined): ReadonlySet<string> {
  if (guest === undefined) return NOWHERE;
  const places = [guest.binding, guest.prepared, guest.departed];
  return new Set(places.flatMap((place) => (place === undefined ? [] : [place.node])));
}

function hasSameAddresses(before: BoundGuest | undefined, now: BoundGuest | undefined): boolean {
  const [old, fresh] = [before?.binding, now?.binding];
  return old !== undefined && fresh !== undefined && old.mac === fresh.mac && old.ip === fresh.ip;
}

function addressesOf(guests: ReadonlyMap<string, BoundGuest>): NetworkGuest[] {
  const all = [...guests.values()].map(({ binding: { owner, mac, ip } }) => ({ owner, mac, ip }));
  return all.sort((a, b) => (a.owner < b.owner ? -1 : 1));
}
