// What a switch remembers of a guest's connections goes with the guest: at the preparation of a move and again at its end the
// controller asks the source, and for a while the destination takes the answers on them (SOUNDNESS C5). A question that
// fails costs those connections alone of which the far end is to speak first.
import type { Clock, Timer } from '../../common/clock.ts';
import { messageOf } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { OverlayMember } from '../../wire/contracts/sdnd.ts';
import { CONNECTIONS_MAX, type GuestConnection } from '../../wire/contracts/security-groups.ts';
import type { Overlay } from '../overlay.ts';
import { CARRIED_SEC } from '../pipeline.ts';
import { memberNames } from './members.ts';

/** Asks a node's agent. */
export type ConnectionsOf = (
  member: OverlayMember,
  owner: string,
) => Promise<{ readonly connections: readonly GuestConnection[]; readonly left: number }>;

export interface CarrierParts {
  readonly overlay: Pick<Overlay, 'groups' | 'members' | 'bindings' | 'connections'>;
  readonly connectionsOf: ConnectionsOf;
  /** Other flows are wanted. */
  readonly changed: () => void;
  readonly clock: Clock;
  readonly log: Log;
}

export class ConnectionCarrier {
  readonly #parts: CarrierParts;
  /** By owner. */
  readonly #ends = new Map<string, Timer>();
  #isClosed = false;

  constructor(parts: CarrierParts) {
    this.#parts = parts;
  }

  /** Of a guest that leaves a node; nothing for one that is in no group. Never rejects. */
  async carry(owner: string, from: string): Promise<void> {
    const { overlay, connectionsOf, log } = this.#parts;
    const member = overlay.members.find(({ node }) => node === from);
    if (member === undefined || !memberNames(overlay.groups).has(owner)) return;
    try {
      const { connections, left } = await connectionsOf(member, owner);
      if (left > 0) log.warn({ owner, from, left }, 'a guest has more connections than go with it');
      this.#keep(owner, connections);
    } catch (error) {
      log.warn({ owner, from, reason: messageOf(error) }, "a guest's connections could not be asked for");
    }
  }

  close(): void {
    this.#isClosed = true;
    for (const timer of this.#ends.values()) timer.cancel();
  }

  // With those that came before and that its last switch has not seen yet.
  #keep(owner: string, connections: readonly GuestConnection[]): void {
    const { overlay, clock, changed } = this.#parts;
    if (this.#isClosed || !overlay.bindings.has(owner)) return;
    const all = [...connections, ...(overlay.connections.get(owner) ?? [])];
    const known = new Map(all.map((connection) => [JSON.stringify(connection), connection]));
    if (known.size === 0) return;
    overlay.connections.set(owner, [...known.values()].slice(0, CONNECTIONS_MAX));
    this.#ends.get(owner)?.cancel();
    const end = (): void => {
      this.#ends.delete(owner);
      if (overlay.connections.delete(owner)) changed();
    };
    this.#ends.set(owner, clock.setTimer(CARRIED_SEC * 1_000, end));
    changed();
  }
}
