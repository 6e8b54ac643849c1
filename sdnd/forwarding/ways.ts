// How one switch reaches the other nodes, and by what their frames come in: the full mesh, one tunnel to each. Pure.
import { ipv4 } from '@openflow/ofp';
import { BUDGET_DIRECT, TUNNEL_PORT_NAME } from '../pipeline.ts';
import type { OverlayView, SwitchView } from './view.ts';

/** A tunnel port of this switch and the underlay address at its other end. */
export interface TunnelEnd {
  readonly portNo: number;
  readonly address: number;
}

/** The way to a node. */
export interface WayOut extends TunnelEnd {
  /** What a frame that begins here is given: tunnels that it may cross after the first. */
  readonly budget: number;
}

export class Ways {
  readonly #members: ReadonlyMap<string, string>;
  readonly #tunnel: number | undefined;

  constructor({ members }: OverlayView, { ports }: SwitchView) {
    this.#members = members;
    this.#tunnel = ports.get(TUNNEL_PORT_NAME);
  }

  /** The switch's tunnel ports. */
  get tunnels(): readonly number[] {
    return this.#tunnel === undefined ? [] : [this.#tunnel];
  }

  /** Undefined when there is none. */
  to(node: string): WayOut | undefined {
    const address = this.#members.get(node);
    if (address === undefined || this.#tunnel === undefined) return undefined;
    return { portNo: this.#tunnel, address: ipv4(address), budget: BUDGET_DIRECT };
  }

  /** By which tunnels frames that began at a node, or were sent on there, come in. */
  from(node: string): readonly TunnelEnd[] {
    const way = this.to(node);
    return way === undefined ? [] : [{ portNo: way.portNo, address: way.address }];
  }
}
