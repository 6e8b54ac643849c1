// What a switch remembers of a guest's connections goes with the guest: at the preparation of a move and again at its end the
// controller asks the source, and for a while the destination takes the answers on them (SOUNDNESS C5). A question that
// fails costs those connections alone of which the far end is to speak first. Nothing of it is recorded: a controller that was
// restarted, or took over, finds in each switch what was carried there.
import { ethAddress } from '@openflow/ofp';
import type { Clock, Timer } from '../../common/clock.ts';
import { messageOf } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { Binding, OverlayMember } from '../../wire/contracts/sdnd.ts';
import { CONNECTIONS_MAX, type GuestConnection } from '../../wire/contracts/security-groups.ts';
import type { Overlay } from '../controller/overlay.ts';
import { tenantOf } from '../forwarding/view.ts';
import { CARRIED_SEC } from '../pipeline.ts';
import { type AgedFlow, type CarriedConnection, carriedIn } from './carried-flows.ts';
import { membership } from './members.ts';

/** Asks a node's agent. */
export type ConnectionsOf = (
  member: OverlayMember,
  owner: string,
) => Promise<{ readonly connections: readonly GuestConnection[]; readonly left: number }>;

export interface CarrierParts {
  readonly overlay: Pick<
    Overlay,
    'groups' | 'members' | 'guests' | 'bindings' | 'preparations' | 'connections' | 'setConnections'
  >;
  readonly connectionsOf: ConnectionsOf;
  /** Other flows are wanted. Resolves when the switches have them. */
  readonly changed: () => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
}

interface End {
  readonly atMs: number;
  readonly timer: Timer;
}

export class ConnectionCarrier {
  readonly #parts: CarrierParts;
  /** By owner: when its connections are forgotten. */
  readonly #ends = new Map<string, End>();
  /** Nodes whose switch has told what it has. */
  readonly #found = new Set<string>();
  readonly #carrying = new Set<Promise<void>>();
  /** Of whose connections an answer is awaited. */
  readonly #asked = new Map<AbortController, string>();
  #isClosed = false;

  constructor(parts: CarrierParts) {
    this.#parts = parts;
  }

  /** Of a guest that leaves a node; nothing for one that is in no group. Never rejects. */
  async carry(owner: string, from: string): Promise<void> {
    const carrying = this.#carry(owner, from);
    this.#carrying.add(carrying);
    await carrying;
    this.#carrying.delete(carrying);
  }

  /** The guest is going: what is told of its connections from now on is nobody's, also where another one has its name. */
  forget(owner: string): void {
    for (const [gone, asked] of this.#asked) if (asked === owner) gone.abort();
  }

  /** Resolves when what is being asked for now is at the switches. Never rejects. */
  async settled(): Promise<void> {
    await Promise.all(this.#carrying);
  }

  /** What a switch has, when it is read for the first time: what is among it that was carried there stays as long as it would. */
  found(node: string, flows: Iterable<AgedFlow>): void {
    if (this.#found.has(node)) return;
    this.#found.add(node);
    const byOwner = Map.groupBy(carriedIn(flows), (carried) => this.#ownerAt(node, carried));
    let isNew = false;
    for (const [owner, carried] of byOwner) {
      const leftSec = Math.max(...carried.map((one) => one.leftSec));
      const connections = carried.map(({ connection }) => connection);
      if (owner !== undefined && leftSec > 0) isNew = this.#keep(owner, connections, leftSec) || isNew;
    }
    if (isNew) void this.#parts.changed();
  }

  /** More guests are known now than when switches were read. */
  lookAgain(): void {
    this.#found.clear();
  }

  close(): void {
    this.#isClosed = true;
    for (const { timer } of this.#ends.values()) timer.cancel();
  }

  async #carry(owner: string, from: string): Promise<void> {
    const { overlay, connectionsOf, changed, log } = this.#parts;
    const member = overlay.members.find(({ node }) => node === from);
    if (member === undefined || !this.#isMember(owner)) return;
    const gone = new AbortController();
    this.#asked.set(gone, owner);
    try {
      const { connections, left } = await connectionsOf(member, owner);
      if (gone.signal.aborted) return;
      if (left > 0) log.warn({ owner, from, left }, 'a guest has more connections than go with it');
      if (this.#keep(owner, connections, CARRIED_SEC)) await changed();
    } catch (error) {
      log.warn({ owner, from, reason: messageOf(error) }, "a guest's connections could not be asked for");
    } finally {
      this.#asked.delete(gone);
    }
  }

  #isMember(owner: string): boolean {
    return membership(this.#parts.overlay.groups).has(owner);
  }

  /** Whose connection it is: of a guest that is at that node, or about to be. */
  #ownerAt(node: string, { tenant, mac }: CarriedConnection): string | undefined {
    const { bindings, preparations, guests } = this.#parts.overlay;
    const isIts = (place: Binding): boolean =>
      place.node === node && tenantOf(place) === tenant && ethAddress(place.mac) === mac;
    const placesOf = (owner: string): Binding[] =>
      [bindings.get(owner), preparations.get(owner)].filter((place) => place !== undefined);
    const found = [...guests.ownersAt(node)].find((owner) => placesOf(owner).some(isIts));
    return found === undefined || !this.#isMember(found) ? undefined : found;
  }

  /** With those that came before and that its last switch has not seen yet. Answers whether there are any. */
  #keep(owner: string, connections: readonly GuestConnection[], forSec: number): boolean {
    const { overlay } = this.#parts;
    if (this.#isClosed || !overlay.bindings.has(owner)) return false;
    const all = [...connections, ...(overlay.connections.get(owner) ?? [])];
    const known = new Map(all.map((connection) => [JSON.stringify(connection), connection]));
    if (known.size === 0) return false;
    overlay.setConnections(owner, [...known.values()].slice(0, CONNECTIONS_MAX));
    this.#endLater(owner, forSec * 1_000);
    return true;
  }

  #endLater(owner: string, forMs: number): void {
    const { overlay, clock, changed } = this.#parts;
    const [before, atMs] = [this.#ends.get(owner), clock.nowMs() + forMs];
    if (before !== undefined && before.atMs >= atMs) return;
    before?.timer.cancel();
    const end = (): void => {
      this.#ends.delete(owner);
      overlay.setConnections(owner, []);
      void changed();
    };
    this.#ends.set(owner, { atMs, timer: clock.setTimer(forMs, end) });
  }
}
