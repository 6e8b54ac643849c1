// Overlays for the tests: nodes with ports, bindings and frames between them, all from one seed.
import { ethAddress, ipv4 } from '@openflow/ofp';
import { gateFlows } from '../../../sdnd/agent/gate.ts';
import { type Flow, flowsByKey } from '../../../sdnd/flow.ts';
import { diffFlows, flowMods } from '../../../sdnd/flow-diff.ts';
import { GuestIndex } from '../../../sdnd/forwarding/guest-index.ts';
import { routedIpv6 } from '../../../sdnd/forwarding/ipv6-addresses.ts';
import { Scene } from '../../../sdnd/forwarding/scene.ts';
import type { OverlayView, SwitchView } from '../../../sdnd/forwarding/view.ts';
import { Mesh } from '../../../sdnd/mesh/mesh.ts';
import { AGENT_PORT_FIRST, TUNNEL_PORT_NAME } from '../../../sdnd/pipeline.ts';
import type { Binding } from '../../../wire/contracts/sdnd.ts';
import type { GuestConnection } from '../../../wire/contracts/security-groups.ts';
import type { Random } from '../openflow/random.ts';
import type { Frame, MeshNode } from './table-walk.ts';

export const NODES: readonly string[] = ['n0', 'n1', 'n2', 'n3'];
const OWNERS: readonly string[] = ['g0', 'g1', 'g2', 'g3', 'g4'];
const ETH_TYPE_IPV4 = 0x0800;
const ETH_TYPE_IPV6 = 0x86dd;
const LAST_HOST = 250;

/** Of the one tenant: two subnets. */
const NETWORK = {
  tenant: 1,
  name: 'main',
  subnets: [
    { subnet: '10.88.0.0', bits: 24, services: '10.88.0.254', ipv6: 'fd00:88::' },
    { subnet: '10.88.1.0', bits: 24, services: '10.88.1.254', ipv6: 'fd00:88:0:1::' },
  ],
};

export function addressOf(node: string): string {
  return `10.77.0.${NODES.indexOf(node) + 1}`;
}

/** Every guest has a port of one number at every node, different from node to node. */
export function portsOf(node: string): Map<string, number> {
  const shift = NODES.indexOf(node) * 16;
  const guests = OWNERS.map((owner, index) => [owner, AGENT_PORT_FIRST + shift + index] as const);
  return new Map([[TUNNEL_PORT_NAME, 1], ['lab0', 2], ...guests]);
}

export function bindingOf(owner: string, node: string, epoch = 1): Binding {
  const number = OWNERS.indexOf(owner) + 1;
  return { owner, mac: `02:88:00:00:00:0${number}`, ip: `10.88.0.${number}`, node, port: owner, epoch };
}

/** All flows that a switch should have; the agent's own are not among them. */
export function wantedFlows(overlay: OverlayView, view: SwitchView): Flow[] {
  return new Scene(overlay, view).flows();
}

export function viewOf(
  bindings: readonly Binding[],
  preparations: readonly Binding[] = [],
  departures: readonly Binding[] = [],
  carried: ReadonlyMap<string, readonly GuestConnection[]> = new Map(),
): OverlayView {
  const [prepared, departed] = [byOwner(preparations), byOwner(departures)];
  const guests = new GuestIndex();
  for (const binding of bindings) {
    const { owner } = binding;
    const places = { binding, prepared: prepared.get(owner), departed: departed.get(owner) };
    guests.set(owner, { ...places, connections: carried.get(owner) ?? [] });
  }
  return {
    incarnation: 1,
    mesh: new Mesh(NODES.map((node) => ({ node, feet: [{ underlay: 'mesh', inner: addressOf(node) }] }))),
    networks: [NETWORK],
    bindings: byOwner(bindings),
    preparations: prepared,
    guests,
    groups: [],
  };
}

function byOwner(bindings: readonly Binding[]): Map<string, Binding> {
  return new Map(bindings.map((binding) => [binding.owner, binding]));
}

/** Some guests at random nodes. */
export function randomBindings(random: Random): Binding[] {
  return OWNERS.filter(() => random.chance(0.8)).map((owner) => bindingOf(owner, random.pick(NODES)));
}

/** A port that is open. */
export interface OpenPort {
  readonly node: string;
  readonly owner: string;
}

export function portNoOf({ node, owner }: OpenPort): number {
  return portsOf(node).get(owner) ?? 0;
}

/** The flows of the controller at a node. */
export function tablesOf(view: OverlayView, node: string): Map<string, Flow> {
  return flowsByKey(wantedFlows(view, { node, ports: portsOf(node) }));
}

/** A mesh from the controller's flows of each node and the open ports. */
export function meshOf(tables: (node: string) => ReadonlyMap<string, Flow>, open: readonly OpenPort[]): MeshNode[] {
  return NODES.map((node) => {
    const gates = open.filter((port) => port.node === node).flatMap((port) => gateFlows(portNoOf(port)));
    const flows = [...tables(node).values(), ...gates];
    return { node, address: ipv4(addressOf(node)), ports: portsOf(node), flows };
  });
}

/** The tables of a switch when the first `count` of the flow-mods from `from` to `to` have been carried out. */
export function midway(
  from: ReadonlyMap<string, Flow>,
  to: ReadonlyMap<string, Flow>,
  count: number,
): Map<string, Flow> {
  const tables = new Map(from);
  const diff = diffFlows(to, from);
  const keyed = [...flowsByKey(diff.puts), ...flowsByKey(diff.removals)];
  if (keyed.length !== flowMods(diff).length) throw new Error('a flow-mod for each difference');
  keyed.slice(0, count).forEach(([key, flow], index) => {
    if (index < diff.puts.length) tables.set(key, flow);
    else tables.delete(key);
  });
  return tables;
}

/** How many flow-mods lie between two states of a switch. */
export function stepsBetween(from: ReadonlyMap<string, Flow>, to: ReadonlyMap<string, Flow>): number {
  return flowMods(diffFlows(to, from)).length;
}

/** An IPv4 frame from a guest's port. */
export function ipFrame(from: Binding, ethDst: string): Frame {
  return {
    inPort: portNoOf(from),
    ethSrc: ethAddress(from.mac),
    ethDst: ethAddress(ethDst),
    ethType: ETH_TYPE_IPV4,
    ipv4Src: ipv4(from.ip),
    ipv4Dst: ipv4(`10.88.0.${LAST_HOST}`),
  };
}

/** An IPv6 frame from a guest's port, from the one of its addresses that is routed unless another is given. */
export function ipv6Frame(from: Binding, ethDst: string, ipv6Src = ipv6Of(from)): Frame {
  const { ipv4Src: _source, ipv4Dst: _destination, ...ethernet } = ipFrame(from, ethDst);
  return { ...ethernet, ethType: ETH_TYPE_IPV6, ipv6Src, ipTtl: 64 };
}

/** The address of a guest that is routed. */
export function ipv6Of(binding: Binding): bigint {
  return routedIpv6(NETWORK, binding) ?? 0n;
}
