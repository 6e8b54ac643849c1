// What becomes of a ping of one guest to another: by the flows that the controller wants, and, where somebody asks, by those
// that the switches have, which are read for it. Changes nothing.
import { ethAddress, ipv4 } from '@openflow/ofp';
import { messageOf, OperationError } from '../../common/errors.ts';
import type { GuestNetworkPlan } from '../../wire/contracts/guest-network.ts';
import type { Binding } from '../../wire/contracts/sdnd.ts';
import type { TopologyLink } from '../../wire/contracts/topology.ts';
import type { NetworkTrace, TraceRequest } from '../../wire/contracts/trace.ts';
import { gateFlows } from '../agent/gate.ts';
import type { Flow } from '../flow.ts';
import { ipv6Of, subnetAt } from '../forwarding/ipv6-addresses.ts';
import { type OverlayView, type SwitchView, tenantOf } from '../forwarding/view.ts';
import { EtherType } from '../packets/ethernet.ts';
import { Icmpv4Type } from '../packets/icmpv4.ts';
import { Icmpv6Type } from '../packets/icmpv6.ts';
import { IpProtocol } from '../packets/ipv4.ts';
import { isAgentPort, SERVICE_MAC } from '../pipeline.ts';
import { type FrameWalk, type TracedSwitch, walkMesh } from './frame-walk.ts';
import { bitsOf, type Frame } from './table-walk.ts';
import { type TraceEnds, TraceReport } from './trace-report.ts';

/** Time to live and hop limit, as most systems send them. */
const TTL = 64;
const INTERFACE_BITS = 64n;

export interface TracerParts {
  readonly overlay: OverlayView;
  /** A switch's ports as it told them last; undefined: it never did. */
  readonly portsOf: (node: string) => SwitchView['ports'] | undefined;
  /** The controller's flows that a switch should have; undefined: its node is no member. */
  readonly wanted: (view: SwitchView) => readonly Flow[] | undefined;
  /** All flows that a switch has. @throws OperationError SWITCH_LOST, SWITCH_REFUSED */
  readonly installed: (node: string) => Promise<readonly Flow[]>;
  readonly links: () => readonly TopologyLink[];
}

export class Tracer {
  readonly #parts: TracerParts;

  constructor(parts: TracerParts) {
    this.#parts = parts;
  }

  /** @throws OperationError NOT_BOUND, TRACE_TO_ITSELF */
  async trace(request: TraceRequest): Promise<NetworkTrace> {
    const [from, to] = [this.#bound(request.from), this.#bound(request.to)];
    const ends = { from, to, ...(request.ipv6 === true ? { ipv6: this.#ipv6Ends(from, to) } : {}) };
    if (from === to)
      throw new OperationError('TRACE_TO_ITSELF', `what ${request.from} sends to itself crosses no network`);
    const report = new TraceReport(ends, this.#parts.overlay, this.#parts.links());
    const wanted = await this.#walk(ends, (node) => Promise.resolve(this.#wanted(node)));
    const told = { ...report.ends, wanted: report.walk(wanted) };
    if (!request.compare) return { ...told, real: null, differences: [] };
    const failures: string[] = [];
    const real = await this.#walk(ends, (node) => this.#real(node, failures));
    return { ...told, real: report.walk(real, failures), differences: report.differences(wanted.hops, real.hops) };
  }

  #bound(owner: string): Binding {
    const binding = this.#parts.overlay.bindings.get(owner);
    if (binding !== undefined) return binding;
    throw new OperationError('NOT_BOUND', `${owner} has no address in the overlay`, {
      remedy: '`vm list` shows the VMs; one that was never started has no port.',
    });
  }

  /** The gates of running guests are open; which are shut this moment only their agents and switches know. */
  #wanted(node: string): TracedSwitch | undefined {
    const ports = this.#parts.portsOf(node);
    const flows = ports && this.#parts.wanted({ node, ports });
    if (ports === undefined || flows === undefined) return undefined;
    const here = [...this.#parts.overlay.bindings.values()].filter((binding) => binding.node === node);
    const open = here
      .map(({ port }) => ports.get(port))
      .filter((portNo) => portNo !== undefined && isAgentPort(portNo));
    return { ports, flows: [...flows, ...open.flatMap((portNo) => (portNo === undefined ? [] : gateFlows(portNo)))] };
  }

  async #real(node: string, failures: string[]): Promise<TracedSwitch | undefined> {
    const ports = this.#parts.portsOf(node);
    try {
      return ports && { ports, flows: await this.#parts.installed(node) };
    } catch (error) {
      failures.push(messageOf(error));
      return undefined;
    }
  }

  async #walk(ends: TraceEnds, switchOf: (node: string) => Promise<TracedSwitch | undefined>): Promise<FrameWalk> {
    const { node, port } = ends.from;
    const inPort = this.#parts.portsOf(node)?.get(port);
    if (inPort === undefined) return { hops: [], missing: node, isEndless: false };
    const frame = { ...this.#ping(ends), inPort: BigInt(inPort) };
    return walkMesh(this.#parts.overlay.mesh, switchOf, { node, frame });
  }

  #ping(ends: TraceEnds): Frame {
    const { from, to, ipv6 } = ends;
    const destination = this.#isRouted(ends) ? SERVICE_MAC : ethAddress(to.mac);
    const ethernet = { ethSrc: bitsOf(ethAddress(from.mac)), ethDst: bitsOf(destination), ipTtl: BigInt(TTL) };
    if (ipv6 !== undefined) {
      const ip = { ethType: BigInt(EtherType.ipv6), ipv6Src: ipv6.from, ipv6Dst: ipv6.to };
      const echo = { icmpv6Type: BigInt(Icmpv6Type.echoRequest), icmpv6Code: 0n };
      return { ...ethernet, ...ip, ipProto: BigInt(IpProtocol.icmpv6), ...echo };
    }
    const ip = { ethType: BigInt(EtherType.ipv4), ipv4Src: BigInt(ipv4(from.ip)), ipv4Dst: BigInt(ipv4(to.ip)) };
    const echo = { icmpv4Type: BigInt(Icmpv4Type.echoRequest), icmpv4Code: 0n };
    return { ...ethernet, ...ip, ipProto: BigInt(IpProtocol.icmp), ...echo };
  }

  /** A guest sends to its router what is for another subnet. */
  #isRouted({ from, to, ipv6 }: TraceEnds): boolean {
    if (ipv6 !== undefined) return ipv6.from >> INTERFACE_BITS !== ipv6.to >> INTERFACE_BITS;
    const subnet = subnetAt(this.#networkOf(from), from.ip);
    return subnet !== undefined && subnetAt(this.#networkOf(from), to.ip) !== subnet;
  }

  #networkOf(binding: Binding): GuestNetworkPlan | undefined {
    return this.#parts.overlay.networks.find(({ tenant }) => tenant === tenantOf(binding));
  }

  #ipv6Ends(from: Binding, to: Binding): TraceEnds['ipv6'] {
    const [own = 0n, routed] = ipv6Of(this.#networkOf(from), from);
    const [other = 0n, otherRouted] = ipv6Of(this.#networkOf(to), to);
    if (routed === undefined || otherRouted === undefined) return { from: own, to: other };
    return { from: routed, to: otherRouted };
  }
}
