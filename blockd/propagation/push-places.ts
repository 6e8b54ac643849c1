// Which nodes blocks may be pushed to: those that stand for the other clouds, as the orchestrator chooses them for a VM that
// goes there. What a person says of clouds is said of these nodes. Pure.
import type { PropagationSettings, TrafficPrice } from '../../wire/contracts/propagation.ts';
import type { Member } from '../../wire/names.ts';

/** The members as one node sees them. */
export class PushPlaces {
  readonly #members: readonly Member[];
  readonly #node: string;
  readonly #cloud: string;

  constructor(members: readonly Member[], node: string) {
    this.#members = members;
    this.#node = node;
    this.#cloud = cloudOf(members.find((member) => member.node === node) ?? { node, address: '' });
  }

  /** The first node of each other cloud, and what a person names beside those. */
  nodes({ transitions }: PropagationSettings): string[] {
    const clouds = new Set(this.#members.map(cloudOf));
    clouds.delete(this.#cloud);
    const named = transitions.map(({ to }) => this.nodeOf(to));
    const nodes = [...Array.from(clouds, (cloud) => this.nodeOf(cloud)), ...named];
    return [...new Set(nodes)].filter((node) => node !== undefined && node !== this.#node) as string[];
  }

  /** The node that a cloud's or node's name stands for; undefined for one that is no member's. */
  nodeOf(name: string): string | undefined {
    if (name === this.#cloud || name === this.#node) return this.#node;
    const found = this.#members.find((member) => cloudOf(member) === name);
    return (found ?? this.#members.find(({ node }) => node === name))?.node;
  }

  /** The same of nodes; what is said of unknown places is left out. */
  transitions({ transitions }: PropagationSettings): PropagationSettings['transitions'] {
    return transitions.flatMap(({ from, to, probability }) => {
      const [source, destination] = [this.nodeOf(from), this.nodeOf(to)];
      return source === undefined || destination === undefined ? [] : [{ from: source, to: destination, probability }];
    });
  }

  /** What it costs from here to each node, by its own name or its cloud's. */
  prices({ prices }: PropagationSettings, nodes: readonly string[]): TrafficPrice[] {
    const here = [this.#node, this.#cloud];
    return nodes.flatMap((node) => {
      const there = [node, ...this.#members.filter((member) => member.node === node).map(cloudOf)];
      const price = prices.find(({ from, to }) => here.includes(from) && there.includes(to));
      return price === undefined ? [] : [{ from: this.#node, to: node, perGb: price.perGb }];
    });
  }
}

/** A node whose cloud nobody said is a cloud of its own. */
function cloudOf({ node, cloud }: Member): string {
  return cloud ?? node;
}
