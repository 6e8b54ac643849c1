// One guest as one switch sees it: where it is, may be next, and was before.
import type { GuestNetworkPlan } from '../../wire/contracts/guest-network.ts';
import type { Binding } from '../../wire/contracts/sdnd.ts';
import { controllerCookie } from '../pipeline.ts';
import { memberNames } from '../security/members.ts';
import { type OverlayView, type SwitchView, tenantOf } from './view.ts';
import type { Ways } from './ways.ts';

/** A binding, and the number of its port if that is one of this switch. */
export interface Place {
  readonly binding: Binding;
  readonly isHere: boolean;
  readonly portNo: number | undefined;
}

export interface Guest {
  readonly binding: Binding;
  readonly tenant: number;
  readonly cookie: bigint;
  /** Undefined as long as nobody has told of it. */
  readonly network: GuestNetworkPlan | undefined;
  /** Of a security group: what it sends and gets is judged. */
  readonly isMember: boolean;
  readonly active: Place;
  readonly prepared: Place | undefined;
  readonly departed: Place | undefined;
}

/** A tenant's guests, where this switch has to know them. */
export interface HeldTenant {
  readonly tenant: number;
  /** Undefined as long as nobody has told of it. */
  readonly network: GuestNetworkPlan | undefined;
  readonly guests: readonly Guest[];
  /** Where they are, may be, or were a moment ago, and where their way out is. */
  readonly nodes: ReadonlySet<string>;
  /** Whether this switch is one of those; else it only sends on. */
  readonly isHere: boolean;
}

/**
 * The tenants that have a guest at this switch, or may have, or had a moment ago, and those whose frames it sends on
 * (SOUNDNESS C10).
 */
export function heldTenants(overlay: OverlayView, view: SwitchView, ways: Ways): HeldTenant[] {
  const byTenant = new Map<number, Guest[]>();
  const members = memberNames(overlay.groups);
  const networks = new Map(overlay.networks.map((network) => [network.tenant, network]));
  for (const binding of overlay.bindings.values()) {
    const network = networks.get(tenantOf(binding));
    const guest = guestOf(overlay, view, { binding, network, isMember: members.has(binding.owner) });
    const peers = byTenant.get(guest.tenant);
    if (peers === undefined) byTenant.set(guest.tenant, [guest]);
    else peers.push(guest);
  }
  return [...byTenant]
    .map(([tenant, guests]) => {
      const network = networks.get(tenant);
      const nodes = new Set(guests.flatMap(everyPlace).map(({ binding }) => binding.node));
      if (network?.egress !== undefined) nodes.add(network.egress.node);
      return { tenant, network, guests, nodes, isHere: nodes.has(view.node) };
    })
    .filter(({ nodes, isHere }) => isHere || isOnAnyWay(ways, nodes));
}

/** Whether a switch sends on what goes between some of these nodes, or would if other gateways were lost. */
export function isOnAnyWay(ways: Ways, nodes: ReadonlySet<string>, targets: Iterable<string> = nodes): boolean {
  for (const to of targets) for (const from of nodes) if (ways.mayBeBetween(from, to)) return true;
  return false;
}

/** A guest's places: where it is, and where it may be from one moment to the next. */
export function placesOf({ active, prepared }: Guest): readonly Place[] {
  return prepared === undefined ? [active] : [active, prepared];
}

function everyPlace({ active, prepared, departed }: Guest): readonly Place[] {
  return [active, prepared, departed].filter((place) => place !== undefined);
}

function guestOf(
  { incarnation, preparations, departures }: OverlayView,
  view: SwitchView,
  { binding, network, isMember }: Pick<Guest, 'binding' | 'network' | 'isMember'>,
): Guest {
  const locate = (place: Binding | undefined): Place | undefined => place && placeOf(view, place);
  return {
    binding,
    tenant: tenantOf(binding),
    cookie: controllerCookie(incarnation, binding.epoch),
    network,
    isMember,
    active: placeOf(view, binding),
    prepared: locate(preparations.get(binding.owner)),
    departed: locate(departures.get(binding.owner)),
  };
}

function placeOf({ node, ports }: SwitchView, binding: Binding): Place {
  const isHere = binding.node === node;
  return { binding, isHere, portNo: isHere ? ports.get(binding.port) : undefined };
}
