// One frame through a network of simulated switches, to its end: where it is delivered, and after how many tunnels.
import { BUDGET_MAX } from '../../sdnd/pipeline.ts';
import type { Frame, SimSwitch } from './net-switch.ts';

/** As many tunnels as PROMISES N1 lets a frame cross. */
export const TUNNELS_MAX = 8;

export interface Delivery {
  readonly node: string;
  readonly portNo: number;
  readonly tunnels: number;
  readonly frame: Frame;
}

/** The other end of a tunnel, and what the frame's source address is there. */
export interface Arrival {
  readonly at: SimSwitch;
  readonly portNo: number;
  readonly source: number;
}

/** The underlay. Undefined: the port is no tunnel's; `lost`: nobody has that address there. */
export type Underlay = (from: SimSwitch, portNo: number, address: number) => Arrival | 'lost' | undefined;

/** @throws Error when it crosses more tunnels than any frame may, or one of them without a lower hop budget */
export function walk(underlay: Underlay, from: SimSwitch, frame: Frame, tunnels = 0): Delivery[] {
  const deliveries: Delivery[] = [];
  for (const sent of from.process(frame)) {
    const arrival = underlay(from, sent.portNo, Number(sent.frame.tunIpv4Dst ?? 0));
    if (arrival === 'lost') continue;
    if (arrival === undefined) {
      deliveries.push({ node: from.node, portNo: sent.portNo, tunnels, frame: sent.frame });
      continue;
    }
    if (tunnels === TUNNELS_MAX) throw new Error(`a frame loops by ${from.node} and ${arrival.at.node}`);
    if (tunnels > 0 && budgetOf(sent.frame) >= budgetOf(frame))
      throw new Error(`${from.node} takes nothing off the budget`);
    deliveries.push(...walk(underlay, arrival.at, arrived(sent.frame, arrival), tunnels + 1));
  }
  return deliveries;
}

// The headers and the tunnel id cross; all that a switch noted of the frame begins anew.
function arrived(frame: Frame, { portNo, source }: Arrival): Frame {
  const registers = {
    reg0: 0,
    reg1: 0,
    reg2: 0,
    reg3: 0,
    reg4: 0,
    reg5: 0,
    reg6: 0,
    reg7: 0,
    reg8: 0,
    ctState: 0,
    ctMark: 0,
  };
  return { ...frame, ...registers, tunIpv4Dst: 0, tunIpv4Src: source, inPort: portNo };
}

function budgetOf({ tunnelId }: Frame): number {
  return Number(tunnelId ?? 0) & BUDGET_MAX;
}
