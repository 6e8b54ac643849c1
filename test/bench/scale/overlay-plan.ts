// The overlay that `bench overlay-scale` measures: nodes, networks that lie on some of them, VMs, their ports and some moves,
// all from one seed, so that each process of the run makes the same for itself.
import type { OverlayRecord } from '../../../sdnd/controller/overlay-record.ts';
import { AGENT_PORT_FIRST, TUNNEL_PORT_NAME } from '../../../sdnd/pipeline.ts';
import type { GuestNetworkPlan } from '../../../wire/contracts/guest-network.ts';
import type { Binding, OverlayMember } from '../../../wire/contracts/sdnd.ts';
import { Prng } from '../../sim/prng.ts';

/** How large it is. */
export interface OverlayShape {
  readonly nodes: number;
  readonly networks: number;
  /** Of each network. */
  readonly vms: number;
  readonly moves: number;
  readonly seed: number;
}

/** Nodes that one network lies on. */
const NODES_MIN = 20;
const NODES_MAX = 40;
const TUNNEL_PORT_NO = 1;
const BYTE = 256;
const NODE_NAME = 'node';

/** A VM's way to another node; every second one is to a node where its network was not yet. */
export interface PlannedMove {
  readonly to: Binding;
  readonly isNewNode: boolean;
}

/** A node's name; its number is its datapath id. */
export function nodeName(number: number): string {
  return `${NODE_NAME}${number}`;
}

export class OverlayPlan {
  readonly members: readonly OverlayMember[];
  readonly networks: readonly GuestNetworkPlan[];
  readonly bindings: readonly Binding[];
  readonly moves: readonly PlannedMove[];
  /** By tenant: the numbers of the nodes that it lies on. */
  readonly nodesOf = new Map<number, readonly number[]>();
  readonly #ports = new Map<string, string[]>();

  constructor(shape: OverlayShape) {
    const random = new Prng(shape.seed);
    this.members = Array.from({ length: shape.nodes }, (_, number) => ({
      node: nodeName(number),
      address: `10.64.${Math.floor(number / BYTE)}.${number % BYTE}`,
    }));
    const tenants = Array.from({ length: shape.networks }, (_, index) => index + 1);
    this.networks = tenants.map((tenant) => ({
      tenant,
      name: `net${tenant}`,
      subnets: [{ subnet: '10.88.0.0', bits: 16, services: '10.88.0.1' }],
    }));
    for (const tenant of tenants) this.nodesOf.set(tenant, drawNodes(random, shape.nodes));
    this.bindings = tenants.flatMap((tenant) =>
      Array.from({ length: shape.vms }, (_, vm) => bindingOf(tenant, vm, this.#nodeOf(tenant, vm), 1)),
    );
    this.moves = Array.from({ length: shape.moves }, (_, index) => this.#draw(random, shape, index));
    for (const { node, port } of [...this.bindings, ...this.moves.map(({ to }) => to)])
      this.#ports.set(node, [...(this.#ports.get(node) ?? []), port]);
  }

  /** What the controller's journal says of it. */
  records(): OverlayRecord[] {
    return [
      { kind: 'members', members: [...this.members] },
      { kind: 'networks', networks: [...this.networks] },
      ...this.bindings.map((binding) => ({ kind: 'bound', binding }) as const),
    ];
  }

  /** A switch's ports by name; those of VMs that are to come are there already. */
  portsOf(node: string): ReadonlyMap<string, number> {
    const guests = (this.#ports.get(node) ?? []).map((port, index) => [port, AGENT_PORT_FIRST + index] as const);
    return new Map([[TUNNEL_PORT_NAME, TUNNEL_PORT_NO], ...guests]);
  }

  #nodeOf(tenant: number, vm: number): number {
    const nodes = this.nodesOf.get(tenant) ?? [];
    return nodes[vm % nodes.length] ?? 0;
  }

  // Each of another VM: the index is part of its number.
  #draw(random: Prng, { nodes, networks, vms, moves }: OverlayShape, index: number): PlannedMove {
    const tenant = 1 + random.integer(networks);
    const vm = Math.floor((vms * index) / moves) + random.integer(Math.max(1, Math.floor(vms / moves)));
    const [here, there] = [this.#nodeOf(tenant, vm), this.nodesOf.get(tenant) ?? []];
    const isNewNode = index % 2 === 1 && there.length < nodes;
    const choices = isNewNode ? numbersTo(nodes).filter((node) => !there.includes(node)) : there;
    const others = choices.filter((node) => node !== here);
    const to = others[random.integer(others.length)] ?? here;
    return { to: bindingOf(tenant, vm, to, 2), isNewNode };
  }
}

function drawNodes(random: Prng, nodes: number): number[] {
  const count = Math.min(nodes, NODES_MIN + random.integer(NODES_MAX - NODES_MIN + 1));
  const left = numbersTo(nodes);
  return Array.from({ length: count }, () => left.splice(random.integer(left.length), 1)[0] ?? 0);
}

function numbersTo(count: number): number[] {
  return Array.from({ length: count }, (_, number) => number);
}

/** All tenants have the same addresses of guests. */
function bindingOf(tenant: number, vm: number, node: number, epoch: number): Binding {
  const bytes = [tenant, vm].flatMap((value) => [Math.floor(value / BYTE), value % BYTE]);
  const mac = ['02', ...bytes.map((byte) => byte.toString(16).padStart(2, '0')), '01'].join(':');
  const ip = `10.88.${1 + Math.floor(vm / BYTE)}.${vm % BYTE}`;
  return { owner: `t${tenant}-v${vm}`, mac, ip, node: nodeName(node), port: `t${tenant}v${vm}`, tenant, epoch };
}
