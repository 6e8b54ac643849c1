// A world of switches, tenants and guests, and what must hold in it after every flow-mod: no loop, nothing to another
// tenant or to a wrong port, nothing twice; and whoever is to be reached is reached.

import { closeGate, openGate } from '../../sdnd/agent/gate.ts';
import type { Flow } from '../../sdnd/flow.ts';
import { tenantOf } from '../../sdnd/forwarding/view.ts';
import { AGENT_PORT_FIRST, originTunnelId, tenantOfTunnelId } from '../../sdnd/pipeline.ts';
import type { Binding } from '../../wire/contracts/sdnd.ts';
import { NetControl } from './net-control.ts';
import { arpOf, EXIT_PORT, EXIT_PORT_NO, faultOf, frameOf, ipv6FrameOf, liesOf, networkOf } from './net-frames.ts';
import { NetOutside } from './net-outside.ts';
import { NetStubs } from './net-stubs.ts';
import { type Frame, keyOf, SimSwitch } from './net-switch.ts';
import type { NetTopology } from './net-topology.ts';
import { type Delivery, type Underlay, walk } from './net-walk.ts';

const ETH_TYPE_IPV4 = 0x0800;
/** Of the states one in so many is looked at for the way out too. */
const OUTSIDE_ONE_IN = 3;
/** The same for the stubs. */
const STUBS_ONE_IN = 6;
/** And in so many over IPv6: most entries look at MAC addresses alone. */
const IPV6_ONE_IN = 20;
const PORTS_A_NODE = 64;

/** A guest: its tenant and its addresses, which one of another tenant may have too. */
export interface SimGuest {
  readonly owner: string;
  readonly number: number;
  readonly tenant: number;
  readonly mac: string;
  readonly ip: string;
}

export class NetWorld {
  readonly topology: NetTopology;
  readonly switches: readonly SimSwitch[];
  readonly guests: readonly SimGuest[];
  readonly control: NetControl;
  readonly violations: string[] = [];
  readonly trace: string[] = [];
  /** Told of every state once its frames have been followed. */
  checked: (() => void) | undefined;
  /** Frames that were followed to their end, and the most tunnels that one crossed. */
  walks = 0;
  tunnelsMost = 0;
  /** That were looked at. */
  #states = 0;
  readonly outside = new NetOutside(this);
  readonly stubs = new NetStubs(this);
  /** Where each guest's port passes frames: nowhere, or at one node. */
  readonly #open = new Map<string, string>();
  /** Ports by node and name. */
  readonly #ports = new Map<string, Map<string, number>>();

  /** `exits`, `stubs`: by tenant the node of its way out, and of the resources of its stubs. */
  constructor(
    topology: NetTopology,
    guests: readonly SimGuest[],
    { exits, stubs }: { exits?: ReadonlyMap<number, string>; stubs?: ReadonlyMap<number, string> } = {},
  ) {
    this.topology = topology;
    this.switches = topology.members.map(({ node }) => new SimSwitch(node));
    this.guests = guests;
    for (const { node } of this.switches)
      this.#ports.set(node, topology.tunnelPorts(node).set(EXIT_PORT, EXIT_PORT_NO));
    this.control = new NetControl(this.switches, (node) => this.#portsOf(node));
    this.control.command({ kind: 'members', members: [...topology.members] });
    const tenants = new Set(guests.map(({ tenant }) => tenant));
    const networks = [...tenants].map((tenant) => networkOf(tenant, exits?.get(tenant), stubs?.get(tenant)));
    this.control.command({ kind: 'networks', networks });
  }

  at(node: string): SimSwitch {
    const found = this.switches.find((one) => one.node === node);
    if (found === undefined) throw new Error(`there is no node ${node}`);
    return found;
  }

  portNo(owner: string, node: string): number | undefined {
    return this.#portsOf(node).get(owner);
  }

  openAt(owner: string): string | undefined {
    return this.#open.get(owner);
  }

  bindingOf({ owner, mac, ip, tenant }: SimGuest, node: string, epoch: number): Binding {
    return { owner, mac, ip, tenant, node, port: owner, epoch };
  }

  /** The agent makes the guest's port; it is closed. */
  attach({ owner, number }: SimGuest, node: string): void {
    const shift = this.switches.findIndex((one) => one.node === node) * PORTS_A_NODE;
    this.#portsOf(node).set(owner, AGENT_PORT_FIRST + shift + number);
  }

  detach({ owner }: SimGuest, node: string): void {
    this.turn(owner, node, false);
    this.#portsOf(node).delete(owner);
  }

  /** The agent turns a gate, at once. */
  turn(owner: string, node: string, open: boolean): void {
    const portNo = this.#portsOf(node).get(owner);
    if (portNo === undefined) return;
    for (const mod of open ? openGate(portNo) : closeGate(portNo)) this.at(node).apply(mod);
    if (open) this.#open.set(owner, node);
    else if (this.#open.get(owner) === node) this.#open.delete(owner);
  }

  say(what: string): void {
    this.trace.push(what);
  }

  fail(what: string): void {
    this.violations.push(what);
    this.trace.push(`VIOLATION: ${what}`);
  }

  /** Walks from every open guest to every other's address. `demanded`: the pairs that must be reached. */
  check(demanded: (from: SimGuest, to: SimGuest) => boolean): void {
    this.#states += 1;
    const isIpv6 = this.#states % IPV6_ONE_IN === 0;
    for (const from of this.guests) {
      const node = this.#open.get(from.owner);
      if (node === undefined) continue;
      for (const to of this.guests) {
        if (to === from || to.mac === from.mac) continue;
        this.#checkPair(from, node, to, demanded, frameOf);
        if (isIpv6) this.#checkPair(from, node, to, demanded, ipv6FrameOf);
        if (isIpv6) this.#checkLies(from, node, to);
      }
      if (this.#states % OUTSIDE_ONE_IN === 0) this.outside.check(from, node, demanded(from, from));
      if (this.#states % STUBS_ONE_IN === 0) this.stubs.check(from, node, demanded(from, from));
    }
    this.checked?.();
  }

  #checkPair(
    from: SimGuest,
    node: string,
    to: SimGuest,
    demanded: (from: SimGuest, to: SimGuest) => boolean,
    made: typeof frameOf,
  ): void {
    const what = `${from.owner} at ${node} to ${to.owner}${made === ipv6FrameOf ? ' over IPv6' : ''}`;
    const deliveries = this.follow(node, made(from, to, this.portNo(from.owner, node)), what);
    this.#checkSafe(deliveries, from, to, what);
    const there = this.#open.get(to.owner);
    if (from.tenant !== to.tenant || deliveries.length > 0 || there === undefined || !demanded(from, to)) return;
    if (this.topology.isConnected(node, there)) this.fail(`a black hole: ${what} at ${there}`);
  }

  /** Over IPv6 no guest is heard in another's name. */
  #checkLies(from: SimGuest, node: string, to: SimGuest): void {
    for (const lie of liesOf(from, to, this.portNo(from.owner, node))) {
      const what = `${from.owner} at ${node} to ${to.owner} in its name`;
      if (this.follow(node, lie, what).length > 0) this.fail(`heard: ${what}`);
    }
  }

  /** A frame to its end; a loop is a violation. */
  follow(node: string, frame: Frame, what: string): readonly Delivery[] {
    this.walks += 1;
    try {
      const deliveries = walk((from, portNo, address) => this.#send(from, portNo, address), this.at(node), frame);
      for (const { tunnels } of deliveries) this.tunnelsMost = Math.max(this.tunnelsMost, tunnels);
      return deliveries;
    } catch (error) {
      this.fail(`${what}: ${error instanceof Error ? error.message : String(error)}`);
      return [];
    }
  }

  /** Once at the most, and only by an open port of the guest of that tenant that has the address. */
  #checkSafe(deliveries: readonly Delivery[], from: SimGuest, to: SimGuest, what: string): void {
    if (deliveries.length > 1) this.fail(`twice: ${what}, ${deliveries.map(({ node }) => node).join(' and ')}`);
    for (const { node, portNo, frame } of deliveries) {
      const guest = this.guests.find(({ owner }) => this.#portsOf(node).get(owner) === portNo);
      const isRight = guest?.tenant === from.tenant && guest.mac === to.mac && this.#open.get(guest.owner) === node;
      if (!isRight) this.fail(`a leak: ${what} came out at port ${guest?.owner ?? portNo} of ${node}`);
      const fault = faultOf(frame, from, to);
      if (fault !== undefined) this.fail(`changed: ${what} came out ${fault}`);
    }
  }

  /** ARP is answered where it is asked, with the address of a guest of that tenant and no other. */
  checkArp(): void {
    for (const from of this.guests) {
      const node = this.#open.get(from.owner);
      for (const to of this.guests) {
        if (node === undefined || to.ip === from.ip || this.control.place(from.owner)?.node !== node) continue;
        const what = `${from.owner} at ${node} asks for ${to.ip}`;
        const [answer, ...others] = this.follow(node, arpOf(from, to, this.portNo(from.owner, node)), what);
        const peer = this.guests.find(({ owner, tenant, ip }) => {
          return tenant === from.tenant && ip === to.ip && this.control.place(owner) !== undefined;
        });
        if (others.length > 0 || answer?.frame.arpSha !== peer?.mac) this.fail(`${what}: a wrong answer`);
      }
    }
  }

  /** A guest's old place sends nothing on any more. */
  checkNothingLate(): void {
    for (const place of this.control.overlay.departures.values()) {
      // A gateway may lie on the way to where the guest is now.
      if (this.topology.isGateway(place.node)) continue;
      for (const { owner, mac, tenant } of this.guests) {
        const node = this.#open.get(owner);
        if (node === undefined || node === place.node || mac === place.mac || tenant !== tenantOf(place)) continue;
        const what = `${owner} at ${node} to ${place.owner}, which was at ${place.node}`;
        const frame = { tunnelId: tunnelId(tenant, 1), ethSrc: mac, ethDst: place.mac, ethType: ETH_TYPE_IPV4 };
        if (this.#isHeard(node, place.node, frame, what)) this.fail(`late for ever: ${what}`);
      }
    }
  }

  /** A switch has entries of a tenant only where a guest of it is, or may be from one moment to the next (SOUNDNESS C10). */
  checkHeld(): void {
    const { overlay } = this.control;
    const places = [...overlay.bindings.values(), ...overlay.preparations.values(), ...overlay.departures.values()];
    for (const one of this.switches.filter(({ node }) => !this.topology.isGateway(node))) {
      const held = new Set(places.filter(({ node }) => node === one.node).map(tenantOf));
      for (const { tenant, egress } of overlay.networks) if (egress?.node === one.node) held.add(tenant);
      const strange = one.flows().find((flow) => {
        const tenant = tenantIn(flow);
        return tenant !== 0 && !held.has(tenant);
      });
      if (strange !== undefined) this.fail(`${one.node} holds what it does not need: ${keyOf(strange)}`);
    }
  }

  /** A node that is fenced, or a stranger, speaks into the tunnel in a guest's name (SOUNDNESS C11): nobody hears it. */
  checkFenced(node: string, guest: SimGuest, to: SimGuest, tenant: number, budget: number): void {
    const { overlay } = this.control;
    const owned = [...overlay.bindings.values(), ...overlay.preparations.values(), ...overlay.departures.values()];
    const isItsPlace = owned.some((one) => {
      const isAddress = tenantOf(one) === tenant && (one.mac === guest.mac || one.mac === to.mac);
      return isAddress && one.node === node;
    });
    // What gateways send on they have looked at themselves.
    const isExit = overlay.networks.some((one) => one.tenant === tenant && one.egress?.node === node);
    if (isItsPlace || isExit || this.topology.isGateway(node)) return;
    for (const there of this.switches) {
      if (there.node === node) continue;
      const frame = { tunnelId: tunnelId(tenant, budget), ethSrc: guest.mac, ethDst: to.mac, ethType: ETH_TYPE_IPV4 };
      const what = `${node} speaks as ${guest.owner} to ${to.owner} at ${there.node}, tenant ${tenant}`;
      if (this.#isHeard(node, there.node, frame, what)) this.fail(`heard: ${what}`);
    }
  }

  /** Whether a frame that a node puts into a tunnel to another one comes to any guest. */
  #isHeard(from: string, to: string, frame: Frame, what: string): boolean {
    return this.topology.arrivals(from, to).some(({ portNo, source }) => {
      return this.follow(to, { ...frame, inPort: portNo, tunIpv4Src: source }, what).length > 0;
    });
  }

  #send({ node }: SimSwitch, portNo: number, address: number): ReturnType<Underlay> {
    const arrival = this.topology.send(node, portNo, address);
    return typeof arrival === 'object' ? { ...arrival, at: this.at(arrival.node) } : arrival;
  }

  #portsOf(node: string): Map<string, number> {
    const found = this.#ports.get(node);
    if (found === undefined) throw new Error(`there is no node ${node}`);
    return found;
  }
}

function tunnelId(tenant: number, budget: number): number {
  return Number(originTunnelId(tenant, budget));
}

/** Whose entry it is; 0: of no tenant. */
function tenantIn({ match }: Flow): number {
  if (typeof match.reg2 === 'number') return match.reg2;
  return typeof match.tunnelId === 'object' ? tenantOfTunnelId(match.tunnelId.value) : 0;
}
