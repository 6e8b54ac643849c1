// Who is where: members, bindings and prepared migrations, as a state that records are applied to. Pure; says which
// record a command leads to or why it is refused, and never touches a switch or a disk.
import { OperationError } from '../../common/errors.ts';
import type { GuestNetworkPlan } from '../../wire/contracts/guest-network.ts';
import type { Binding, MeshLink, OverlayMember } from '../../wire/contracts/sdnd.ts';
import type { GuestConnection, SecurityGroup } from '../../wire/contracts/security-groups.ts';
import type { Flow } from '../flow.ts';
import type { GuestIndex } from '../forwarding/guest-index.ts';
import type { OverlayView } from '../forwarding/view.ts';
import { meshOf } from '../mesh/members-mesh.ts';
import { Mesh } from '../mesh/mesh.ts';
import { TUNNEL_PORT_NAME } from '../pipeline.ts';
import { isNewer, isSameBinding } from './binding-order.ts';
import { EndedMigrations } from './ended-migrations.ts';
import { PastGuests, pastOf } from './guest-past.ts';
import { GuestRegister, type Touched } from './guest-register.ts';
import type { OverlayRecord } from './overlay-record.ts';
import { checkMove, checkPlace, migrationBusy, over, stale, taken, unknown } from './overlay-refusals.ts';

/** Raised when the control plane is restored from a backup, which is not built yet. */
const INCARNATION = 1;
/** A controller that was killed is back within that: switches may not have heard of a move that it had completed. */
const RESTART_MS = 60_000;
/** Records by which the flows of every switch may be others. */
const CONCERNS_ALL: ReadonlySet<OverlayRecord['kind']> = new Set(['members', 'links', 'networks', 'groups']);

export class Overlay implements OverlayView {
  readonly incarnation = INCARNATION;
  #members: readonly OverlayMember[] = [];
  #links: readonly MeshLink[] = [];
  #networks: readonly GuestNetworkPlan[] = [];
  #groups: readonly SecurityGroup[] = [];
  #mesh = new Mesh([]);
  readonly #bindings = new Map<string, Binding>();
  /** By migration. */
  readonly #prepared = new Map<string, Binding>();
  /** The same by owner, for who computes flows. */
  readonly #preparations = new Map<string, Binding>();
  /** By owner; of a controller that was restarted those of moves that were completed a moment before. */
  readonly #departures = new Map<string, Binding>();
  readonly #completed = new EndedMigrations();
  readonly #cancelled = new EndedMigrations();
  readonly #past = new PastGuests();
  /** By owner; not recorded: what is in use its new switch soon remembers itself. */
  readonly #connections = new Map<string, readonly GuestConnection[]>();
  readonly #register = new GuestRegister();
  /** Worked out when it is needed, until something changes. */
  #isPast: ((flow: Flow) => boolean) | undefined;
  #term = 0;

  /** `nowMs`: since 1970. */
  constructor(records: readonly OverlayRecord[] = [], nowMs = 0) {
    const recent = new Set<Binding>();
    for (const record of records) {
      const to = record.kind === 'completed' ? this.#prepared.get(record.migration) : undefined;
      this.apply(record);
      const left = to === undefined ? undefined : this.#departures.get(to.owner);
      const isRecent = record.kind === 'completed' && Math.abs(nowMs - (record.atMs ?? 0)) < RESTART_MS;
      if (left !== undefined && isRecent) recent.add(left);
    }
    // To other places nothing comes late any more.
    for (const place of [...this.#departures.values()]) if (!recent.has(place)) this.forgetDeparture(place);
  }

  get members(): readonly OverlayMember[] {
    return this.#members;
  }
  get links(): readonly MeshLink[] {
    return this.#links;
  }
  get networks(): readonly GuestNetworkPlan[] {
    return this.#networks;
  }
  get groups(): readonly SecurityGroup[] {
    return this.#groups;
  }
  get mesh(): Mesh {
    return this.#mesh;
  }
  get bindings(): ReadonlyMap<string, Binding> {
    return this.#bindings;
  }
  get preparations(): ReadonlyMap<string, Binding> {
    return this.#preparations;
  }
  get guests(): GuestIndex {
    return this.#register.index;
  }
  get departures(): ReadonlyMap<string, Binding> {
    return this.#departures;
  }
  /** By owner: that came with a guest from its last place. */
  get connections(): ReadonlyMap<string, readonly GuestConnection[]> {
    return this.#connections;
  }
  /** The highest term of a controller so far. */
  get term(): number {
    return this.#term;
  }

  /** Tells of a flow that is not wanted whether its guest, known here, has moved on or is gone. */
  past(): (flow: Flow) => boolean {
    this.#isPast ??= pastOf(this, this.#past.all);
    return this.#isPast;
  }

  /** Where a prepared migration leads; undefined when there is none of that id. */
  destinationOf(migration: string): Binding | undefined {
    return this.#prepared.get(migration);
  }

  /** Nothing comes late any more to this place of a guest. False when that was forgotten, or is another, already. */
  forgetDeparture(place: Binding): boolean {
    if (this.#departures.get(place.owner) !== place) return false;
    this.#departures.delete(place.owner);
    this.#noteGuest(place.owner);
    return true;
  }

  /** From now on these are what came with a guest; none: it has seen all of them itself. */
  setConnections(owner: string, connections: readonly GuestConnection[]): void {
    if (connections.length === 0) this.#connections.delete(owner);
    else this.#connections.set(owner, connections);
    this.#noteGuest(owner);
  }

  /** The nodes whose switches may have other flows to have than when this was last asked; gateways may, whenever there are any. */
  takeTouched(): Touched {
    return this.#register.takeTouched();
  }

  /** Takes a change over; never fails, whatever the order. */
  apply(record: OverlayRecord): void {
    const migrating = 'migration' in record ? this.#prepared.get(record.migration)?.owner : undefined;
    const owner = ownerOf(record) ?? migrating;
    this.#change(record);
    this.#isPast = undefined;
    if (owner !== undefined) this.#noteGuest(owner);
    else if (CONCERNS_ALL.has(record.kind)) this.#register.touchAll();
  }

  #change(record: OverlayRecord): void {
    switch (record.kind) {
      case 'members':
        this.#members = record.members;
        this.#mesh = meshOf(this.#members, this.#links);
        break;
      case 'links':
        this.#links = record.links;
        this.#mesh = meshOf(this.#members, this.#links);
        break;
      case 'networks':
        this.#networks = record.networks;
        break;
      case 'groups':
        this.#groups = record.groups;
        break;
      case 'bound':
        this.#bind(record.binding);
        this.#forgetPreparationsUpTo(record.binding);
        break;
      case 'unbound':
        this.#unbind(record.owner);
        this.#forgetPreparationsOf(record.owner);
        break;
      case 'prepared':
        this.#prepared.set(record.migration, record.to);
        this.#preparations.set(record.to.owner, record.to);
        break;
      case 'completed':
        this.#complete(record.migration);
        break;
      case 'cancelled':
        this.#forget(record.migration);
        this.#cancelled.add(record.migration);
        break;
      case 'past':
        this.#past.add(record.guest);
        break;
      case 'term':
        this.#term = Math.max(this.#term, record.term);
        break;
    }
  }

  /** The shortest list of records that makes this state. */
  records(): OverlayRecord[] {
    return [
      { kind: 'term', term: Math.max(this.#term, 1) },
      { kind: 'members', members: [...this.#members] },
      ...(this.#links.length === 0 ? [] : [{ kind: 'links' as const, links: [...this.#links] }]),
      ...(this.#networks.length === 0 ? [] : [{ kind: 'networks' as const, networks: [...this.#networks] }]),
      ...(this.#groups.length === 0 ? [] : [{ kind: 'groups' as const, groups: [...this.#groups] }]),
      ...this.#past.all.map((guest) => ({ kind: 'past', guest }) as const),
      ...[...this.#bindings.values()].map((binding) => ({ kind: 'bound', binding }) as const),
      ...this.#completed.all.map((migration) => ({ kind: 'completed', migration }) as const),
      ...this.#cancelled.all.map((migration) => ({ kind: 'cancelled', migration }) as const),
      ...[...this.#prepared].map(([migration, to]) => ({ kind: 'prepared', migration, to }) as const),
    ];
  }

  /** @throws OperationError EPOCH_STALE, ADDRESS_TAKEN, ADDRESS_BAD, PORT_BAD; undefined when it stands already */
  bind(binding: Binding): OverlayRecord | undefined {
    this.#checkPlace(binding);
    this.#checkFree(binding);
    const old = this.#bindings.get(binding.owner);
    if (old !== undefined && isSameBinding(old, binding)) return undefined;
    if (old !== undefined && !isNewer(binding, old)) throw stale(binding, old);
    return { kind: 'bound', binding };
  }

  /** Undefined when there is nothing to unbind. */
  unbind(owner: string): OverlayRecord | undefined {
    return this.#bindings.has(owner) ? { kind: 'unbound', owner } : undefined;
  }

  /** @throws OperationError NOT_BOUND, EPOCH_STALE, MIGRATION_BUSY, MIGRATION_OVER, ADDRESS_TAKEN */
  prepare(migration: string, to: Binding): OverlayRecord | undefined {
    if (this.#completed.has(migration) || this.#cancelled.has(migration)) throw over(migration);
    const known = this.#prepared.get(migration);
    if (known !== undefined && isSameBinding(known, to)) return undefined;
    const busy = this.#preparations.get(to.owner);
    if (known !== undefined || busy !== undefined) throw migrationBusy(migration, to, busy ?? known);
    this.#checkMove(to);
    return { kind: 'prepared', migration, to };
  }

  /** `atMs`: now, since 1970. @throws OperationError MIGRATION_UNKNOWN; undefined when it was completed before */
  complete(migration: string, atMs?: number): OverlayRecord | undefined {
    if (this.#completed.has(migration)) return undefined;
    if (!this.#prepared.has(migration)) throw unknown(migration);
    return { kind: 'completed', migration, ...(atMs === undefined ? {} : { atMs }) };
  }

  /** Also of one that is not prepared yet. @throws OperationError MIGRATION_OVER when it was completed */
  cancel(migration: string): OverlayRecord | undefined {
    if (this.#completed.has(migration)) throw over(migration);
    return this.#cancelled.has(migration) ? undefined : { kind: 'cancelled', migration };
  }

  #bind(binding: Binding): void {
    const old = this.#bindings.get(binding.owner);
    if (old !== undefined) this.#past.add(old);
    if (old !== undefined && old.node !== binding.node) this.#departures.set(binding.owner, old);
    this.#bindings.set(binding.owner, binding);
    this.#past.remove(binding);
  }

  #unbind(owner: string): void {
    const old = this.#bindings.get(owner);
    if (old !== undefined) this.#past.add(old);
    this.#bindings.delete(owner);
    this.#departures.delete(owner);
    this.#connections.delete(owner);
  }

  #complete(migration: string): void {
    const to = this.#prepared.get(migration);
    this.#forget(migration);
    if (to !== undefined) this.#bind(to);
    this.#completed.add(migration);
  }

  #forget(migration: string): void {
    const to = this.#prepared.get(migration);
    this.#prepared.delete(migration);
    if (to !== undefined) this.#preparations.delete(to.owner);
  }

  #forgetPreparationsOf(owner: string): void {
    for (const [migration, to] of this.#prepared) if (to.owner === owner) this.#forget(migration);
  }

  // A migration whose epoch is not above the bound one can no longer complete.
  #forgetPreparationsUpTo({ owner, epoch }: Binding): void {
    const to = this.#preparations.get(owner);
    if (to !== undefined && to.epoch <= epoch) this.#forgetPreparationsOf(owner);
  }

  #checkMove(to: Binding): void {
    const from = this.#bindings.get(to.owner);
    if (from === undefined) {
      throw new OperationError('NOT_BOUND', `${to.owner} has no binding that could move to ${to.node}`);
    }
    checkMove(to, from);
    this.#checkPlace(to);
    this.#checkFree(to);
  }

  // Of a node that is no member yet it is not known which tunnel ports it will have beside the one that all have.
  #checkPlace(binding: Binding): void {
    checkPlace(binding, [TUNNEL_PORT_NAME, ...this.#mesh.portsOf(binding.node)]);
  }

  // One active binding per port (PROMISES N3), and no address that two guests could claim.
  #checkFree(binding: Binding): void {
    const rival = this.#register.rivalOf(binding);
    if (rival !== undefined) throw taken(binding, rival);
  }

  /** Something of a guest is as it was not: who looks it up finds it so. */
  #noteGuest(owner: string): void {
    const [binding, prepared] = [this.#bindings.get(owner), this.#preparations.get(owner)];
    const [departed, connections] = [this.#departures.get(owner), this.#connections.get(owner) ?? []];
    this.#register.note(owner, { binding, prepared, departed, connections }, this.#networks);
  }
}

/** Whom a record names. */
function ownerOf(record: OverlayRecord): string | undefined {
  if ('binding' in record) return record.binding.owner;
  if ('to' in record) return record.to.owner;
  return 'owner' in record ? record.owner : undefined;
}
