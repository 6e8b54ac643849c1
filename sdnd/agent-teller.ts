// Tells every node's agent of the networks that have a port there, or may soon have (SOUNDNESS C10), whenever that is
// something else than it was told before. One call at a node at a time; what fails is tried again. Waited for by nobody:
// agents answer their guests from what they know.
import { isDeepStrictEqual } from 'node:util';
import type { Clock, Timer } from '../common/clock.ts';
import { codeOf, messageOf } from '../common/errors.ts';
import type { Log } from '../common/log.ts';
import type { GuestNews } from '../wire/contracts/guest-network.ts';
import type { OverlayMember } from '../wire/contracts/sdnd.ts';
import { type OverlayView, tenantOf } from './forwarding/view.ts';

/** An agent is restarted in a second or so. */
const RETRY_MS = 2_000;

type NetworkNews = GuestNews['networks'][number];

/** What is known of the overlay, and who its nodes are. */
interface TellerOverlay extends Pick<OverlayView, 'bindings' | 'preparations' | 'departures' | 'networks'> {
  readonly members: readonly OverlayMember[];
}

export interface AgentTellerParts {
  readonly overlay: TellerOverlay;
  /** Of this controller: rises at each of its starts. */
  readonly term: number;
  readonly call: (member: OverlayMember, news: GuestNews) => Promise<unknown>;
  /** The node's agent obeys a controller of a higher term. */
  readonly outranked?: (node: string) => void;
  readonly clock: Clock;
  readonly log: Log;
}

/** What one agent was told, and is being told. */
interface Told {
  networks: readonly NetworkNews[] | undefined;
  isBusy: boolean;
  timer: Timer | undefined;
}

export class AgentTeller {
  readonly #parts: AgentTellerParts;
  readonly #told = new Map<string, Told>();
  #revision = 0;
  #isClosed = false;

  constructor(parts: AgentTellerParts) {
    this.#parts = parts;
  }

  /** Something may have changed. */
  tell(): void {
    const { members } = this.#parts.overlay;
    const nodes = new Set(members.map(({ node }) => node));
    for (const [node, { timer }] of this.#told) {
      if (nodes.has(node)) continue;
      timer?.cancel();
      this.#told.delete(node);
    }
    const networksAt = networksByNode(this.#parts.overlay);
    for (const member of members) void this.#tellOne(member, networksAt);
  }

  /** This node may have forgotten: at the next `tell` it is told all. */
  forget(node: string): void {
    const told = this.#told.get(node);
    if (told !== undefined) told.networks = undefined;
  }

  close(): void {
    this.#isClosed = true;
    for (const { timer } of this.#told.values()) timer?.cancel();
  }

  async #tellOne(member: OverlayMember, networksAt = networksByNode(this.#parts.overlay)): Promise<void> {
    const { term, call } = this.#parts;
    const { node } = member;
    const told = this.#told.get(node) ?? { networks: undefined, isBusy: false, timer: undefined };
    this.#told.set(node, told);
    const networks = networksAt(node);
    if (this.#isClosed || told.isBusy || isDeepStrictEqual(networks, told.networks)) return;
    told.timer?.cancel();
    told.isBusy = true;
    told.networks = networks;
    const isTaken = await call(member, { term, revision: ++this.#revision, networks }).then(
      () => true,
      (error: unknown) => this.#refused(node, error),
    );
    told.isBusy = false;
    if (this.#told.get(node) !== told) return;
    if (!isTaken) told.networks = undefined;
    // Meanwhile there may be other news.
    if (isTaken) void this.#tellOne(member);
    else if (!this.#isClosed) told.timer = this.#parts.clock.setTimer(RETRY_MS, () => void this.#tellOne(member));
  }

  /** An agent that a later controller has told of its guests has no need of this one. */
  #refused(node: string, error: unknown): boolean {
    this.#parts.log.warn({ node, reason: messageOf(error) }, 'an agent could not be told of its guests');
    const isOutranked = codeOf(error) === 'TERM_STALE';
    if (isOutranked) this.#parts.outranked?.(node);
    return isOutranked;
  }
}

/** For each node the networks of the tenants that are there, may be from one moment to the next, or were a moment ago. */
function networksByNode({
  bindings,
  preparations,
  departures,
  networks,
}: TellerOverlay): (node: string) => NetworkNews[] {
  const tenants = new Map<string, Set<number>>();
  for (const byOwner of [bindings, preparations, departures]) {
    for (const place of byOwner.values()) {
      const there = tenants.get(place.node) ?? new Set();
      tenants.set(place.node, there.add(tenantOf(place)));
    }
  }
  const guests = new Map<number, NetworkNews['guests']>(networks.map(({ tenant }) => [tenant, []]));
  const byOwner = [...bindings.values()].sort((a, b) => (a.owner < b.owner ? -1 : 1));
  for (const binding of byOwner) {
    const { owner, mac, ip } = binding;
    guests.get(tenantOf(binding))?.push({ owner, mac, ip });
  }
  const news = networks.map((plan) => ({ ...plan, guests: guests.get(plan.tenant) ?? [] }));
  return (node) => news.filter(({ tenant }) => tenants.get(node)?.has(tenant));
}
