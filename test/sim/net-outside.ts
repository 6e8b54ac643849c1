// The outside of a simulated network: whatever a guest sends there comes out once, under its network's address, at the node
// of its way out and nowhere else, under the same port as long as its connection lasts; and the answer comes back to it.
import { ipv4 } from '@openflow/ofp';
import { SERVICE_MAC } from '../../sdnd/pipeline.ts';
import type { Egress, GuestNetworkPlan } from '../../wire/contracts/guest-network.ts';
import { answerOf, answerTo, callTo, EXIT_PORT_NO, faultInside, faultOutside, outwards } from './net-frames.ts';
import type { Frame } from './net-switch.ts';
import type { NetWorld, SimGuest } from './net-world.ts';

export class NetOutside {
  readonly #world: NetWorld;
  /** By owner: its connection as it was seen outside. */
  readonly #seen = new Map<string, Frame>();

  constructor(world: NetWorld) {
    this.#world = world;
  }

  /** From an open guest and back to it. `isDemanded`: both must get there. */
  check(from: SimGuest, node: string, isDemanded: boolean): void {
    const { control, topology } = this.#world;
    const network = control.overlay.networks.find(({ tenant }) => tenant === from.tenant);
    const exit = network?.egress?.node;
    const isReached = isDemanded && exit !== undefined && topology.isConnected(node, exit);
    const isOut = this.#checkOut(from, node, network);
    if (isReached && !isOut) this.#world.fail(`a black hole: ${from.owner} at ${node} to outside by ${exit}`);
    if (network?.egress !== undefined) this.#checkCall(from, node, network.egress, isReached);
    if (exit === undefined || !this.#seen.has(from.owner)) return;
    const isBack = this.#checkBack(from, node, exit);
    if (isReached && !isBack) this.#world.fail(`a black hole: from outside by ${exit} to ${from.owner} at ${node}`);
  }

  #checkOut(from: SimGuest, node: string, network: GuestNetworkPlan | undefined): boolean {
    const what = `${from.owner} at ${node} to outside`;
    const out = this.#world.follow(node, outwards(from, this.#world.portNo(from.owner, node)), what);
    if (out.length > 1) this.#world.fail(`twice: ${what}`);
    for (const { node: at, portNo, frame } of out) {
      const isExit = network?.egress?.node === at && portNo === EXIT_PORT_NO;
      if (!isExit) this.#world.fail(`a leak: ${what} came out at port ${portNo} of ${at}`);
      const fault = network === undefined ? 'of no network' : faultOutside(frame, network);
      if (fault !== undefined) this.#world.fail(`changed: ${what} came out ${fault}`);
      const before = this.#seen.get(from.owner);
      if (before !== undefined && before.tcpSrc !== frame.tcpSrc) this.#world.fail(`a new connection: ${what}`);
      this.#seen.set(from.owner, frame);
    }
    return out.length > 0;
  }

  #checkBack(to: SimGuest, node: string, exit: string): boolean {
    const frame = this.#seen.get(to.owner);
    if (frame === undefined) return false;
    const what = `from outside by ${exit} to ${to.owner} at ${node}`;
    const back = this.#world.follow(exit, answerTo(frame), what);
    if (back.length > 1) this.#world.fail(`twice: ${what}`);
    for (const { node: at, portNo, frame: come } of back) {
      if (at !== node || portNo !== this.#world.portNo(to.owner, node))
        this.#world.fail(`a leak: ${what} came to ${at}`);
      const fault = faultInside(come, to);
      if (fault !== undefined) this.#world.fail(`changed: ${what} came ${fault}`);
    }
    return back.length > 0;
  }

  /** Somebody calls a guest, and hears from whom it called. */
  #checkCall(to: SimGuest, node: string, egress: Egress, isReached: boolean): void {
    const world = this.#world;
    const call = callTo(to, egress);
    const what = `a call by ${egress.node} of ${to.owner} at ${node}`;
    const inwards = world.follow(egress.node, call, what);
    if (inwards.length > 1) world.fail(`twice: ${what}`);
    if (isReached && inwards.length === 0) world.fail(`a black hole: ${what}`);
    for (const { node: at, portNo, frame } of inwards) {
      if (at !== node || portNo !== world.portNo(to.owner, node)) world.fail(`a leak: ${what} came to ${at}`);
      const fault = frame.ipv4Src === call.ipv4Src ? faultInside(frame, to) : `from ${frame.ipv4Src}`;
      if (fault !== undefined) world.fail(`changed: ${what} came ${fault}`);
    }
    if (!isReached) return;
    const [back, ...more] = world.follow(node, answerOf(to, world.portNo(to.owner, node)), `the answer to ${what}`);
    const { ipv4Src, tcpSrc, tcpDst } = back?.frame ?? {};
    const isRight = more.length === 0 && back?.node === egress.node && back.portNo === EXIT_PORT_NO;
    if (!isRight || ipv4Src !== call.ipv4Dst || tcpSrc !== call.tcpDst || tcpDst !== call.tcpSrc)
      world.fail(`the answer to ${what} came out at ${back?.node}, from port ${tcpSrc} to ${tcpDst}`);
  }

  /** Nobody calls from outside under the address of a guest. */
  #checkPretended(to: SimGuest): void {
    const { control, guests } = this.#world;
    const egress = control.overlay.networks.find(({ tenant }) => tenant === to.tenant)?.egress;
    if (egress === undefined) return;
    for (const from of guests.filter(({ tenant }) => tenant === to.tenant)) {
      const what = `from outside by ${egress.node} as ${from.owner} to ${to.owner}`;
      const call = { ...callTo(to, egress), ipv4Src: ipv4(from.ip) };
      if (this.#world.follow(egress.node, call, what).length > 0) this.#world.fail(`heard: ${what}`);
    }
  }

  /** What answers no connection of a network comes to nobody in it, not even to a guest's own address. */
  checkUnasked(): void {
    for (const guest of this.#world.guests) {
      const frame = this.#seen.get(guest.owner);
      if (frame === undefined) continue;
      this.#checkPretended(guest);
      const toNobody = answerTo(frame, 1);
      for (const unasked of [toNobody, { ...toNobody, ipv4Dst: ipv4(guest.ip), ethDst: SERVICE_MAC }]) {
        for (const { node } of this.#world.switches) {
          const what = `from outside by ${node}, unasked, to ${guest.owner}`;
          if (this.#world.follow(node, unasked, what).length > 0) this.#world.fail(`heard: ${what}`);
        }
      }
    }
  }
}
