// The members' places in the encrypted underlay: a node says its own, durably, and hears of all, and of those that relay nothing
// now. Who a node is its certificate says; no node takes another one's key, nor the address of one that is there, and so none is
// sent what is for another.
import type { Clock } from '../../common/clock.ts';
import { OperationError } from '../../common/errors.ts';
import type { Handlers } from '../../common/rpc/server.ts';
import type { UnderlayMember, UnderlayPlace, underlayContract } from '../../wire/contracts/underlay.ts';
import type { Cluster } from '../cluster.ts';
import type { State } from '../state.ts';

type Tell = (told: { members: UnderlayMember[]; away?: string[]; unheard?: string[] }) => void;

export interface UnderlayParts {
  readonly state: Pick<State, 'all' | 'get' | 'put' | 'remove'>;
  readonly cluster: Pick<Cluster, 'isUp'>;
  /** The node that this process is on. */
  readonly node: string;
  readonly clock: Pick<Clock, 'nowMs'>;
}

/** So long a node may be without a call to here before others relay what it did: its daemon is started again in a second or two. */
const AWAY_AFTER_MS = 10_000;

export class Underlay {
  readonly #parts: UnderlayParts;
  readonly #sessions = new Map<Tell, string>();
  /** When a node's last session ended. */
  readonly #endedMs = new Map<string, number>();
  readonly #begunMs: number;
  /** One place after the other is compared with all that stand. */
  #turn: Promise<unknown> = Promise.resolve();
  /** As it was told last; undefined as long as that is not known: who was told of it by an earlier controller goes by that. */
  #away: string[] | undefined;

  constructor(parts: UnderlayParts) {
    this.#parts = parts;
    this.#begunMs = parts.clock.nowMs();
  }

  /** Those that have a place. */
  get members(): UnderlayMember[] {
    return this.#parts.state.all('underlay');
  }

  /** Of those that others can send to: who is to relay nothing now; undefined: not known yet. */
  get away(): readonly string[] | undefined {
    return this.#away;
  }

  /** Tells all who can relay, if that is other than it was; to be called every few seconds. */
  look(): void {
    if (this.#parts.clock.nowMs() - this.#begunMs < AWAY_AFTER_MS) return;
    const relays = this.members.flatMap(({ node, outer }) => (outer === undefined ? [] : [node]));
    const silent = relays.filter((node) => this.#isAway(node));
    // Of this node's end nobody would be told: another one relays, if there is one.
    const { node } = this.#parts;
    const others = relays.filter((one) => one !== node && !silent.includes(one));
    const away = [
      ...new Set(others.length === 0 ? silent : [...silent, ...relays.filter((one) => one === node)]),
    ].sort();
    if (this.#away !== undefined && String(away) === String(this.#away)) return;
    this.#away = away;
    this.#tellAll();
  }

  /** The calls of the contract. */
  handlers(): Handlers<typeof underlayContract> {
    return {
      'underlay.join': (place, { peer, progress, signal }) => this.#join(peer.node, place, progress, signal),
    };
  }

  #isAway(node: string): boolean {
    if ([...this.#sessions.values()].includes(node)) return false;
    return this.#parts.clock.nowMs() - (this.#endedMs.get(node) ?? this.#begunMs) >= AWAY_AFTER_MS;
  }

  /**
   * One that is down may have been set up anew under another name, as for the members (`members.ts`). Its agents may still be
   * heard through its tunnels while its underlay daemon is not, and the other way round: it is gone when neither is.
   */
  #isGone({ node }: UnderlayMember): boolean {
    return this.#isAway(node) && !this.#parts.cluster.isUp(node);
  }

  /** Resolves when the caller's session is over. @throws OperationError PLACE_TAKEN */
  async #join(node: string, place: UnderlayPlace, tell: Tell, signal: AbortSignal): Promise<Record<string, never>> {
    const member = { node, ...place };
    const taken = this.#turn.then(() => this.#take(member));
    this.#turn = taken.catch(() => undefined);
    await taken;
    this.#sessions.set(tell, node);
    tell(this.#told);
    await ended(signal);
    this.#sessions.delete(tell);
    this.#endedMs.set(node, this.#parts.clock.nowMs());
    return {};
  }

  async #take(member: UnderlayMember): Promise<void> {
    const { state } = this.#parts;
    const others = this.members.filter(({ node }) => node !== member.node);
    const owner = others.find(
      (other) =>
        other.keys.some((key) => has(member, key)) || (other.address === member.address && !this.#isGone(other)),
    );
    if (owner !== undefined) throw taken(member, owner);
    // Never two of one address: what is sent to it is for one of them.
    for (const { node, address } of others) if (address === member.address) await state.remove('underlay', node);
    if (JSON.stringify(state.get('underlay', member.node)) === JSON.stringify(member)) return;
    await state.put('underlay', member.node, member);
    this.#tellAll();
  }

  get #told(): Parameters<Tell>[0] {
    const heard = new Set(this.#sessions.values());
    const unheard = this.members.flatMap(({ node }) => (heard.has(node) ? [] : [node]));
    return { members: this.members, unheard, ...(this.#away !== undefined && { away: this.#away }) };
  }

  #tellAll(): void {
    for (const tell of this.#sessions.keys()) tell(this.#told);
  }
}

function has({ keys }: UnderlayMember, key: string): boolean {
  return keys.some((own) => own === key);
}

function taken({ node, address }: UnderlayMember, owner: UnderlayMember): OperationError {
  const message = `${node} cannot be ${address} in the underlay under its key: ${owner.node} has the address or the key`;
  return new OperationError('PLACE_TAKEN', message, {
    remedy: 'Give each node an address of its own, and never copy the key of one to another.',
  });
}

function ended(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
