// What the overlay notes of each guest as soon as it changes: in the index by tenant and node, among the claims, and whose switches
// may have other flows to have for it. Pure.
import type { GuestNetworkPlan } from '../../wire/contracts/guest-network.ts';
import type { Binding } from '../../wire/contracts/sdnd.ts';
import { type BoundGuest, GuestIndex } from '../forwarding/guest-index.ts';
import { Claims } from './claims.ts';

/** Nodes; `all`: whichever there are. */
export type Touched = 'all' | ReadonlySet<string>;

/** What is known of an owner; without a binding it is no guest, whatever else is. */
export type KnownGuest = Omit<BoundGuest, 'binding'> & { readonly binding: Binding | undefined };

export class GuestRegister {
  readonly index = new GuestIndex();
  readonly #claims = new Claims();
  #touched: 'all' | Set<string> = 'all';

  note(owner: string, { binding, ...known }: KnownGuest, networks: readonly GuestNetworkPlan[]): void {
    this.#claims.set(
      owner,
      [binding, known.prepared].filter((one) => one !== undefined),
    );
    this.#touch(owner, networks);
    this.index.set(owner, binding && { binding, ...known });
    this.#touch(owner, networks);
  }

  /** Another owner's binding, active or prepared, that stands in the way of this one (PROMISES N3). */
  rivalOf(binding: Binding): Binding | undefined {
    return this.#claims.rivalOf(binding);
  }

  touchAll(): void {
    this.#touched = 'all';
  }

  /** The nodes of which something was noted since this was last asked: of a guest's network all, and its way out. */
  takeTouched(): Touched {
    const touched = this.#touched;
    this.#touched = new Set();
    return touched;
  }

  #touch(owner: string, networks: readonly GuestNetworkPlan[]): void {
    const tenant = this.index.tenantOf(owner);
    if (tenant === undefined || this.#touched === 'all') return;
    for (const node of this.index.nodesOf(tenant)) this.#touched.add(node);
    const exit = networks.find((network) => network.tenant === tenant)?.egress?.node;
    if (exit !== undefined) this.#touched.add(exit);
  }
}
