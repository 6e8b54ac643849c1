// All that one switch's flows follow from, at one moment. A scene never changes: two of them tell which parts of the flows are
// others now, so that a change costs what it changes and not what there is, and nobody has to keep the flows themselves. Pure.
import { gotoTable, type Match, output, VLAN_PRESENT } from '@openflow/ofp';
import type { SecurityGroup } from '../../wire/contracts/security-groups.ts';
import type { Flow } from '../flow.ts';
import { controllerCookie, isAgentPort, Priority, portZone, Table } from '../pipeline.ts';
import { memberFlows } from '../security/member-flows.ts';
import { type Membership, membership } from '../security/members.ts';
import { NamedGroups } from '../security/named-groups.ts';
import { judgeFlows } from '../security/policy-flows.ts';
import { admissionFlows, enter } from './admission.ts';
import { arpAnswer } from './arp.ts';
import { deliveryFlows, tunnelFlows } from './delivery.ts';
import { egressFlows, egressGates, exitAt } from './egress.ts';
import { act, row } from './flow-row.ts';
import { type Guest, guestOf, type HeldTenant, heldTenants, placesOf } from './guest.ts';
import type { BoundGuest, TenantGuests } from './guest-index.ts';
import { neighbourGuard } from './ipv6-admission.ts';
import { routeFlows } from './routing.ts';
import { stubFlows } from './stubs.ts';
import type { OverlayView, SwitchView } from './view.ts';
import { Ways } from './ways.ts';

/** A frame with a VLAN tag is of no network here, and outside a guest would choose by it whose wire it comes to. */
const TAGGED: Match = { vlanVid: { value: VLAN_PRESENT, mask: VLAN_PRESENT } };

const NONE_NAMED: ReadonlyMap<number, NamedGroups> = new Map();
const NOBODY_NAMES = new NamedGroups(membership([]), []);

/** Flows of the parts that changed, as they were and as they are; what is in both is no difference. */
export interface ChangedFlows {
  readonly before: readonly Flow[];
  readonly now: readonly Flow[];
}

export class Scene {
  readonly #incarnation: number;
  readonly #view: SwitchView;
  readonly #ways: Ways;
  readonly #groups: readonly SecurityGroup[];
  readonly #membership: Membership;
  readonly #tenants: ReadonlyMap<number, HeldTenant>;
  /** By tenant, where it has members of groups here. */
  readonly #named: ReadonlyMap<number, NamedGroups>;
  /** Some guest of a port here is in a security group. */
  readonly #judges: boolean;

  /** `view`: its ports must not change afterwards. */
  constructor(overlay: OverlayView, view: SwitchView) {
    this.#incarnation = overlay.incarnation;
    this.#view = view;
    this.#ways = new Ways(overlay, view);
    this.#groups = overlay.groups;
    this.#membership = membership(overlay.groups);
    this.#tenants = new Map(heldTenants(overlay, view, this.#ways).map((held) => [held.tenant, held]));
    const owners = overlay.guests.ownersAt(view.node);
    this.#named = this.#namedBy(owners);
    this.#judges = this.#hasJudgedPort(owners);
  }

  /** All flows that the switch should have; the agent's own are not among them. No two have one key. */
  flows(): Flow[] {
    return [...this.#commonFlows(), ...[...this.#tenants.values()].flatMap((held) => this.#tenantFlows(held))];
  }

  /** What is other than it was in an earlier scene of the same switch. */
  since(before: Scene): ChangedFlows {
    const [gone, come] = [before.#commonFlows(), this.#commonFlows()];
    for (const tenant of new Set([...before.#tenants.keys(), ...this.#tenants.keys()])) {
      const [old, fresh] = [before.#tenants.get(tenant), this.#tenants.get(tenant)];
      if (old !== undefined && fresh !== undefined && this.#isSameSetting(fresh, before, old)) {
        for (const owner of this.#changedOwners(fresh.told, before, old.told)) {
          gone.push(...before.#flowsOf(old, owner));
          come.push(...this.#flowsOf(fresh, owner));
        }
      } else {
        if (old !== undefined) gone.push(...before.#tenantFlows(old));
        if (fresh !== undefined) come.push(...this.#tenantFlows(fresh));
      }
    }
    return { before: gone, now: come };
  }

  /** Of no guest and no tenant: small, whatever there is. */
  #commonFlows(): Flow[] {
    const common = this.#common;
    const { tunnels } = this.#ways;
    return [
      row(common, Table.gateIn, Priority.own, TAGGED, []),
      row(common, Table.arp, Priority.miss, {}, [gotoTable(Table.forward)]),
      row(common, Table.route, Priority.miss, {}, [gotoTable(Table.forward)]),
      ...neighbourGuard(common),
      ...tunnels.map((portNo) => enter(common, portNo)),
      ...tunnelFlows(common, tunnels),
      ...egressGates(common, this.#view, [...this.#tenants.values()]),
      ...(this.#judges ? judgeFlows(common) : []),
    ];
  }

  #tenantFlows(held: HeldTenant): Flow[] {
    const guests = [...held.told.guests.keys()].flatMap((owner) => this.#flowsOf(held, owner));
    const ofAll = [
      ...egressFlows(this.#common, this.#ways, this.#view, held),
      ...stubFlows(this.#common, this.#view, held),
    ];
    return [...ofAll, ...guests];
  }

  /** Of one guest; none of one that is not bound. */
  #flowsOf(held: HeldTenant, owner: string): Flow[] {
    const bound = held.told.guests.get(owner);
    if (bound === undefined) return [];
    const guest = guestOf(this.#incarnation, this.#view, held, bound, this.#membership.has(owner));
    return [
      ...admissionFlows(this.#ways, guest),
      ...(held.isHere ? [arpAnswer(guest)] : []),
      ...routeFlows(held, guest),
      ...deliveryFlows(this.#ways, guest, held),
      ...memberFlows(this.#membership, this.#namedIn(held.tenant), guest),
      ...freePorts(guest).flatMap((portNo) => freePortFlows(this.#common, portNo)),
    ];
  }

  get #common(): bigint {
    return controllerCookie(this.#incarnation, 0);
  }

  /** Whether all guests of a tenant that are as they were have the flows that they had. */
  #isSameSetting(fresh: HeldTenant, before: Scene, old: HeldTenant): boolean {
    if (fresh.isHere !== old.isHere || this.#incarnation !== before.#incarnation) return false;
    if (fresh.network !== old.network && JSON.stringify(fresh.network) !== JSON.stringify(old.network)) return false;
    if (this.#exitPort(fresh) !== before.#exitPort(old)) return false;
    return this.#ways.areSame(before.#ways, fresh.nodes, old.nodes);
  }

  /** By which a tenant's frames leave here, for anywhere or for the resources of its stubs. */
  #exitPort(held: HeldTenant): number | undefined {
    const exit = exitAt(this.#view, held);
    return exit === undefined ? undefined : this.#view.ports.get(exit.port);
  }

  #changedOwners(fresh: TenantGuests, before: Scene, old: TenantGuests): string[] {
    const isSamePolicy = this.#groups === before.#groups;
    const isSamePorts = this.#view.ports === before.#view.ports;
    const isSameNamed = isSamePolicy && this.#namedIn(fresh.tenant).text === before.#namedIn(fresh.tenant).text;
    if (fresh === old && isSameNamed && isSamePorts) return [];
    const changed = [...fresh.guests].filter(([owner, guest]) => {
      if (old.guests.get(owner) !== guest) return true;
      if (!isSameNamed && this.#saidOf(fresh.tenant, owner) !== before.#saidOf(fresh.tenant, owner)) return true;
      if ((isSamePolicy && isSamePorts) || !isAt(guest, this.#view.node)) return false;
      const isJudged = this.#membership.has(owner) || before.#membership.has(owner);
      return (!isSamePolicy && isJudged) || this.#portsOf(guest) !== before.#portsOf(guest);
    });
    const gone = [...old.guests.keys()].filter((owner) => !fresh.guests.has(owner));
    return [...changed.map(([owner]) => owner), ...gone];
  }

  #namedBy(owners: ReadonlySet<string>): ReadonlyMap<number, NamedGroups> {
    if (this.#membership.size === 0) return NONE_NAMED;
    return new Map(
      [...this.#tenants].map(([tenant, { told }]) => {
        const own = [...owners].filter((owner) => told.guests.has(owner));
        return [tenant, new NamedGroups(this.#membership, own)];
      }),
    );
  }

  #namedIn(tenant: number): NamedGroups {
    return this.#named.get(tenant) ?? NOBODY_NAMES;
  }

  /** What entries here say of a guest as others' far end, to be compared. */
  #saidOf(tenant: number, owner: string): string {
    return this.#namedIn(tenant).textOf(this.#membership.of(owner));
  }

  /** The numbers of its ports here, to be compared. */
  #portsOf({ binding, prepared, departed }: BoundGuest): string {
    const here = [binding, prepared, departed].filter((place) => place?.node === this.#view.node);
    return here.map((place) => (place === undefined ? '' : this.#view.ports.get(place.port))).join(' ');
  }

  #hasJudgedPort(owners: ReadonlySet<string>): boolean {
    if (this.#membership.size === 0) return false;
    const { node, ports } = this.#view;
    const judged = [...this.#tenants.values()].flatMap(({ told }) =>
      [...owners].flatMap((owner) => (this.#membership.has(owner) ? (told.guests.get(owner) ?? []) : [])),
    );
    return judged.some(({ binding, prepared }) =>
      [binding, prepared].some((place) => {
        const portNo = place?.node === node ? ports.get(place.port) : undefined;
        return portNo !== undefined && portZone(portNo) !== undefined;
      }),
    );
  }
}

function isAt({ binding, prepared, departed }: BoundGuest, node: string): boolean {
  return binding.node === node || prepared?.node === node || departed?.node === node;
}

/** Local ports that are bound but that no agent keeps a gate for. */
function freePorts(guest: Guest): number[] {
  const numbers = placesOf(guest).flatMap(({ portNo }) => (portNo === undefined ? [] : [portNo]));
  return [...new Set(numbers)].filter((portNo) => !isAgentPort(portNo));
}

function freePortFlows(cookie: bigint, portNo: number): Flow[] {
  return [enter(cookie, portNo), row(cookie, Table.gateOut, Priority.normal, { reg1: portNo }, act(output(portNo)))];
}
