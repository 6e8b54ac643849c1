// The links that floods cross: between any two switches one way and no more. Pure. A link that is in the tree stays there as
// long as it is there at all, so that a quicker one that comes and goes moves nobody's floods.
import type { MeshLink } from './link-finder.ts';
import type { MeshPort, MeshSwitch } from './mesh-switch.ts';

/** Chooses the tree's links. `isInTree`: what the last choice was. */
export function spanningTree(links: Iterable<MeshLink>, isInTree: (link: MeshLink) => boolean): Set<MeshLink> {
  const rank = (link: MeshLink): number => (isForced(link) ? 0 : isInTree(link) ? 1 : 2);
  const candidates = [...links].filter(canFlood).map((link) => ({ link, rank: rank(link) }));
  candidates.sort((x, y) => x.rank - y.rank || x.link.latencyMs - y.link.latencyMs || compare(x.link, y.link));
  const islands = new Islands();
  return new Set(candidates.filter(({ link }) => islands.join(link.a.owner, link.b.owner)).map(({ link }) => link));
}

function compare(x: MeshLink, y: MeshLink): number {
  return x.a.key < y.a.key || (x.a.key === y.a.key && x.b.key < y.b.key) ? -1 : 1;
}

/** A switch without a session goes on as it was told: what it has closed stays closed. */
function canFlood({ a, b }: MeshLink): boolean {
  return mayOpen(a) && mayOpen(b);
}

function mayOpen(port: MeshPort): boolean {
  return port.owner.isReady || port.owner.floodMay.has(port.no);
}

/** Nobody can close it. */
function isForced({ a, b }: MeshLink): boolean {
  return !a.owner.isReady && !b.owner.isReady;
}

/** Sets of switches that are joined already. */
class Islands {
  readonly #above = new Map<MeshSwitch, MeshSwitch>();

  /** False where they were joined before. */
  join(a: MeshSwitch, b: MeshSwitch): boolean {
    const [topA, topB] = [this.#top(a), this.#top(b)];
    if (topA === topB) return false;
    this.#above.set(topA, topB);
    return true;
  }

  #top(one: MeshSwitch): MeshSwitch {
    let top = one;
    for (let next = this.#above.get(top); next !== undefined; next = this.#above.get(top)) top = next;
    if (top !== one) this.#above.set(one, top);
    return top;
  }
}
