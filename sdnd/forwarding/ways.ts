// How one switch reaches the other nodes over the mesh, and by what their frames come in. Pure.
import type { Mesh } from '../mesh/mesh.ts';
import { BUDGET_MAX } from '../pipeline.ts';
import type { OverlayView, SwitchView } from './view.ts';

/** A tunnel port of this switch and the underlay address at its other end. */
export interface TunnelEnd {
  readonly portNo: number;
  readonly address: number;
}

/** The way to a node: into which tunnel a frame goes here. */
export interface WayOut extends TunnelEnd {
  /** What a frame that begins here is given: tunnels that it may cross after the first. */
  readonly budget: number;
}

export class Ways {
  readonly #mesh: Mesh;
  readonly #node: string;
  readonly #ports: ReadonlyMap<string, number>;
  /** What was worked out, by node: it is asked for once for each guest. */
  readonly #out = new Map<string, WayOut | undefined>();
  readonly #ends = new Map<string, readonly TunnelEnd[]>();

  constructor({ mesh }: OverlayView, { node, ports }: SwitchView) {
    this.#mesh = mesh;
    this.#node = node;
    this.#ports = ports;
  }

  /** Whether this switch sends on what is not for its own guests. */
  get isGateway(): boolean {
    return this.#mesh.isGateway(this.#node);
  }

  /** The switch's tunnel ports. */
  get tunnels(): readonly number[] {
    const numbers = this.#mesh.portsOf(this.#node).map((port) => this.#ports.get(port));
    return numbers.filter((portNo) => portNo !== undefined);
  }

  /** Undefined when there is none. */
  to(node: string): WayOut | undefined {
    if (!this.#out.has(node)) this.#out.set(node, this.#wayTo(node));
    return this.#out.get(node);
  }

  #wayTo(node: string): WayOut | undefined {
    const path = this.#mesh.path(this.#node, node);
    const tunnel = path[0] === undefined ? undefined : this.#mesh.tunnel(this.#node, path[0]);
    const portNo = tunnel === undefined ? undefined : this.#ports.get(tunnel.port);
    if (tunnel === undefined || portNo === undefined) return undefined;
    // Enough for the way there and, should the guest have moved on, for the way from there.
    const budget = Math.min(BUDGET_MAX, path.length - 1 + this.#mesh.longest);
    return { portNo, address: tunnel.destination, budget };
  }

  /**
   * By which tunnels frames that began at a node, or were sent on there, come in: its own, and those of all gateways that
   * have one, whichever lies on the way now, so that a way may change on both sides in any order. Each of them looks at
   * what it sends on.
   */
  from(node: string): readonly TunnelEnd[] {
    const known = this.#ends.get(node) ?? this.#endsFrom(node);
    this.#ends.set(node, known);
    return known;
  }

  #endsFrom(node: string): readonly TunnelEnd[] {
    const ends = new Map<string, TunnelEnd>();
    for (const near of [node, ...this.#mesh.gateways]) {
      const end = this.endOf(near);
      if (end !== undefined) ends.set(`${end.portNo} ${end.address}`, end);
    }
    return [...ends.values()];
  }

  /** The tunnel from a node to this switch, seen from here. */
  endOf(node: string): TunnelEnd | undefined {
    const tunnel = this.#mesh.tunnel(node, this.#node);
    const portNo = tunnel === undefined ? undefined : this.#ports.get(tunnel.farPort);
    return tunnel === undefined || portNo === undefined ? undefined : { portNo, address: tunnel.source };
  }

  /** Whether this switch sends on what goes from one node to the other. */
  isBetween(from: string, to: string): boolean {
    if (!this.#mesh.isGateway(this.#node) || from === this.#node) return false;
    return this.#mesh.path(from, to).slice(0, -1).includes(this.#node);
  }

  /** The same, or whether it would if the gateways that do were lost: so it is ready before anybody goes that way. */
  mayBeBetween(from: string, to: string): boolean {
    if (this.isBetween(from, to)) return true;
    return this.#mesh.relays(from, to).some((gateways) => gateways.includes(this.#node));
  }

  /** Whether this switch reaches these nodes, and is reached from them, as by earlier ways of its own. */
  areSame(before: Ways, nodes: ReadonlySet<string>, nodesBefore: ReadonlySet<string>): boolean {
    const isSame = this.#mesh === before.#mesh && this.#tunnelNumbers === before.#tunnelNumbers;
    // What a gateway sends on is between others: a set of them that changed may be a way that it was not on.
    if (this.isGateway || before.isGateway) return isSame && isSameSet(nodes, nodesBefore);
    return isSame || [...nodes].every((node) => this.#told(node) === before.#told(node));
  }

  /** The one before this switch on the way between two nodes. */
  before(from: string, to: string): TunnelEnd | undefined {
    const path = [from, ...this.#mesh.path(from, to)];
    const previous = path[path.indexOf(this.#node) - 1];
    return previous === undefined ? undefined : this.endOf(previous);
  }

  get #tunnelNumbers(): string {
    return this.#mesh
      .portsOf(this.#node)
      .map((port) => `${port} ${this.#ports.get(port)}`)
      .join();
  }

  /** The way to a node and those from it in words, to be compared. */
  #told(node: string): string {
    return JSON.stringify([this.to(node), this.from(node)]);
  }
}

function isSameSet(one: ReadonlySet<string>, other: ReadonlySet<string>): boolean {
  return one === other || (one.size === other.size && [...one].every((node) => other.has(node)));
}
