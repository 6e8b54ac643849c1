// The stubs of a simulated network: what a guest sends to one comes out once to its resource where that is, and the answer is
// the stub's; elsewhere the guest's own agent is told of it, and nobody else hears it.
import { ethAddress, ipv4, PortNumber } from '@openflow/ofp';
import { serviceFlows } from '../../sdnd/agent/service-flows.ts';
import { type Flow, flowsByKey } from '../../sdnd/flow.ts';
import { diffFlows, flowMods } from '../../sdnd/flow-diff.ts';
import { SERVICE_MAC, Table } from '../../sdnd/pipeline.ts';
import type { NetworkExit, NetworkStub } from '../../wire/contracts/guest-network.ts';
import { answerTo, arpOf, callOf, EXIT_PORT_NO, faultAtResource, faultFromStub } from './net-frames.ts';
import type { Frame } from './net-switch.ts';
import type { NetWorld, SimGuest } from './net-world.ts';

export class NetStubs {
  readonly #world: NetWorld;

  constructor(world: NetWorld) {
    this.#world = world;
  }

  /** From an open guest to each of its network's stubs, and back to it. `isDemanded`: all must get there. */
  check(from: SimGuest, node: string, isDemanded: boolean): void {
    const network = this.#world.control.overlay.networks.find(({ tenant }) => tenant === from.tenant);
    const stubs = network?.stubs ?? [];
    const exit = network?.stubExits?.find((one) => one.node === node);
    const isHere = ({ nodes }: NetworkStub): boolean => nodes.includes(node);
    if (exit !== undefined) for (const stub of stubs.filter(isHere)) this.#checkHere(from, stub, exit, isDemanded);
    this.#checkElsewhere(
      from,
      node,
      stubs.filter((stub) => !isHere(stub)),
      isDemanded,
    );
  }

  #checkHere(from: SimGuest, stub: NetworkStub, exit: NetworkExit, isDemanded: boolean): void {
    const { node } = exit;
    const what = `${from.owner} at ${node} to stub ${stub.name}`;
    const [out, ...more] = this.#world.follow(node, callOf(from, stub, this.#world.portNo(from.owner, node)), what);
    if (more.length > 0) this.#world.fail(`twice: ${what}`);
    if (out === undefined && isDemanded) this.#world.fail(`a black hole: ${what}`);
    if (out === undefined) return;
    if (out.node !== node || out.portNo !== EXIT_PORT_NO)
      this.#world.fail(`a leak: ${what} came out at port ${out.portNo} of ${out.node}`);
    const fault = faultAtResource(out.frame, stub, exit);
    if (fault !== undefined) this.#world.fail(`changed: ${what} came out ${fault}`);
    else this.#checkBack(from, stub, { node, called: out.frame, isDemanded });
  }

  #checkBack(
    to: SimGuest,
    stub: NetworkStub,
    { node, called, isDemanded }: { node: string; called: Frame; isDemanded: boolean },
  ): void {
    const what = `the answer of stub ${stub.name} to ${to.owner} at ${node}`;
    const [back, ...more] = this.#world.follow(node, answerTo(called), what);
    if (more.length > 0) this.#world.fail(`twice: ${what}`);
    if (back === undefined && isDemanded) this.#world.fail(`a black hole: ${what}`);
    if (back === undefined) return;
    if (back.node !== node || back.portNo !== this.#world.portNo(to.owner, node))
      this.#world.fail(`a leak: ${what} came to port ${back.portNo} of ${back.node}`);
    const fault = faultFromStub(back.frame, stub, to);
    if (fault !== undefined) this.#world.fail(`changed: ${what} came ${fault}`);
  }

  /** As with the flows of the guest's agent, which are at its port alone. */
  #checkElsewhere(from: SimGuest, node: string, stubs: readonly NetworkStub[], isDemanded: boolean): void {
    const portNo = this.#world.portNo(from.owner, node);
    if (portNo === undefined || stubs.length === 0) return;
    const at = this.#world.at(node);
    const before = at.save();
    const flows = flowsByKey(waysToAgent(from, portNo, stubs));
    for (const mod of flowMods(diffFlows(flows, new Map()))) at.apply(mod);
    for (const stub of stubs) {
      const what = `${from.owner} at ${node} to stub ${stub.name}, whose resource is at ${stub.nodes.join()}`;
      const heard = this.#world.follow(node, callOf(from, stub, portNo), what);
      const told = heard.filter((one) => one.node === node && one.portNo === PortNumber.controller);
      if (told.length < heard.length || told.length > 1) this.#world.fail(`heard: ${what}`);
      if (told.length === 0 && isDemanded) this.#world.fail(`not told: ${what}`);
    }
    at.restore(before);
  }

  /** ARP for a stub is answered in the router's name, wherever its resource is. */
  checkArp(): void {
    for (const from of this.#world.guests) {
      const node = this.#world.openAt(from.owner);
      if (node === undefined || this.#world.control.place(from.owner)?.node !== node) continue;
      const network = this.#world.control.overlay.networks.find(({ tenant }) => tenant === from.tenant);
      for (const { address } of network?.stubs ?? []) {
        const what = `${from.owner} at ${node} asks for ${address}`;
        const asked = arpOf(from, { ...from, ip: address }, this.#world.portNo(from.owner, node));
        const [answer, ...others] = this.#world.follow(node, asked, what);
        if (others.length > 0 || answer?.frame.arpSha !== SERVICE_MAC) this.#world.fail(`${what}: a wrong answer`);
      }
    }
  }
}

function waysToAgent(from: SimGuest, portNo: number, stubs: readonly NetworkStub[]): Flow[] {
  const elsewhere = stubs.map(({ name, address, service }) => ({
    ...{ name, address: ipv4(address) },
    ...(service !== undefined && { service }),
  }));
  const network = {
    tenant: from.tenant,
    domain: '',
    mtuBytes: 0,
    serviceMac: SERVICE_MAC,
    subnets: [],
    prefixes: [],
    hosts: [],
  };
  const flows = serviceFlows({ portNo, mac: ethAddress(from.mac), network: { ...network, stubs: elsewhere } });
  return flows.filter(({ tableId }) => tableId === Table.route);
}
