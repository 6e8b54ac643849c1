// What has happened to the overlay since the orchestrator's start, for people: its controller changed, a link was gone. The
// newest are kept, in memory: what is true now is asked of the overlay itself.
import type { Clock } from '../../common/clock.ts';
import type { LinkEvent, NetworkEvent } from '../../wire/contracts/events.ts';
import type { TopologyLink } from '../../wire/contracts/topology.ts';

/** A page's worth and more; older ones are forgotten. */
const EVENTS_MAX = 50;

export class NetworkEvents {
  readonly #clock: Pick<Clock, 'wallMs'>;
  /** The newest first. */
  #events: NetworkEvent[] = [];
  /** Links that were there when they were last told of. */
  readonly #up = new Set<string>();

  constructor({ clock }: { clock: Pick<Clock, 'wallMs'> }) {
    this.#clock = clock;
  }

  list(): NetworkEvent[] {
    return this.#events;
  }

  /** Another controller of the overlay was chosen. */
  chosen(node: string, before: string): void {
    this.#add({ kind: 'controller', node, before, atMs: this.#clock.wallMs() });
  }

  /** All links, as they were just told. One of which nobody has said enough is neither gone nor back. */
  links(links: readonly TopologyLink[]): void {
    const now = new Map(links.map((link) => [keyOf(link), link.verdict]));
    const atMs = this.#clock.wallMs();
    this.#events = this.#events.map((event) => {
      if (!isLasting(event)) return event;
      const verdict = now.get(keyOf(event));
      return verdict === 'up' ? { ...event, endedMs: atMs } : isGone(verdict) ? { ...event, verdict } : event;
    });
    for (const link of links) {
      if (link.verdict === 'up') this.#up.add(keyOf(link));
      // Of a node that is joining nothing was heard before.
      else if (isGone(link.verdict) && this.#up.delete(keyOf(link)))
        this.#add({ kind: 'link', a: link.a, b: link.b, verdict: link.verdict, atMs, endedMs: null });
    }
  }

  #add(event: NetworkEvent): void {
    this.#events = [event, ...this.#events].slice(0, EVENTS_MAX);
  }
}

function isLasting(event: NetworkEvent): event is LinkEvent {
  return event.kind === 'link' && event.endedMs === null;
}

function isGone(verdict: TopologyLink['verdict'] | undefined): verdict is LinkEvent['verdict'] {
  return verdict === 'down' || verdict === 'unheard';
}

function keyOf({ a, b }: Pick<TopologyLink, 'a' | 'b'>): string {
  return `${a} ${b}`;
}
