// The links between nodes as the overlay's controller last told them, kept in memory: for whoever looks, and for decisions
// about where a VM is to be.
import type { Clock } from '../../common/clock.ts';
import { messageOf } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import { type Reachable, relaying } from '../../common/underlay-reach.ts';
import type { NodeState } from '../../wire/contracts/cluster-state.ts';
import type { ClusterLink, ClusterTopology, NetworkTopology, TopologyLink } from '../../wire/contracts/topology.ts';
import type { Cluster } from '../cluster.ts';

export interface TopologyOptions {
  readonly cluster: Pick<Cluster, 'controller'>;
  /** Those that have a place in the encrypted underlay, and who of them relays nothing now. */
  readonly underlay: { readonly members: readonly Reachable[]; readonly away: readonly string[] | undefined };
  readonly nodes: () => readonly Pick<NodeState, 'node' | 'cloud' | 'up'>[];
  /** Is told all links whenever they were asked for. */
  readonly seen: (links: NetworkTopology['links']) => void;
  readonly clock: Clock;
  readonly log: Log;
}

export class Topology {
  readonly #options: TopologyOptions;
  #known: NetworkTopology = { nodes: [], links: [] };
  #takenAtMs: number | null = null;

  constructor(options: TopologyOptions) {
    this.#options = options;
  }

  /** Asks the overlay's controller. @throws what its call throws; what was known stays */
  async look(): Promise<void> {
    this.#known = await this.#options.cluster.controller.sdnd.call('links.show', {});
    this.#takenAtMs = this.#options.clock.wallMs();
    this.#options.seen(this.#known.links);
  }

  /** As it is now, or as it was when the overlay's controller last answered. */
  async show(): Promise<ClusterTopology> {
    try {
      await this.look();
    } catch (error) {
      this.#options.log.info({ reason: messageOf(error) }, 'the links are not known now');
    }
    const known = new Map(this.#known.nodes.map((one) => [one.node, one]));
    const nodes = this.#options.nodes().map(({ node, cloud, up }) => {
      const { reports = false, hasSwitch = false } = known.get(node) ?? {};
      return { node, cloud, up, reports, hasSwitch };
    });
    return { nodes, links: this.#known.links.map(withUnderlay(this.#options.underlay)), takenAtMs: this.#takenAtMs };
  }

  /** As they were when the overlay's controller last answered. */
  get links(): NetworkTopology['links'] {
    return this.#known.links;
  }

  /** There and back, ms; 0 to itself, infinite when nothing gets through, undefined when nobody has measured it. */
  roundTripMs(one: string, other: string): number | undefined {
    if (one === other) return 0;
    const [a, b] = one < other ? [one, other] : [other, one];
    const link = this.#known.links.find((known) => known.a === a && known.b === b);
    return link?.verdict === 'down' ? Number.POSITIVE_INFINITY : (link?.roundTripMs ?? undefined);
  }
}

/** Says of each link whether WireGuard encrypts it, and by whom it relays it. */
function withUnderlay({ members, away }: TopologyOptions['underlay']): (link: TopologyLink) => ClusterLink {
  const places = new Map(members.map((member) => [member.node, member]));
  const relayOf = relaying(members, away);
  return (link) => {
    const [a, b] = [places.get(link.a), places.get(link.b)];
    if (a === undefined || b === undefined) return { ...link, encrypted: false };
    const relay = away === undefined ? undefined : relayOf(a, b);
    return { ...link, encrypted: true, ...(relay === undefined ? {} : { relay }) };
  };
}
