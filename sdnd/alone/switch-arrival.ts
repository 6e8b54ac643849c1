// Brings a switch that has come, or come back, to what it should have, by the difference. What is not the controller's goes;
// pairs' entries of an earlier life of it stay, so that a new start cuts nobody off.
import { type FlowMod, type FlowStats, flowMod } from '@openflow/ofp';
import { type Flow, flowEffect, flowKey, flowsByKey } from '../flow.ts';
import { flowMods } from '../flow-diff.ts';
import { BASE_FLOWS, floodFlows, hopMod, hopOf } from './lone-flows.ts';
import type { MeshSwitch } from './mesh-switch.ts';
import type { Hop } from './path.ts';

interface Arrival {
  /** To be sent, in this order. */
  readonly mods: readonly FlowMod[];
  /** What stays though nobody here put it there. */
  readonly strays: readonly Hop[];
}

/** What is to be changed at the switch; `isKept`: a pair's entry stays though it is not wanted. */
export function arrivalOf(
  one: MeshSwitch,
  installed: readonly FlowStats[],
  isKept: (from: number, to: number) => boolean,
): Arrival {
  const wanted = new Map([...wantedMods(one)].map((mod) => [flowKey(mod), mod]));
  const there = flowsByKey(installed);
  const strays: Hop[] = [];
  const removals: Flow[] = [];
  for (const [key, flow] of there) {
    if (wanted.has(key)) continue;
    const pair = hopOf(flow);
    if (pair === undefined || !isKept(pair.from, pair.to)) removals.push(flow);
    else strays.push({ at: one, ...pair });
  }
  const puts = [...wanted].filter(([key, mod]) => !isThere(mod, there.get(key))).map(([, mod]) => mod);
  return { mods: [...flowMods({ puts: [], removals }), ...puts], strays };
}

function isThere(wanted: Flow, found: Flow | undefined): boolean {
  return found !== undefined && flowEffect(wanted) === flowEffect(found);
}

function* wantedMods(one: MeshSwitch): Iterable<FlowMod> {
  const isEdge = (portNo: number): boolean => one.ports.get(portNo)?.role === 'edge';
  for (const flow of [...BASE_FLOWS, ...floodFlows(one.floodSent, isEdge)]) yield flowMod({ command: 'add', ...flow });
  for (const hop of one.hops.keys()) yield hopMod(hop);
}
