// Which flows a switch should have, computed from who is where. Pure: the same overlay and the same ports give the same
// flows, whatever was installed before. The pipeline that they fill is described in the room `pipeline`.
import {
  type Action,
  applyActions,
  type EthAddress,
  ethAddress,
  gotoTable,
  type Instruction,
  ipv4,
  type Match,
  output,
  PortNumber,
  regMove,
  setField,
} from '@openflow/ofp';
import type { Binding } from '../wire/contracts/sdnd.ts';
import type { Flow } from './flow.ts';
import {
  controllerCookie,
  isAgentPort,
  Origin,
  originTunnelId,
  Priority,
  Table,
  TENANT,
  TUNNEL_PORT_NAME,
  tenantTunnelIds,
} from './pipeline.ts';

/** Who is a member and who is where. */
export interface OverlayView {
  /** Raised when the control plane is restored from a backup; 24 bits. */
  readonly incarnation: number;
  /** Underlay addresses by node. */
  readonly members: ReadonlyMap<string, string>;
  /** By owner. */
  readonly bindings: ReadonlyMap<string, Binding>;
  /** By owner: where a bound owner may be from one moment to the next, because it migrates. */
  readonly preparations: ReadonlyMap<string, Binding>;
}

/** One switch: its node and its ports' numbers by name. */
export interface SwitchView {
  readonly node: string;
  readonly ports: ReadonlyMap<string, number>;
}

/** A binding as one switch sees it: behind a port of its own, behind the tunnel, or (both undefined) out of reach. */
interface Place {
  readonly binding: Binding;
  readonly portNo: number | undefined;
  readonly address: string | undefined;
}

/** Where a local port's guest is instead while that port is closed. */
interface Delivery {
  readonly portNo: number;
  readonly otherAddress: string | undefined;
}

const ETH_TYPE_IPV4 = 0x0800;
const ETH_TYPE_ARP = 0x0806;
const ARP_REQUEST = 1;
const ARP_REPLY = 2;
const UNSPECIFIED = 0;

/** All flows that a switch should have; the agent's own are not among them. */
export function wantedFlows(overlay: OverlayView, view: SwitchView): Flow[] {
  const bound = [...overlay.bindings.values()];
  return [
    ...commonFlows(overlay, view),
    ...bound.flatMap((binding) => flowsOfBinding(overlay, view, binding)),
    ...freePorts(overlay, view).flatMap((portNo) => freePortFlows(controllerCookie(overlay.incarnation, 0), portNo)),
  ];
}

function commonFlows({ incarnation }: OverlayView, view: SwitchView): Flow[] {
  const cookie = controllerCookie(incarnation, 0);
  const tunnel = view.ports.get(TUNNEL_PORT_NAME);
  const unanswered = row(cookie, Table.arp, Priority.miss, {}, [gotoTable(Table.forward)]);
  if (tunnel === undefined) return [unanswered];
  // The one flow by which a frame reaches the tunnel from the table of places: not for frames that came out of it.
  const leave = { reg0: Origin.guest, reg1: tunnel };
  return [unanswered, enter(cookie, tunnel), row(cookie, Table.gateOut, Priority.normal, leave, act(output(tunnel)))];
}

/** Local ports that are bound but that no agent keeps a gate for. */
function freePorts(overlay: OverlayView, view: SwitchView): number[] {
  const places = [...overlay.bindings.values(), ...overlay.preparations.values()].map((b) => locate(overlay, view, b));
  const numbers = places.flatMap(({ portNo }) => (portNo === undefined || isAgentPort(portNo) ? [] : [portNo]));
  return [...new Set(numbers)];
}

function freePortFlows(cookie: bigint, portNo: number): Flow[] {
  return [enter(cookie, portNo), row(cookie, Table.gateOut, Priority.normal, { reg1: portNo }, act(output(portNo)))];
}

function enter(cookie: bigint, inPort: number): Flow {
  return row(cookie, Table.gateIn, Priority.normal, { inPort }, [gotoTable(Table.ingress)]);
}

function flowsOfBinding(overlay: OverlayView, view: SwitchView, binding: Binding): Flow[] {
  const cookie = controllerCookie(overlay.incarnation, binding.epoch);
  const preparation = overlay.preparations.get(binding.owner);
  const active = locate(overlay, view, binding);
  const prepared = preparation === undefined ? undefined : locate(overlay, view, preparation);
  const places = prepared === undefined ? [active] : [active, prepared];
  return [
    ...places.flatMap((place) => admissionFlows(cookie, view, place)),
    arpAnswer(cookie, binding),
    ...forwardFlows(cookie, view, active, prepared),
  ];
}

function locate({ members }: OverlayView, view: SwitchView, binding: Binding): Place {
  const isHere = binding.node === view.node;
  const address = isHere ? undefined : members.get(binding.node);
  return { binding, portNo: isHere ? view.ports.get(binding.port) : undefined, address };
}

function admissionFlows(cookie: bigint, view: SwitchView, { binding, portNo, address }: Place): Flow[] {
  if (portNo !== undefined) return guestAdmission(cookie, binding, portNo);
  return address === undefined ? [] : tunnelAdmission(cookie, view, binding, address);
}

function guestAdmission(cookie: bigint, binding: Binding, inPort: number): Flow[] {
  const mac = ethAddress(binding.mac);
  const ip = ipv4(binding.ip);
  const arp: Match = { inPort, ethSrc: mac, ethType: ETH_TYPE_ARP, arpSha: mac };
  const probe: Match = { ...arp, arpOp: ARP_REQUEST, arpSpa: UNSPECIFIED };
  const admit = (match: Match, tableId: number): Flow =>
    row(cookie, Table.ingress, Priority.normal, match, [gotoTable(tableId)]);
  return [
    admit({ inPort, ethSrc: mac, ethType: ETH_TYPE_IPV4, ipv4Src: ip }, Table.forward),
    admit({ ...arp, arpSpa: ip }, Table.arp),
    admit(probe, Table.arp),
    // Who asks for its own address wants to hear of another owner (RFC 5227, 2.1.1), and there is none.
    row(cookie, Table.arp, Priority.own, { inPort, ethType: ETH_TYPE_ARP, arpTpa: ip }, []),
  ];
}

function tunnelAdmission(cookie: bigint, view: SwitchView, binding: Binding, address: string): Flow[] {
  const inPort = view.ports.get(TUNNEL_PORT_NAME);
  if (inPort === undefined) return [];
  const tunnelId = tenantTunnelIds(TENANT);
  const match: Match = { inPort, tunnelId, tunIpv4Src: ipv4(address), ethSrc: ethAddress(binding.mac) };
  const mark = act(setField('reg0', Origin.tunnel));
  return [row(cookie, Table.ingress, Priority.normal, match, [...mark, gotoTable(Table.forward)])];
}

/** The switch answers in the guest's place: the request becomes the reply and goes back where it came from. */
function arpAnswer(cookie: bigint, binding: Binding): Flow {
  const mac = ethAddress(binding.mac);
  const ip = ipv4(binding.ip);
  const match: Match = { ethType: ETH_TYPE_ARP, arpOp: ARP_REQUEST, arpTpa: ip };
  const reply = act(
    regMove('ethSrc', 'ethDst', 48),
    setField('ethSrc', mac),
    setField('arpOp', ARP_REPLY),
    regMove('arpSha', 'arpTha', 48),
    regMove('arpSpa', 'arpTpa', 32),
    setField('arpSha', mac),
    setField('arpSpa', ip),
    output(PortNumber.inPort),
  );
  return row(cookie, Table.arp, Priority.normal, match, reply);
}

// One entry for each address, whatever it says: changing it from one place to another is one replacement, and there is
// no moment with two entries or none.
function forwardFlows(cookie: bigint, view: SwitchView, active: Place, prepared: Place | undefined): Flow[] {
  const delivery = deliveryOf(active, prepared) ?? (prepared && deliveryOf(prepared, active));
  const ethDst = ethAddress(active.binding.mac);
  if (delivery !== undefined) return localFlows(cookie, view, ethDst, delivery);
  const tunnel = view.ports.get(TUNNEL_PORT_NAME);
  // The source takes its port away as soon as the guest runs elsewhere, which may be before the controller hears of it.
  const address = active.address ?? prepared?.address;
  if (address === undefined || tunnel === undefined) return [];
  const into = act(...tunnelTo(address), setField('reg1', tunnel));
  return [row(cookie, Table.forward, Priority.normal, { ethDst }, [...into, gotoTable(Table.gateOut)])];
}

function deliveryOf({ portNo }: Place, other: Place | undefined): Delivery | undefined {
  return portNo === undefined ? undefined : { portNo, otherAddress: other?.address };
}

/**
 * Delivery to a local port. While a guest migrates both switches have it, and the gates, which the two agents turn,
 * decide: at a closed port frames of local guests go over to the other place (SOUNDNESS C3, without the controller).
 */
function localFlows(cookie: bigint, view: SwitchView, ethDst: EthAddress, delivery: Delivery): Flow[] {
  const { portNo, otherAddress } = delivery;
  const deliver = [...act(setField('reg1', portNo)), gotoTable(Table.gateOut)];
  const flows = [row(cookie, Table.forward, Priority.normal, { ethDst }, deliver)];
  const tunnel = view.ports.get(TUNNEL_PORT_NAME);
  if (otherAddress === undefined || tunnel === undefined || !isAgentPort(portNo)) return flows;
  const closed: Match = { reg0: Origin.guest, reg1: portNo, ethDst };
  const over = act(...tunnelTo(otherAddress), output(tunnel));
  return [...flows, row(cookie, Table.gateOut, Priority.fallback, closed, over)];
}

function tunnelTo(address: string): readonly Action[] {
  return [setField('tunIpv4Dst', ipv4(address)), setField('tunnelId', originTunnelId(TENANT))];
}

function act(...actions: readonly Action[]): readonly Instruction[] {
  return [applyActions(...actions)];
}

function row(
  cookie: bigint,
  tableId: number,
  priority: number,
  match: Match,
  instructions: readonly Instruction[],
): Flow {
  return { tableId, priority, match, instructions, cookie };
}
