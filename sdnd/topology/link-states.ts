// The links of the whole overlay as their ends report them, and the latency between nodes that placement uses. Pure. A
// link is down only while both ends' agents are in session with the controller and one of them says that it hears nothing;
// while one is away its verdict stays as it was: a controller that lost a session must not take a path for lost (SOUNDNESS
// C2, PROMISES N4). That the other end hears nothing of who is away is kept beside it: that is no loss of the controller's.
import type { LinkFigures } from './peer-link.ts';

/** `unknown`: nobody has said enough since this controller began. */
type LinkVerdict = 'up' | 'down' | 'unknown';

/** A link between two nodes, the lesser name first. */
export interface LinkState {
  readonly nodes: readonly [string, string];
  readonly verdict: LinkVerdict;
  /** Mean of what the ends measured, ms; null before either has. */
  readonly roundTripMs: number | null;
  /** The greater of the ends', 0 to 1. */
  readonly loss: number;
  /** The longest frame that came through in both directions, bytes; 0 while one end has not said. */
  readonly provedBytes: number;
  /** One end is away, and the other, which is in session, hears nothing of it. */
  readonly isUnheard: boolean;
}

interface Link {
  readonly nodes: readonly [string, string];
  verdict: LinkVerdict;
  isUnheard: boolean;
  /** By the node that says it. */
  readonly halves: Map<string, LinkFigures>;
}

export class LinkStates {
  readonly #links = new Map<string, Link>();
  /** The same by either end. */
  readonly #byNode = new Map<string, Set<Link>>();
  readonly #inSession = new Set<string>();

  /** A node's agent is in session, and says all that it knows. Answers the links of which it judges anew. */
  begin(node: string, all: readonly LinkFigures[]): LinkState[] {
    this.#inSession.add(node);
    for (const link of this.#linksOf(node)) link.halves.delete(node);
    for (const figures of all) this.#tell(node, figures);
    return this.#judgeAll(node);
  }

  /** It says what is new. Answers the links whose verdict changed. @throws RangeError if its session has not begun */
  report(node: string, news: readonly LinkFigures[]): LinkState[] {
    if (!this.#inSession.has(node)) throw new RangeError(`the session of ${node} has not begun`);
    for (const figures of news) this.#tell(node, figures);
    return this.#judgeAll(node);
  }

  /** Its session is over: what it said stays, and no verdict changes. */
  end(node: string): void {
    this.#inSession.delete(node);
  }

  /** It is no member any more. */
  remove(node: string): void {
    this.#inSession.delete(node);
    for (const link of this.#linksOf(node)) {
      this.#links.delete(keyOf(...link.nodes));
      for (const end of link.nodes) this.#byNode.get(end)?.delete(link);
    }
    this.#byNode.delete(node);
  }

  /** Undefined when neither end ever spoke of it. */
  link(one: string, other: string): LinkState | undefined {
    const link = this.#links.get(keyOf(one, other));
    return link && stateOf(link);
  }

  get all(): LinkState[] {
    return [...this.#links.values()].map(stateOf);
  }

  #linksOf(node: string): Link[] {
    return [...(this.#byNode.get(node) ?? [])];
  }

  #tell(node: string, figures: LinkFigures): void {
    if (figures.peer === node) return;
    const key = keyOf(node, figures.peer);
    const link = this.#links.get(key) ?? this.#begin(key, inOrder(node, figures.peer));
    link.halves.set(node, figures);
  }

  #begin(key: string, nodes: Link['nodes']): Link {
    const link = newLink(nodes);
    this.#links.set(key, link);
    for (const end of nodes) this.#byNode.set(end, (this.#byNode.get(end) ?? new Set()).add(link));
    return link;
  }

  #judgeAll(node: string): LinkState[] {
    return this.#linksOf(node).flatMap((link) => {
      const { verdict, isUnheard } = link;
      link.verdict = this.#judge(link);
      link.isUnheard = this.#isUnheardBy(node, link);
      return link.verdict === verdict && link.isUnheard === isUnheard ? [] : [stateOf(link)];
    });
  }

  #judge({ nodes, verdict, halves }: Link): LinkVerdict {
    if (!nodes.every((node) => this.#inSession.has(node))) return verdict;
    const hearings = nodes.map((node) => halves.get(node)?.hearing ?? 'unknown');
    if (hearings.includes('silent')) return 'down';
    return hearings.includes('unknown') ? verdict : 'up';
  }

  // Of two that are in session the verdict says it.
  #isUnheardBy(node: string, { nodes, isUnheard, halves }: Link): boolean {
    if (nodes.every((one) => this.#inSession.has(one))) return false;
    const hearing = halves.get(node)?.hearing ?? 'unknown';
    return hearing === 'unknown' ? isUnheard : hearing === 'silent';
  }
}

function newLink(nodes: Link['nodes']): Link {
  return { nodes, verdict: 'unknown', isUnheard: false, halves: new Map() };
}

function inOrder(one: string, other: string): [string, string] {
  return one < other ? [one, other] : [other, one];
}

function keyOf(one: string, other: string): string {
  return inOrder(one, other).join(' ');
}

function stateOf({ nodes, verdict, isUnheard, halves }: Link): LinkState {
  const figures = [...halves.values()];
  const roundTrips = figures.flatMap(({ roundTripMs }) => roundTripMs ?? []);
  return {
    nodes,
    verdict,
    roundTripMs: roundTrips.length === 0 ? null : roundTrips.reduce((sum, ms) => sum + ms, 0) / roundTrips.length,
    loss: Math.max(0, ...figures.map(({ loss }) => loss)),
    provedBytes: figures.length < 2 ? 0 : Math.min(...figures.map(({ provedBytes }) => provedBytes)),
    isUnheard,
  };
}
