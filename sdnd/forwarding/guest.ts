// One guest as one switch sees it: where it is, may be next, and was before.
import type { GuestNetworkPlan } from '../../wire/contracts/guest-network.ts';
import type { Binding } from '../../wire/contracts/sdnd.ts';
import type { GuestConnection } from '../../wire/contracts/security-groups.ts';
import { controllerCookie } from '../pipeline.ts';
import type { BoundGuest, TenantGuests } from './guest-index.ts';
import type { OverlayView, SwitchView } from './view.ts';
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
  /** That came with it from its last place, for a while. */
  readonly connections: readonly GuestConnection[];
}

/** A tenant whose guests this switch has to know. */
export interface HeldTenant {
  readonly tenant: number;
  /** Undefined as long as nobody has told of it. */
  readonly network: GuestNetworkPlan | undefined;
  readonly told: TenantGuests;
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
  const { guests, networks } = overlay;
  const plans = new Map(networks.map((network) => [network.tenant, network]));
  const exits = networks.flatMap(({ tenant, egress }) => (egress?.node === view.node ? [tenant] : []));
  const tenants = ways.isGateway ? guests.tenants : new Set([...guests.tenantsAt(view.node), ...exits]);
  return [...tenants]
    .flatMap((tenant) => guests.of(tenant) ?? [])
    .map((told) => {
      const network = plans.get(told.tenant);
      const nodes = withExit(told.nodes, network?.egress?.node);
      return { tenant: told.tenant, network, told, nodes, isHere: nodes.has(view.node) };
    })
    .filter(({ nodes, isHere }) => isHere || isOnAnyWay(ways, nodes));
}

function withExit(nodes: ReadonlySet<string>, exit: string | undefined): ReadonlySet<string> {
  return exit === undefined || nodes.has(exit) ? nodes : new Set([...nodes, exit]);
}

/** Whether a switch sends on what goes between some of these nodes, or would if other gateways were lost. */
export function isOnAnyWay(ways: Ways, nodes: ReadonlySet<string>, targets: Iterable<string> = nodes): boolean {
  if (!ways.isGateway) return false;
  for (const to of targets) for (const from of nodes) if (ways.mayBeBetween(from, to)) return true;
  return false;
}

/** A guest's places: where it is, and where it may be from one moment to the next. */
export function placesOf({ active, prepared }: Guest): readonly Place[] {
  return prepared === undefined ? [active] : [active, prepared];
}

/** A bound guest as this switch sees it. */
export function guestOf(
  incarnation: number,
  view: SwitchView,
  { tenant, network }: Pick<HeldTenant, 'tenant' | 'network'>,
  { binding, prepared, departed, connections }: BoundGuest,
  isMember: boolean,
): Guest {
  const locate = (place: Binding | undefined): Place | undefined => place && placeOf(view, place);
  return {
    binding,
    tenant,
    cookie: controllerCookie(incarnation, binding.epoch),
    network,
    isMember,
    active: placeOf(view, binding),
    prepared: locate(prepared),
    departed: locate(departed),
    connections,
  };
}

function placeOf({ node, ports }: SwitchView, binding: Binding): Place {
  const isHere = binding.node === node;
  return { binding, isHere, portNo: isHere ? ports.get(binding.port) : undefined };
}
