// Tells every node's agent of the networks that have a port there, or may soon have (SOUNDNESS C10), whenever that is
// something else than it was told before. One call at a node at a time; what fails is tried again. Waited for by nobody:
// agents answer their guests from what they know.
import { isDeepStrictEqual } from 'node:util';
import type { Clock, Timer } from '../../common/clock.ts';
import { codeOf, messageOf } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { GuestNetworkPlan, GuestNews, NetworkGuest } from '../../wire/contracts/guest-network.ts';
import type { OverlayMember } from '../../wire/contracts/sdnd.ts';
import type { OverlayView } from '../forwarding/view.ts';
import type { Touched } from './guest-register.ts';

/** An agent is restarted in a second or so. */
const RETRY_MS = 2_000;

type NetworkNews = GuestNews['networks'][number];

/** What is known of the overlay, and who its nodes are. */
interface TellerOverlay extends Pick<OverlayView, 'guests' | 'networks'> {
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

/** What a network's news were made of. */
interface MadeNews {
  readonly plan: GuestNetworkPlan;
  readonly addresses: readonly NetworkGuest[];
  readonly news: NetworkNews;
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
  /** By tenant, as last made: told of a network that is as it was, an agent is told nothing. */
  readonly #news = new Map<number, MadeNews>();
  #members: readonly OverlayMember[] = [];
  #byNode: ReadonlyMap<string, OverlayMember> = new Map();
  #revision = 0;
  #isClosed = false;

  constructor(parts: AgentTellerParts) {
    this.#parts = parts;
  }

  /** Something may have changed at these nodes. */
  tell(touched: Touched): void {
    const { members } = this.#parts.overlay;
    if (members !== this.#members) this.#setMembers(members);
    for (const node of touched === 'all' ? this.#byNode.keys() : touched) {
      const member = this.#byNode.get(node);
      if (member !== undefined) void this.#tellOne(member);
    }
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

  #setMembers(members: readonly OverlayMember[]): void {
    this.#members = members;
    this.#byNode = new Map(members.map((member) => [member.node, member]));
    for (const [node, { timer }] of this.#told) {
      if (this.#byNode.has(node)) continue;
      timer?.cancel();
      this.#told.delete(node);
    }
  }

  async #tellOne(member: OverlayMember): Promise<void> {
    const { term, call } = this.#parts;
    const { node } = member;
    const told = this.#told.get(node) ?? { networks: undefined, isBusy: false, timer: undefined };
    this.#told.set(node, told);
    const networks = this.#networksAt(node);
    if (this.#isClosed || told.isBusy || isSame(networks, told.networks)) return;
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

  /** The networks of the tenants that are there, may be from one moment to the next, or were a moment ago. */
  #networksAt(node: string): NetworkNews[] {
    const { guests, networks } = this.#parts.overlay;
    const tenants = guests.tenantsAt(node);
    return networks.filter(({ tenant }) => tenants.has(tenant)).map((plan) => this.#newsOf(plan));
  }

  #newsOf(plan: GuestNetworkPlan): NetworkNews {
    const addresses = this.#parts.overlay.guests.of(plan.tenant)?.addresses ?? [];
    const made = this.#news.get(plan.tenant);
    if (made?.plan === plan && made.addresses === addresses) return made.news;
    const news = { ...plan, guests: [...addresses] };
    this.#news.set(plan.tenant, { plan, addresses, news });
    return news;
  }

  /** An agent that a later controller has told of its guests has no need of this one. */
  #refused(node: string, error: unknown): boolean {
    this.#parts.log.warn({ node, reason: messageOf(error) }, 'an agent could not be told of its guests');
    const isOutranked = codeOf(error) === 'TERM_STALE';
    if (isOutranked) this.#parts.outranked?.(node);
    return isOutranked;
  }
}

function isSame(networks: readonly NetworkNews[], told: readonly NetworkNews[] | undefined): boolean {
  const isOfOneMaking = networks.length === told?.length && networks.every((news, index) => news === told[index]);
  return isOfOneMaking || isDeepStrictEqual(networks, told);
}
