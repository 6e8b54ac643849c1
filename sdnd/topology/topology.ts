// The topology at the overlay's controller: the sessions of the nodes' agents, whom each is to probe, what they report, and
// what the mesh learns of it. A session that ends, for whatever reason, changes nothing (SOUNDNESS C2).
import { isDeepStrictEqual } from 'node:util';
import type { Clock, Timer } from '../../common/clock.ts';
import { OperationError } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { MeshLink } from '../../wire/contracts/sdnd.ts';
import type { NetworkTopology, ProbePeer, TopologyLink } from '../../wire/contracts/topology.ts';
import type { OverlayView } from '../forwarding/view.ts';
import type { Mesh } from '../mesh/mesh.ts';
import { type LinkState, LinkStates } from './link-states.ts';
import { measuredLinks } from './measured-links.ts';
import type { LinkFigures } from './peer-link.ts';
import { type Neighbours, ProbePlan, sharingNodes } from './probe-plan.ts';

/** Changes of the overlay come in volleys; a new peer is probed so much later. */
const TELL_AFTER_MS = 100;
/** Latencies change all the time: the mesh hears of them together. Of a link that is down or up again it hears at once. */
const MESH_AFTER_MS = 5_000;
/** Agents that are told whom to probe in one go: of a thousand the last hears it two seconds later. */
const TOLD_AT_ONCE = 50;

export interface TopologyParts {
  readonly overlay: OverlayView & { readonly links: readonly MeshLink[] };
  /** Tells the mesh; called only where ways over gateways depend on it. */
  readonly setLinks: (links: MeshLink[]) => void;
  /** Who is a member, and who is where, is being told still: until it is known nobody is told whom to probe. */
  readonly waits: () => boolean;
  /** Whether a node's switch is in session and has the flows that it is to have. */
  readonly hasFlows: (node: string) => boolean;
  /** Whether it is in session. */
  readonly hasSwitch: (node: string) => boolean;
  readonly clock: Clock;
  readonly log: Log;
}

interface Session {
  readonly tell: (peers: ProbePeer[]) => void;
  told: readonly ProbePeer[] | undefined;
}

export class Topology {
  readonly #parts: TopologyParts;
  readonly #states = new LinkStates();
  readonly #sessions = new Map<string, Session>();
  #members: ReadonlySet<string>;
  #mesh: Mesh;
  #revision: number;
  #plan: ProbePlan;
  /** Nodes that are to be told, if there is something new. */
  readonly #untold = new Set<string>();
  #tellTimer: Timer | undefined;
  #meshTimer: Timer | undefined;
  #isClosed = false;

  constructor(parts: TopologyParts) {
    const { mesh, guests } = parts.overlay;
    this.#parts = parts;
    this.#members = new Set(mesh.nodes.map(({ node }) => node));
    this.#mesh = mesh;
    this.#revision = guests.revision;
    this.#plan = new ProbePlan(mesh, guests);
  }

  /** Resolves when the agent's session is over. */
  async join(
    node: string,
    all: readonly LinkFigures[],
    tell: Session['tell'],
    signal: AbortSignal,
  ): Promise<Record<string, never>> {
    const session: Session = { tell, told: undefined };
    this.#sessions.set(node, session);
    this.#take(this.#states.begin(node, all));
    this.#tellPeers(node, session);
    await ended(signal);
    // Another one may have begun before this one was seen to be over.
    if (this.#sessions.get(node) === session) {
      this.#sessions.delete(node);
      this.#states.end(node);
    }
    return {};
  }

  /** @throws OperationError SESSION_UNKNOWN */
  report(node: string, news: readonly LinkFigures[]): Record<string, never> {
    if (!this.#sessions.has(node))
      throw new OperationError('SESSION_UNKNOWN', `the agent of ${node} reports links before it has joined`);
    this.#take(this.#states.report(node, news));
    return {};
  }

  /** Members, bindings or links are others now, or known. */
  overlayChanged(): void {
    const { mesh, guests } = this.#parts.overlay;
    if (mesh !== this.#mesh || guests.revision !== this.#revision) {
      if (mesh !== this.#mesh) this.#takeMembers(mesh);
      this.#revision = guests.revision;
      this.#plan = new ProbePlan(mesh, guests);
      for (const node of this.#sessions.keys()) this.#untold.add(node);
    } else if (this.#untold.size === 0) return;
    this.#tellLater();
  }

  /** A node's switch has its flows now. */
  switchReady(node: string): void {
    if (this.#parts.overlay.mesh.isGateway(node)) this.#tellMesh();
  }

  get view(): NetworkTopology {
    const { overlay, hasSwitch } = this.#parts;
    const { mesh } = overlay;
    const sharing = sharingNodes(overlay.guests);
    const nodes = mesh.nodes.map(({ node }) => ({
      ...{ node, reports: this.#sessions.has(node), hasSwitch: hasSwitch(node) },
    }));
    const pairs = [...sharing].flatMap(([a, others]) =>
      [...others].filter((b) => a < b && this.#plan.isClose(a, b)).map((b) => [a, b] as const),
    );
    const states = new Map(pairs.map((pair) => [pair.join(' '), unmeasured(pair)]));
    for (const state of this.#states.all) states.set(state.nodes.join(' '), state);
    const links = [...states.values()]
      .filter((state) => state.nodes.every((node) => mesh.has(node)))
      .map((state) => this.#link(state, sharing));
    return { nodes, links: links.sort((x, y) => (`${x.a} ${x.b}` < `${y.a} ${y.b}` ? -1 : 1)) };
  }

  /** Ends the timers; sessions end with their connections. */
  close(): void {
    this.#isClosed = true;
    this.#tellTimer?.cancel();
    this.#meshTimer?.cancel();
  }

  #link({ nodes: [a, b], isUnheard, ...state }: LinkState, sharing: Neighbours): TopologyLink {
    const path = this.#parts.overlay.mesh.path(a, b);
    const via = path.length === 0 ? null : path.slice(0, -1);
    const verdict = isUnheard ? 'unheard' : state.verdict;
    return { a, b, ...state, verdict, isShared: sharing.get(a)?.has(b) === true, via };
  }

  #takeMembers(mesh: Mesh): void {
    const members = new Set(mesh.nodes.map(({ node }) => node));
    for (const node of this.#members) if (!members.has(node)) this.#forget(node);
    this.#members = members;
    this.#mesh = mesh;
  }

  #forget(node: string): void {
    this.#states.remove(node);
    if (this.#sessions.has(node)) this.#states.begin(node, []);
  }

  #tellLater(): void {
    this.#tellTimer ??= this.#parts.clock.setTimer(TELL_AFTER_MS, () => {
      this.#tellTimer = undefined;
      this.#tellSome();
    });
  }

  // While all is being told they wait: `overlayChanged` is called at the end of that.
  #tellSome(): void {
    const isToWait = this.#parts.waits();
    for (const node of isToWait ? [] : [...this.#untold].slice(0, TOLD_AT_ONCE)) {
      this.#untold.delete(node);
      const session = this.#sessions.get(node);
      if (session !== undefined) this.#tellPeers(node, session);
    }
    if (this.#untold.size > 0 && !isToWait) this.#tellLater();
    else this.#tellMesh();
  }

  #tellPeers(node: string, session: Session): void {
    if (this.#parts.waits()) {
      this.#untold.add(node);
      return;
    }
    const peers = this.#plan.peersOf(node);
    if (isDeepStrictEqual(peers, session.told)) return;
    session.told = peers;
    session.tell(peers);
  }

  #take(changed: readonly LinkState[]): void {
    for (const { nodes, verdict, isUnheard, roundTripMs } of changed)
      this.#parts.log.info({ nodes, verdict, isUnheard, roundTripMs }, 'a link is judged anew');
    if (changed.length > 0) this.#tellMesh();
    else this.#meshTimer ??= this.#parts.clock.setTimer(MESH_AFTER_MS, () => this.#tellMesh());
  }

  #tellMesh(): void {
    this.#meshTimer?.cancel();
    this.#meshTimer = undefined;
    const { overlay, setLinks } = this.#parts;
    // Where nobody sends on for others there is one way, however long it takes.
    if (this.#isClosed || overlay.mesh.gateways.length === 0) return;
    const links = measuredLinks(
      this.#states.all.filter((state) => this.#isPassable(state)),
      overlay.links,
    );
    if (links !== undefined) setLinks(links);
  }

  /**
   * Of a gateway that comes back probes are heard before its switch has been told what to send on: until then what was
   * known of its links stands. Whoever is lost needs no flows for that.
   */
  #isPassable({ nodes, verdict, isUnheard }: LinkState): boolean {
    const { overlay, hasFlows } = this.#parts;
    if (verdict !== 'up' || isUnheard) return true;
    return nodes.every((node) => !overlay.mesh.isGateway(node) || hasFlows(node));
  }
}

function unmeasured(nodes: readonly [string, string]): LinkState {
  return { nodes, verdict: 'unknown', roundTripMs: null, loss: 0, provedBytes: 0, isUnheard: false };
}

function ended(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
