// The shortest way from every switch to one, by measured latency. Kept until a link or a figure changes.
import type { MeshLink } from './link-finder.ts';
import type { MeshPort, MeshSwitch } from './mesh-switch.ts';

/** What a switch costs beside its link, ms: of ways that take equally long the one over fewer switches. */
const SWITCH_MS = 0.05;

/** Out of a switch by `out`, into the next by `into`. */
export interface Step {
  readonly out: MeshPort;
  readonly into: MeshPort;
}

export class ShortestWays {
  readonly #links: () => Iterable<MeshLink>;
  /** By the switch that the ways lead to: the first step from each other one. */
  readonly #known = new Map<MeshSwitch, ReadonlyMap<MeshSwitch, Step>>();
  #steps: ReadonlyMap<MeshSwitch, readonly { step: Step; costMs: number }[]> | undefined;

  constructor(links: () => Iterable<MeshLink>) {
    this.#links = links;
  }

  /** Links or latencies are others. */
  changed(): void {
    this.#known.clear();
    this.#steps = undefined;
  }

  /** The steps between two switches; undefined where there is no way, none from one to itself. */
  between(from: MeshSwitch, to: MeshSwitch): Step[] | undefined {
    if (from === to) return [];
    const first = this.#waysTo(to);
    const steps: Step[] = [];
    for (let at = from; at !== to; ) {
      const step = first.get(at);
      if (step === undefined) return undefined;
      steps.push(step);
      at = step.into.owner;
    }
    return steps;
  }

  #waysTo(to: MeshSwitch): ReadonlyMap<MeshSwitch, Step> {
    const known = this.#known.get(to) ?? this.#search(to);
    this.#known.set(to, known);
    return known;
  }

  // Dijkstra (1959), from the end backwards.
  #search(to: MeshSwitch): ReadonlyMap<MeshSwitch, Step> {
    const first = new Map<MeshSwitch, Step>();
    const costMs = new Map<MeshSwitch, number>([[to, 0]]);
    const open = new Set([to]);
    while (open.size > 0) {
      const nearest = leastOf(open, costMs, to);
      open.delete(nearest);
      for (const { step, costMs: more } of this.#into(nearest)) {
        const total = (costMs.get(nearest) ?? 0) + more;
        if (total >= (costMs.get(step.out.owner) ?? Number.POSITIVE_INFINITY)) continue;
        costMs.set(step.out.owner, total);
        first.set(step.out.owner, step);
        open.add(step.out.owner);
      }
    }
    return first;
  }

  #into(one: MeshSwitch): readonly { step: Step; costMs: number }[] {
    this.#steps ??= stepsInto(this.#links());
    return this.#steps.get(one) ?? [];
  }
}

function leastOf(
  open: ReadonlySet<MeshSwitch>,
  costMs: ReadonlyMap<MeshSwitch, number>,
  first: MeshSwitch,
): MeshSwitch {
  let [least, leastMs] = [first, Number.POSITIVE_INFINITY];
  for (const one of open) {
    const ms = costMs.get(one) ?? Number.POSITIVE_INFINITY;
    if (ms < leastMs || (ms === leastMs && one.id < least.id)) [least, leastMs] = [one, ms];
  }
  return least;
}

// A switch without a session cannot be told of a new path.
function stepsInto(links: Iterable<MeshLink>): Map<MeshSwitch, { step: Step; costMs: number }[]> {
  const steps = new Map<MeshSwitch, { step: Step; costMs: number }[]>();
  const add = (out: MeshPort, into: MeshPort, latencyMs: number): void => {
    const all = steps.get(into.owner) ?? [];
    steps.set(into.owner, all);
    all.push({ step: { out, into }, costMs: latencyMs + SWITCH_MS });
  };
  for (const { a, b, latencyMs } of links) {
    if (!a.owner.isReady || !b.owner.isReady || a.owner === b.owner) continue;
    add(a, b, latencyMs);
    add(b, a, latencyMs);
  }
  return steps;
}
